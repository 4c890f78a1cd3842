"""Folders and classes whose names MONAI would execute or follow: they are names, from the data to the predictions."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_distill.data import SyntheticDataset
from monai_distill.runtime.literals import literal
from tests.bundles.conftest import QUICK, run, workflow
from tests.configs.command import command, fast_run, read

pytestmark = pytest.mark.draws

CLASSES = ("$print('executed')", "%a", "@seed", "grade #2")
SIZE = ("--image_size", "[8, 8]")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of thirty noise images a class, below a folder with signs in its name."""
    root = tmp_path / "scans #3 of @site"
    for number, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for image in range(30):
            pixels = np.random.RandomState(100 * number + image).randint(0, 255, (8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{image:02d}.png")
    return root


def test_a_run_its_resume_and_its_export(scans: Path, tmp_path: Path) -> None:
    folder, release = tmp_path / "run #1", tmp_path / "release #1"
    made = fast_run(folder, "--dataset", "folder", "--dataset_dir", scans, *SIZE)
    assert made.code == 0, made.err
    assert "executed" not in made.out
    assert SyntheticDataset.load(folder).class_names == CLASSES
    assert read(folder, "config.json")["dataset_dir"].startswith("$'")
    assert command("resume", folder).code == 0
    (tmp_path / "license.txt").write_text("Terms of the tests")
    options = ("--no_claim", "--license", tmp_path / "license.txt", "--formats", "safetensors")
    exported = command("export", folder, "--to", release, *options, "--title", "$print('executed')")
    assert exported.code == 0, exported.err
    assert "executed" not in exported.out.replace("$print('executed')", "")  # the name itself is shown
    assert read(release, "manifest.json")["release"]["title"] == "$print('executed')"


def test_a_bundle(scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--dataset", "folder", "--dataset_dir", scans, "--method", "dm", *SIZE, "--width", "4", "--depth", "1")
    outcome = command("bundle", "hostile", *words, "--to", tmp_path)
    assert outcome.code == 0, outcome.err
    root = tmp_path / "hostile"
    data = {"dataset_dir": literal(str(scans)), "device": "cpu"}
    assert shlex.quote(data["dataset_dir"]) in outcome.out
    run(workflow(root, "train", kind="train", **{**QUICK, **data}))
    assert SyntheticDataset.load(root / "models").class_names == CLASSES
    run(workflow(root, "inference", kind="infer", **data))
    with (root / "eval" / "predictions.csv").open(newline="") as opened:
        columns = set(next(csv.reader(opened)))
    assert {f"p({name})" for name in CLASSES} <= columns
    assert "executed\n" not in capsys.readouterr().out
