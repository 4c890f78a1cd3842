"""Memory and disk of a planned run: those that the run itself forecasts when it has read the data."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigParser

from monai_distill.configuration import run_forecast
from monai_distill.configuration.plan.other_machine import Card
from monai_distill.configuration.plan.planner import make_plan
from monai_distill.configuration.plan.request import Request
from monai_distill.data.datasets import decoded_images
from tests.configs.command import command

SECTIONS = {"train": slice(0, 800), "val": slice(800, 850), "test": slice(850, 900)}
SMALL = {"width": 4, "depth": 1, "device": "cpu"}
WORDS = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two classes of 400 images, more than the 128 of a class that stand for the data."""
    labels = np.arange(900) % 2
    images = np.random.default_rng(0).integers(0, 255, (900, 8, 8), np.uint8)
    sections = {f"{name}_images": images[part] for name, part in SECTIONS.items()}
    np.savez(tmp_path / "scans.npz", **sections, **{f"{name}_labels": labels[part] for name, part in SECTIONS.items()})
    return tmp_path


@pytest.mark.parametrize("method", ["dm", "mtt"])
def test_the_room_of_a_plan_is_that_of_the_run_with_all_data(method: str, scans: Path) -> None:
    settings = {**SMALL, "dataset_dir": str(scans), "dataset_file": "scans.npz", "iterations": 5}
    request = Request(
        "npz", method=method, settings={**settings, "batch_per_class": 300} if method == "dm" else settings
    )
    plan = make_plan(request)
    parser = ConfigParser()
    parser.read_config(plan.arguments()["config_file"])
    parser.update({key: "$None" if value is None else value for key, value in plan.arguments().items()})
    complete = parser.get_parsed_content("forecast")
    assert plan.room == complete
    assert plan.to_dict()["forecast"]["disk_bytes"] == complete.store
    assert (complete.store > 0) == (method == "mtt")


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes that the machine has; a test changes them."""
    bytes_of = {"memory": 2**40}
    monkeypatch.setattr(run_forecast, "available_memory", lambda device: bytes_of["memory"])
    return bytes_of


def test_a_run_that_does_not_fit_is_refused_by_the_plan(scans: Path, limits: dict[str, int]) -> None:
    words = ("plan", "--dataset", "npz", "--dataset_dir", scans, "--dataset_file", "scans.npz", "--method", "dm")
    words += ("--preset_of", "published", "--iterations", "5", *WORDS)
    assert command(*words).code == 0
    limits["memory"] = 2**29
    refused = command(*words)
    assert refused.code == 1
    assert "512 MiB" in refused.err
    assert "--memory_budget" in refused.err


def test_a_card_that_is_too_small_is_refused(scans: Path) -> None:
    words = ("plan", "--dataset", "npz", "--dataset_dir", scans, "--dataset_file", "scans.npz", "--method", "dm")
    words += ("--preset_of", "published", "--iterations", "5", *WORDS)
    outcome = command(*words, "--on", "gpu24", "--json")
    assert outcome.code == 0, outcome.err
    planned = json.loads(outcome.out)
    assert planned["forecast"]["memory_bytes"]["images_are_on"] == "device"
    assert planned["forecast"]["memory_bytes"]["images"] == 900 * 64
    request = Request("npz", method="dm", settings={**SMALL, "dataset_dir": str(scans), "dataset_file": "scans.npz"})
    with pytest.raises(RuntimeError, match="GPU memory"):
        make_plan(request, card=Card("a card without memory", 0, 1e12))


def test_files_that_do_not_fit_into_memory_are_counted_as_a_file_of_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    for number in range(40):
        folder = tmp_path / "scans" / f"class{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 5 * number, np.uint8)).save(folder / f"{number}.png")
    words = ("plan", "--dataset", "folder", "--dataset_dir", tmp_path / "scans", "--method", "dm", "--json")
    words += ("--preset_of", "published", "--iterations", "5", "--image_size", "8", *WORDS)
    held = json.loads(command(*words).out)["forecast"]
    assert (held["memory_bytes"]["images"], held["disk_bytes"]) == (40 * 64, 0)
    monkeypatch.setattr(decoded_images, "physical_memory", lambda: 4)
    written = json.loads(command(*words).out)["forecast"]
    assert written["memory_bytes"]["images_are_on"] == "disk"
    assert (written["memory_bytes"]["images"], written["disk_bytes"]) == (40 * 64 * 4, 40 * 64 * 4)
