"""The scores protocol as the configuration wires it, on a finished run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_distill.engines.students import StudentTraining
from tests.configs.command import command, fast_run, read


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert fast_run(folder).code == 0
    return folder


def long_scores(folder: Path, *words: str) -> dict[str, Any]:
    outcome = command("evaluate", folder, "--protocols", "scores", *words)
    assert outcome.code == 0, outcome.err
    return read(folder, "scores.json")


def test_the_configured_protocol_adds_its_figures_and_keeps_the_rows(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(whole, "scores.json")
    after = long_scores(whole)
    assert {name: after[name] for name in before if name != "cost"} == {k: v for k, v in before.items() if k != "cost"}
    result = after["protocols"]["scores"]
    controls = after["controls"]
    assert list(controls) == ["herding", "k_center", "soft_label_random"]
    assert after["clinical"]["classes"] == [str(i) for i in range(10)]
    assert 0 <= result["figures"]["lrs"] <= 1
    json.dumps(after, allow_nan=False)
    monkeypatch.delattr(StudentTraining, "__call__")  # every result is stored already
    again = long_scores(whole, "--controls", "['k_center']")
    assert again["controls"] == {"k_center": controls["k_center"]}
