"""A shadow repeats the run's job on other images and leaves no files."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.data.image_columns import item_columns
from monai_distill.privacy.audit.shadow_job import REPRODUCED, ShadowJob, _Items, shadow_differences
from tests.configs.command import fast_run

SECTIONS = [DigitsDataset(section) for section in ("training", "validation", "test")]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    outcome = fast_run(folder, "--seed", "5", "--validation_students", "1")
    assert (outcome.code, outcome.err) == (0, "")
    return folder


def job(run_folder: Path, work: Path, **settings: object) -> ShadowJob:
    return ShadowJob(run_folder / "config.json", settings, SECTIONS[1], SECTIONS[2], work)


def test_all_images_and_the_run_s_seed_reproduce_the_run_s_set(run_folder: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in run_folder.rglob("*") if file.is_file()}
    shadow = job(run_folder, tmp_path / "work")(ClassBank.from_dataset(SECTIONS[0]), 5)
    assert torch.equal(shadow.images, SyntheticDataset.load(run_folder).images)
    assert shadow.preprocessing is not None
    assert {file: file.read_bytes() for file in run_folder.rglob("*") if file.is_file()} == before
    assert list(tmp_path.iterdir()) == []


def test_members_and_settings_change_the_set(run_folder: Path, tmp_path: Path) -> None:
    bank = ClassBank.from_dataset(SECTIONS[0])
    half = bank.subset(torch.arange(0, len(bank), 2))
    sets = [
        job(run_folder, tmp_path / "work", **settings)(half, 5)
        for settings in ({}, {"iterations": 2, "images_per_class": 2})
    ]
    assert len(sets[1]) == 2 * len(sets[0])
    assert not torch.equal(sets[0].images, SyntheticDataset.load(run_folder).images)


def test_the_job_receives_patients_and_groups() -> None:
    bank = ClassBank.from_dataset(SECTIONS[0])
    items = _Items(bank, {"patient": [str(i) for i in range(len(bank))], "site": ["A"] * len(bank)})
    assert (items[3]["patient"], items[3]["site"]) == ("3", "A")
    assert item_columns(items)["site"] == ["A"] * len(bank)
    assert "patient" not in _Items(bank, {})[3]


def test_a_misspelt_setting_is_refused(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got \['iteration'\]"):
        job(run_folder, tmp_path / "work", iteration=3)(ClassBank.from_dataset(SECTIONS[0]), 5)
    with pytest.raises(ValueError, match=r"Expected no \['seed'\]"):
        job(run_folder, tmp_path / "work", seed=3)(ClassBank.from_dataset(SECTIONS[0]), 5)


def test_an_older_run_without_a_candidate_gives_its_synthetic_set(run_folder: Path, tmp_path: Path) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    del config["candidate"]
    (tmp_path / "config.json").write_text(json.dumps(config).replace("@candidate", "@synthetic"))
    shadow = ShadowJob(tmp_path / "config.json", {}, SECTIONS[1], SECTIONS[2], tmp_path / "work")
    assert len(shadow(ClassBank.from_dataset(SECTIONS[0]), 5)) == 10


def test_a_shadow_describes_the_job_that_ran(run_folder: Path, tmp_path: Path) -> None:
    """Before, the audit reported the settings that were given: an edited configuration went unnoticed."""
    manifest = json.loads((run_folder / "manifest.json").read_text())
    bank = ClassBank.from_dataset(SECTIONS[0])
    half = bank.subset(torch.arange(0, len(bank), 2))
    faithful = job(run_folder, tmp_path / "work")(half, 7)
    assert shadow_differences(manifest, faithful.manifest[REPRODUCED]) == {}
    config = json.loads((run_folder / "config.json").read_text())
    config["iterations"] = 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    edited = ShadowJob(tmp_path / "config.json", {}, SECTIONS[1], SECTIONS[2], tmp_path / "work")(half, 7)
    assert shadow_differences(manifest, edited.manifest[REPRODUCED]) == {"settings.iterations": 2}
