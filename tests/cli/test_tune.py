"""A search for settings: what it tries, stores and refuses, and that a run takes its result."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_distill.configuration.tuning import search_space
from tests.configs.command import FAST, command, read

pytest.importorskip("optuna")
FREE = {"--image_lr", "--expert_lr", "--expert_epochs", "--max_start_epoch", "--experts"}
SMALL = [w for name, value in zip(FAST[::2], FAST[1::2], strict=True) if name not in FREE for w in (name, value)]


def test_a_search_stores_its_trials_goes_on_and_its_settings_run(tmp_path: Path) -> None:
    words = ("tune", "--output_dir", tmp_path / "tuned", *SMALL, "--experts", "1", "--expert_epochs", "1")
    first = command(*words, "--trials", "2", "--max_start_epoch", "1")
    assert first.code == 0, first.err
    again = command(*words, "--trials", "1", "--max_start_epoch", "1")
    assert again.code == 0, again.err
    trials = json.loads((tmp_path / "tuned" / "trials.json").read_text())
    assert [trial["number"] for trial in trials] == [0, 1, 2]
    assert trials[0]["settings"]["image_lr"] == 10, "the first trial has the settings as they were"
    content = read(tmp_path / "tuned", "settings.json")
    done = [trial["validation"] for trial in trials if trial["state"] == "COMPLETE"]
    assert content["validation"]["best"] == max(done)
    assert {"image_lr", "expert_lr", "operations"} <= content["settings"].keys()
    assert content["settings"]["expert_epochs"] == 1, "a given setting is not searched, and holds for the run"
    assert content["settings"]["width"] == 4
    own = {"dataset_dir", "output_dir", "seed", "images_per_class"}
    assert not own & content["settings"].keys(), "every run gives its own"
    run = ("run", "--no_plan", "--dry_run", "--settings", tmp_path / "tuned" / "settings.json")
    assert f"--image_lr {content['settings']['image_lr']}" in command(*run).out
    assert "mtt" in command(*run, "--method", "dm").err
    assert "public" in command(*run, "--epsilon", "1").err


def test_a_search_with_a_guarantee_is_refused(tmp_path: Path) -> None:
    outcome = command("tune", "--output_dir", tmp_path, "--epsilon", "1", "--method", "dm")
    assert outcome.code == 1
    assert "--epsilon" in outcome.err


def test_the_space_of_every_family_and_what_is_given() -> None:
    assert set(search_space({"base_image_lr": 1.0, "image_lr": 1.0, "operations": ["crop"]}, {})) == {
        "base_image_lr",
        "operations",
    }
    assert not search_space({"base_image_lr": 1.0, "image_lr": 1.0}, {"image_lr": 1.0}), "it replaces the base"
    assert set(search_space({"image_lr": 0.1, "network_lr": 0.01}, {"image_lr": 0.1})) == {"network_lr"}
