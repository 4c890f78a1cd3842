"""``python -m monai.bundle`` on a bundle that was copied to another folder, from another working directory."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.export.release import Verification
from tests.bundles.conftest import QUICK, TRAJECTORY

DIGITS = "digits_dataset_distillation"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def bundle_command(program: list[str], root: Path, configs: str, cwd: Path, **settings: Any) -> str:
    """The output of the command; the package is found as an installed one would be."""
    words = [*program, "-m", "monai.bundle", "run", "--config_file", configs, "--bundle_root", str(root)]
    words += [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_it_runs_from_anywhere(copied: Any, tmp_path: Path) -> None:
    root, elsewhere = copied(DIGITS), tmp_path / "working directory"
    elsewhere.mkdir()
    said = bundle_command([sys.executable], root, f"{root}/configs/inference.json", elsewhere, device="cpu")
    assert (root / "eval" / "predictions.csv").is_file()
    assert list(elsewhere.iterdir()) == []
    assert "SupervisedEvaluator - INFO" in said  # logging.conf holds
    assert f"Predictions, a row for every image: {root}/eval/predictions.csv" in said


@pytest.mark.slow
def test_the_whole_line_of_commands_runs_from_anywhere(copied: Any, tmp_path: Path) -> None:
    root, elsewhere = copied(DIGITS), tmp_path / "working directory"
    elsewhere.mkdir()
    program, configs = [sys.executable], root / "configs"
    both = f"['{configs}/train.json','{configs}/evaluate.json']"
    said = bundle_command(program, root, f"{configs}/train.json", elsewhere, **QUICK, **TRAJECTORY)
    next_line = shlex.split(next(line for line in said.splitlines() if "evaluate.json" in line))
    assert next_line[:4] == ["python", "-m", "monai.bundle", "run"]
    assert ast.literal_eval(next_line[5]) == ast.literal_eval(both)
    assert next_line[6:] == ["--bundle_root", str(root)]
    said = bundle_command(program, root, next_line[5], elsewhere, **QUICK, **TRAJECTORY)
    assert f"{configs}/export.json --bundle_root {root} --no_claim true" in said
    assert "| distilled" in said
    said = bundle_command(program, root, f"{configs}/export.json", elsewhere, **QUICK, no_claim="true")
    assert "Release folder: " in said
    assert f"monai-distill verify {root}/release" in said
    assert Verification.of(root / "release").problems == ()
    assert (root / "models" / "model.ts").is_file()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_two_processes_train_under_torchrun_what_one_does(copied: Any, tmp_path: Path) -> None:
    root = copied(DIGITS)
    sets = []
    for processes in (2, 1):
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        files = [f"'{root}/configs/{name}.json'" for name in ("train", "multi_gpu_train")]
        words = {"output_dir": tmp_path / str(processes), "segments_per_step": 2} if processes == 1 else {}
        bundle_command(torchrun, root, f"[{','.join(files)}]", tmp_path, **QUICK, **TRAJECTORY, **words)
        sets.append(SyntheticDataset.load(root / "models"))
    assert (root / "train" / "synthetic.safetensors").is_file()
    assert sets[0].manifest["settings"]["method"]["segments_per_step"] == 2
    assert torch.allclose(sets[0].images, sets[1].images, atol=1e-5)
