"""``--epsilon`` on the command: what a run with a guarantee writes, and what it refuses."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.claims import tier_of
from monai_distill.configuration.files import available, run_files
from tests.configs.command import command, contents, read

Run = Callable[..., dict[str, Any]]
DIGITS = {"dataset": "digits", "dataset_dir": None, "dataset_file": None, "epsilon": 20, "delta": 1e-4, "depth": 1}
ROUTES = {
    "datadam": {"views": 2, "depth": 2},
    "datm": {"student_steps": 2, "max_start_epoch": 3, "expert_epochs": 1},
}


@pytest.mark.parametrize("method", ROUTES)
def test_a_run_with_a_guarantee_states_it_and_keeps_to_it(run: Run, method: str) -> None:
    scores = run(method, **{**DIGITS, **ROUTES[method], "dp_epochs": 1})
    folder = scores["folder"]
    manifest, ledger = read(folder, "manifest.json"), read(folder, "ledger.json")
    assert manifest["privacy"].items() >= {"tier": "T2", "unit": "image", "epsilon": 20, "delta": 1e-4}.items()
    assert 19 < ledger["epsilon"] <= 20
    assert [event["steps"] for event in ledger["events"]] == ([1, 1] if method == "datadam" else [30])
    assert scores["dp_sgd"]["epsilon"] == 20
    assert 0 <= scores["dp_sgd"]["accuracy"]["mean"] <= 1
    assert manifest["chosen_iteration"] == manifest["settings"]["iterations"] == 3  # the last iterate
    assert [set(row) for row in read(folder, "history.json")["validations"]] == [{"iteration"}]  # nobody looked
    assert manifest["initial_images"] == "noise"
    assert (manifest["preprocessing"]["mean"], manifest["preprocessing"]["std"]) == ([0.5], [0.5])
    assert "sha256" not in json.dumps(manifest["source"])
    assert "counts" not in manifest["source"]
    assert ledger["set_sha256"] == manifest["sha256"]
    assert tier_of(manifest, None, ledger).name == "T2"
    before = contents(folder)
    assert command("evaluate", folder).code == 0
    after = contents(folder)
    assert {name for name in before if before[name] != after.get(name)} <= {
        *("scores.json", "report.html", "config.json", "cost.json", "run.log")
    }


def test_what_would_break_the_guarantee_is_refused_with_ways_out(tmp_path: Path) -> None:
    broken = ("--initial_images", "real", "--zca", "true", "--val_interval", "1", "--dp_model", "false")
    broken += ("--keyed_split", "false", "--drop_held_out", "false")
    outcome = command("run", "--method", "dm", "--epsilon", "8", "--output_dir", tmp_path / "run", *broken)
    assert outcome.code != 0
    advice = (
        "--initial_images noise",
        "--zca false",
        "leave val_interval",
        "--keyed_split true",
        "--drop_held_out true",
    )
    for advice_for in advice:
        assert advice_for in outcome.err
    assert not (tmp_path / "run" / "ledger.json").exists()


@pytest.mark.parametrize("name", sorted(set(available("datasets")) - {"python"}))
def test_every_data_set_that_may_draw_a_split_draws_a_keyed_one_with_a_guarantee(name: str) -> None:
    files = run_files(name, "convnet", "dm", guaranteed=True)
    settings = {key: value for content in files.contents for key, value in content.items()}
    assert settings["keyed_split"] is True
    assert settings["dataset"]["split"]["keyed"] == "@keyed_split"


def test_balanced_experts_have_no_guarantee(tmp_path: Path) -> None:
    words = ("--method", "mtt", "--epsilon", "8", "--dp_model", "false", "--balanced_experts", "true")
    outcome = command("run", *words, "--output_dir", tmp_path / "run")
    assert outcome.code != 0
    assert "--balanced_experts false" in outcome.err
    assert not (tmp_path / "run" / "experts").exists()


def test_too_few_images_for_the_epsilon_are_refused_before_anything_is_told(tmp_path: Path) -> None:
    outcome = command(
        *("run", "--method", "dm", "--epsilon", "0.2", "--output_dir", tmp_path / "run", "--dp_model", "false"),
        *("--width", "4", "--depth", "1"),
    )
    assert outcome.code != 0
    assert "images in every class" in outcome.err
    assert not (tmp_path / "run" / "release.safetensors").exists()


def test_methods_compared_on_the_same_records_are_said_to_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_distill.export.comparison.compare_methods", lambda *_, **__: "a table")
    words = ("compare", "--methods", "dm,datadam,random", "--output_dir", tmp_path, "--epsilon", "1")
    with pytest.warns(UserWarning, match="2 runs at epsilon 1 on the same records spend more than that together"):
        assert command(*words).code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert command(*words, "--ledger", tmp_path / "site.json").code == 0


@pytest.mark.parametrize("setting", ["real_batches", "initial_images"])
def test_clusters_of_the_training_images_are_refused(setting: str, tmp_path: Path) -> None:
    words = ("--epsilon", "20", "--delta", "1e-4", "--dp_model", "false", "--width", "4", "--depth", "1")
    outcome = command("run", "--method", "dm", *words, f"--{setting}", "clusters", "--output_dir", tmp_path / "run")
    assert outcome.code == 1
    assert {"real_batches": "clusters of the training images", "initial_images": "noise"}[setting] in outcome.err
    assert not (tmp_path / "run" / "ledger.json").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--method", "dc", "--epsilon", "1"), "no way to a guarantee: it compares gradients"),
        (("--method", "pad", "--epsilon", "1"), "no way to a guarantee: its curriculum"),
        (("--method", "idm", "--epsilon", "1"), "no way to a guarantee: its networks"),
        (("--method", "ncfm", "--epsilon", "1"), "by networks that were trained on them"),
        (("--method", "dm", "--delta", "1e-5"), "--epsilon with --delta"),
        (("--method", "dm", "--epsilon", "0"), "above 0"),
        (("--method", "dm", "--ledger", "x.json"), "--epsilon with --ledger"),
        (("--method", "dm", "--epsilon", "1", "--ledger_epsilon", "1"), "--ledger_epsilon"),
        (("--method", "dm", "--epsilon", "1", "--group_column", "sex"), "sums of small groups would be mostly noise"),
        (("--method", "mtt", "--group_column", "sex"), "matches class means of real images"),
        (("--method", "dsa", "--group_column", "sex"), "matches class means of real images"),
    ],
)
def test_a_guarantee_that_cannot_be_given_is_refused_at_once(words: tuple[str, ...], says: str) -> None:
    outcome = command("run", *words, "--dry_run")
    assert outcome.code != 0
    assert says in outcome.err


def test_runs_with_one_ledger_add_up_and_the_last_is_refused_before_it_looks(tmp_path: Path) -> None:
    words = ("run", "--method", "dm", "--epsilon", "20", "--delta", "1e-4", "--dp_model", "false", "--views", "1")
    small = ("--width", "2", "--depth", "1", "--iterations", "1", "--students", "1", "--evaluation_steps", "1")
    fast = (*words, *small, "--full_students", "1", "--full_steps", "1")
    ledger = ("--ledger", tmp_path / "site.json")
    first = command(*fast, "--output_dir", tmp_path / "a", *ledger, "--ledger_epsilon", "30")
    assert first.code == 0, first.err
    again = command("evaluate", tmp_path / "a")
    assert again.code == 0, again.err
    refused = command(*fast, "--output_dir", tmp_path / "b", *ledger)
    assert refused.code != 0
    assert "beyond its budget of 30" in refused.err
    assert not (tmp_path / "b" / "release.safetensors").exists()
    second = command(*fast, "--output_dir", tmp_path / "c", *ledger, "--epsilon", "8", "--prototype_share", "0")
    assert second.code == 0, second.err
    assert [event["purpose"] for event in read(tmp_path / "c", "ledger.json")["events"]] == ["class sums and counts"]
    site = read(tmp_path, "site.json")
    assert [run["dataset"] for run in site["runs"].values()] == ["digits", "digits"]
    assert 20 < site["spent"] <= 30


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--unit", "patient"), "Expected data that name the patient"),
        (
            ("--initial#noise", "{'_target_': 'monai_distill.data.real_images', '_mode_': 'callable'}"),
            "Leave initial#noise unchanged",
        ),
    ],
)
def test_another_unit_or_start_than_the_data_allow_is_refused(
    words: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    fast = ("run", "--method", "dm", "--epsilon", "20", "--delta", "1e-4", "--dp_model", "false", "--views", "1")
    small = ("--width", "2", "--depth", "1", "--iterations", "1", "--output_dir", tmp_path / "run")
    outcome = command(*fast, *small, *words)
    assert outcome.code != 0
    assert reason in outcome.err
    assert not (tmp_path / "run" / "release.safetensors").exists()


def test_experts_of_one_unit_are_trained_again_for_another(tmp_path: Path) -> None:
    """On the code before, experts trained for images were used for patients, and the ledger said "unit: patient"."""
    data, rows = tmp_path / "data", ["image,label,patient,split"]
    data.mkdir()
    pixels = np.random.default_rng(0)
    for i in range(60):
        Image.fromarray(pixels.integers(0, 256, (8, 8), dtype=np.uint8)).save(data / f"{i:03}.png")
        rows.append(f"{i:03}.png,{'ab'[i % 2]},p{i // 3},{'val' if i < 6 else 'test' if i < 12 else 'train'}")
    (data / "table.csv").write_text("\n".join(rows))
    table = ("--dataset", "table", "--dataset_dir", data, "--image_size", "[8,8]", "--channels", "1")
    budget = ("--method", "mtt", "--epsilon", "50", "--delta", "1e-3", "--public_records", "40", "--dp_model", "false")
    # calibrating noise would take most of the time
    noise = ("--noise_multiplier", "2", "--dp_model_row#trainer#settings#noise_multiplier", "2")
    tiny = (
        "--width",
        "2",
        "--depth",
        "1",
        "--expert_train_epochs",
        "1",
        "--sampling_rate",
        "0.5",
        "--student_steps",
        "1",
    )
    short = ("--max_start_epoch", "1", "--expert_epochs", "1", "--iterations", "1", "--students", "1")
    scores = ("--evaluation_steps", "1", "--full_students", "0", "--experts_root", tmp_path / "experts")
    for number, unit in enumerate(("image", "patient"), 1):
        words = (*table, *budget, *noise, *tiny, *short, *scores, "--unit", unit)
        outcome = command("run", *words, "--output_dir", tmp_path / unit)
        assert outcome.code == 0, outcome.err
        assert read(tmp_path / unit, "ledger.json")["unit"] == unit
        assert len([folder for folder in (tmp_path / "experts").iterdir() if folder.is_dir()]) == number
