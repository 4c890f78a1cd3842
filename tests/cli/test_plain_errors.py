"""One sentence for a lack of memory and for a module that cannot be imported, with what helps."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.engines.distillation import TrajectoryMatching
from monai_distill.engines.experts import ExpertTrainer
from monai_distill.engines.students import StudentTraining
from monai_distill.losses import DistributionMatchingLoss, GradientMatchingLoss
from tests.configs.command import command, fast_run

CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
WINDOWS = RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.")
GPU = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
MATCHING = ("--batch_per_class", "8", "--iterations", "2", "--validate_every", "2", "--width", "4", "--depth", "1")
METHODS = {"mtt": (), "dm": ("--method", "dm", *MATCHING), "dc": ("--method", "dc", *MATCHING[:2], *MATCHING[4:])}


def _run(folder: Path, method: str) -> Any:
    if method == "mtt":
        return fast_run(folder)
    return command("run", "--output_dir", folder, "--device", "cpu", *METHODS[method])


@pytest.mark.parametrize(
    ("method", "owner", "name", "error", "settings"),
    [
        ("mtt", ExpertTrainer, "_iteration", GPU, ("experts were trained", "--experts_at_once 1", "--width")),
        ("mtt", TrajectoryMatching, "__call__", CPU, ("--chunk 1", "--images_at_once 1", "--memory_budget")),
        ("mtt", StudentTraining, "__call__", WINDOWS, ("--width", "--scorecard#protocol#batch_size")),
        ("dm", DistributionMatchingLoss, "forward", GPU, ("--batch_per_class", "--width")),
        ("dc", GradientMatchingLoss, "forward", MemoryError(), ("--batch_per_class", "--network_batch_size")),
    ],
)
def test_the_settings_that_need_less_memory_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    owner: Any,
    name: str,
    error: BaseException,
    settings: tuple[str, ...],
) -> None:
    def fail(*arguments: Any, **more: Any) -> None:
        raise type(error)(*error.args)  # a new one, without a traceback of another test

    monkeypatch.setattr(owner, name, fail)
    outcome = _run(tmp_path / "run", method)
    assert outcome.code == 1
    *lowered, line = outcome.err.splitlines()  # before the error, parts of batches were made smaller
    assert all("Memory ran out" in text for text in lowered)
    assert line.startswith("monai-distill: error: Out of memory")
    for text in (*settings, str(error)[:20]):
        assert text in line, line


def test_a_run_resumes_with_less_memory_but_with_no_other_settings(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fast_run(run).code == 0
    before = (run / "synthetic.safetensors").read_bytes()
    assert command("resume", run, "--chunk", "1", "--experts_at_once", "1").code == 0
    assert (run / "synthetic.safetensors").read_bytes() == before
    for words in (("--student_lr", "0.1"), ("--chunk", "0")):
        outcome = command("resume", run, *words)
        assert (outcome.code, words[0][2:] in outcome.err) == (1, True), outcome.err


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("nowhere.Net", None, ("nowhere.Net", "No module named 'nowhere'", "PYTHONPATH=")),
        ("monai_distill.networks.Nix", None, ("monai_distill.networks.Nix", "has no Nix")),
        ("user_net.Net", "import absent_package\n", ("user_net", "No module named 'absent_package'", "Install")),
        ("user_net.Net", "Not python\n", ("user_net", "SyntaxError", "correct its code")),
    ],
)
def test_a_network_that_cannot_be_imported_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, code: str | None, says: tuple[str, ...]
) -> None:
    if code is not None:
        (tmp_path / "user_net.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    outcome = fast_run(tmp_path / "run", "--network_factory#_target_", target)
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    for text in says:
        assert text in line, line
