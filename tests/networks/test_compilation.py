"""Calls of ``torch.compile``; its results are tested where they are used."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._inductor import list_mode_options

from monai_distill.networks import MODES, through_compiler


def test_a_function_is_unchanged_or_compiled_in_the_requested_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "compile", lambda function, **settings: calls.append(settings) or (lambda x: -x))
    assert through_compiler(abs, False) is abs
    assert calls == []
    assert through_compiler(abs, True)(1) == -1
    assert through_compiler(abs, "reduce-overhead")(1) == -1
    assert calls == [{"dynamic": False, "mode": None}, {"dynamic": False, "mode": "reduce-overhead"}]


def test_the_modes_are_pytorch_s_and_others_are_refused() -> None:
    assert {*MODES} < {*list_mode_options()}
    with pytest.raises(ValueError, match=r"one of reduce-overhead, .* got 'fast'"):
        through_compiler(abs, "fast")
