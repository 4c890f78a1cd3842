"""``monai-distill score``: sets of this and of other programs, next to the same controls; ``evaluate --students``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.data.set_reading import read_set
from monai_distill.transforms import Standardize
from tests.configs.command import Outcome, command, fast_run, read

QUICK = ("--students", "2", "--full_students", "0", "--evaluation_steps", "3", "--student_schedule", "published")
QUICK += ("--width", "4", "--depth", "1", "--device", "cpu")


def scored(path: Path, folder: Path, *words: str) -> Outcome:
    return command("score", path, "--dataset", "digits", "--output_dir", folder, *QUICK, *words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    assert fast_run(folder, "--full_students", "0").code == 0
    return folder


def real_images(count: int = 10) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    data = DigitsDataset("training")
    first = [next(i for i in range(len(data)) if data[i]["label"] == label) for label in range(count)]
    return np.stack([data[i]["image"][0].numpy() for i in first]), np.arange(count)


def test_more_students_begin_with_those_of_the_run(made: Path) -> None:
    before = read(made, "scores.json")
    outcome = command("evaluate", made, "--students", "3")
    assert outcome.code == 0, outcome.err
    after = read(made, "scores.json")
    for row in ("distilled", "random"):
        values = after[row]["accuracy"]["values"]
        assert len(values) == 3
        assert values[: len(before[row]["accuracy"]["values"])] == before[row]["accuracy"]["values"]
    refused = command("evaluate", made, "--students", "3", "--protocols", "nas")
    assert refused.code == 1
    assert "--nas_students" in refused.err


def test_a_set_without_its_run_scores_as_its_run_scored_it(made: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    SyntheticDataset.load(made).save(alone)
    students = str(len(read(made, "scores.json")["distilled"]["accuracy"]["values"]))
    words = ("--students", students, "--full_students", "0", "--device", "cpu")
    outcome = command("score", alone, "--dataset", "digits", "--output_dir", tmp_path / "scores", *words)
    assert outcome.code == 0, outcome.err
    own, again = read(made, "scores.json"), read(tmp_path / "scores", "scores.json")
    for row in ("distilled", "random"):
        assert again[row]["accuracy"]["values"] == own[row]["accuracy"]["values"]
    assert again["set"]["made_from"] == "the training images of these data"
    assert "made from the training images of these data" in outcome.out
    other = scored(tmp_path / "scores", tmp_path / "scores")
    assert (other.code, (tmp_path / "scores" / "scores.json").is_file()) == (1, True)


def test_bytes_pixel_values_and_standardized_values_of_one_set_score_the_same(tmp_path: Path) -> None:
    images, labels = real_images()
    stored = np.round(images * 255).astype(np.uint8)
    pixels = torch.from_numpy(stored)[:, None].float() / 255
    np.savez(tmp_path / "bytes.npz", images=stored, labels=labels[:, None])
    torch.save({"images": pixels, "labels": torch.from_numpy(labels)}, tmp_path / "pixels.pt")
    values = []
    for file, words in (("bytes.npz", ()), ("pixels.pt", ("--mean", "0", "--std", "1"))):
        outcome = scored(tmp_path / file, tmp_path / f"{file}_scores", *words)
        assert outcome.code == 0, outcome.err
        assert "pixel values" in outcome.out
        values.append(read(tmp_path / f"{file}_scores", "scores.json")["distilled"]["accuracy"]["values"])
    assert values[0] == values[1]


def test_soft_labels_and_declared_standardization_of_another_program(tmp_path: Path) -> None:
    images, labels = real_images(4)
    folder = tmp_path / "parts"
    folder.mkdir()
    torch.save(torch.from_numpy((images - 0.3) / 0.4).float()[:, None], folder / "images_best.pt")
    soft = torch.full((4, 10), 0.01)
    soft[range(4), labels] = 0.91
    torch.save(soft, folder / "labels_best.pt")
    found = read_set(folder, mean=0.3, std=0.4, student_lr=0.02)
    assert torch.allclose(found.pixels()[:, 0], torch.from_numpy(images).float(), atol=1e-5)
    assert torch.allclose(found.targets.softmax(dim=1), soft, atol=1e-5)
    assert isinstance(found.preprocessing, Standardize)
    outcome = scored(folder, tmp_path / "scores", "--mean", "0.3", "--std", "0.4", "--student_lr", "0.02")
    assert outcome.code == 0, outcome.err
    assert "labels: soft; learning rate 0.02" in outcome.out
    assert "whether these test images were among them is not known" in outcome.out


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": np.zeros((2, 8, 8)), "labels": np.arange(2)}, "--mean 0 --std 1"),
        ({"images": np.zeros((2, 9, 9), np.uint8), "labels": np.arange(2)}, "[1, 9, 9]"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.array([0, 12])}, "Expected a set of the classes"),
        ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.arange(3)}, "Expected class numbers [2]"),
        ({"images": np.zeros((2, 8, 8), np.uint8)}, "Expected labels in"),
        ({"images": np.array([None, 1]), "labels": np.arange(2)}, "Expected a folder"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    outcome = scored(tmp_path / "set.npz", tmp_path / "scores")
    assert outcome.code == 1
    assert says in outcome.err
    assert not (tmp_path / "scores").exists()


def test_data_without_a_preset_take_the_students_of_a_plan_and_missing_classes_are_said(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    parts = {}
    for split, count in (("train", 12), ("val", 6), ("test", 6)):
        parts[f"{split}_images"] = generator.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        parts[f"{split}_labels"] = np.arange(count)[:, None] % 3
    np.savez(tmp_path / "mine.npz", **parts)
    np.savez(tmp_path / "set.npz", images=parts["train_images"][:2], labels=np.array([0, 1]))  # one class has none
    words = ("--dataset", "npz", "--dataset_dir", tmp_path, "--dataset_file", "mine.npz", "--device", "cpu")
    few = ("--students", "1", "--full_students", "0", "--evaluation_steps", "2", "--width", "4")
    outcome = command("score", tmp_path / "set.npz", *words, *few, "--output_dir", tmp_path / "scores")
    assert outcome.code == 0, outcome.err
    settings = next(line for line in outcome.out.splitlines() if line.startswith("Settings"))
    assert "(effort standard)" in settings
    assert "depth 2" in settings
    assert "students 5" not in settings  # given
    absent = read(tmp_path / "scores", "scores.json")["set"]["classes_without_images"]
    assert len(absent) == 1
    assert absent[0].endswith("2")
    assert f"no image of {absent[0]}," in outcome.out
    named = command(
        "score", tmp_path / "set.npz", *words, *few, "--preset_of", "digits", "--output_dir", tmp_path / "b"
    )
    assert named.code == 0, named.err
    assert "Settings" not in named.out
