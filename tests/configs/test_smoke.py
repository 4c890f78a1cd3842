"""Every kind of data and every network goes through the whole job, at the smallest size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.bundle import ConfigParser
from PIL import Image

from monai_distill.configuration.files import available
from monai_distill.data import SyntheticDataset
from tests.configs.command import Outcome, fast_run, read
from tests.data.conftest import npz_arrays, write_image, write_table

# the made files are not the published ones, which the loaders say
pytestmark = [pytest.mark.draws, pytest.mark.filterwarnings("ignore:.*is not the published:UserWarning")]


def check(outcome: Outcome, folder: Path, dataset: str, shape: tuple[int, ...], classes: list[str]) -> dict[str, Any]:
    """A whole run, whose set has the data's shape and classes; returns the scores."""
    assert outcome.code == 0, outcome.err
    synthetic = SyntheticDataset.load(folder)
    assert tuple(synthetic.images.shape) == (len(classes), *shape)
    assert list(synthetic.class_names) == classes
    assert synthetic.labels.tolist() == list(range(len(classes)))
    for name in ("grid.png", "curves.png"):
        with Image.open(folder / name) as opened:
            assert min(opened.size) > 100
            opened.verify()
    scores: dict[str, Any] = read(folder, "scores.json")
    assert scores["dataset"] == dataset
    assert {"distilled", "random", "full", "prior"} <= scores.keys()
    return scores


def test_an_npz_of_ones_own(npz_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = fast_run(run, "--dataset", "npz", "--dataset_dir", npz_root, "--dataset_file", "own.npz")
    scores = check(outcome, run, "npz", (3, 7, 5), ["class 0", "class 1", "class 2"])
    assert scores["source"]["official"] is False
    assert scores["source"]["counts"] == {"training": [4, 4, 4], "validation": [2, 2, 2], "test": [2, 2, 2]}


def test_a_grey_npz_with_class_names_and_other_augmentation(tmp_path: Path) -> None:
    np.savez(tmp_path / "gray.npz", **npz_arrays((9, 9)))
    words = ("--dataset_file", "gray.npz", "--class_names", "['no finding', finding]", "--operations", "[color, flip]")
    outcome = fast_run(tmp_path / "run", "--dataset", "npz", "--dataset_dir", tmp_path, *words)
    scores = check(outcome, tmp_path / "run", "npz", (1, 9, 9), ["no finding", "finding"])
    assert scores["augmentation"]["operations"] == ["color", "flip"]


def test_grey_images_of_medmnist(npz_root: Path, tmp_path: Path) -> None:
    outcome = fast_run(tmp_path / "run", "--dataset", "pneumoniamnist", "--dataset_dir", npz_root)
    scores = check(outcome, tmp_path / "run", "pneumoniamnist", (1, 28, 28), ["normal", "pneumonia"])
    assert next(iter(scores["source"]["files"].values())).startswith("sha256:")


def test_colour_images_of_medmnist(npz_root: Path, tmp_path: Path) -> None:
    outcome = fast_run(tmp_path / "run", "--dataset", "pathmnist", "--dataset_dir", npz_root)
    assert outcome.code == 0, outcome.err
    assert tuple(SyntheticDataset.load(tmp_path / "run").images.shape) == (9, 3, 28, 28)


def test_whitening_noise_to_start_with_and_several_images_per_class(npz_root: Path, tmp_path: Path) -> None:
    data = ("--dataset", "npz", "--dataset_dir", npz_root, "--dataset_file", "own.npz")
    words = ("--zca", "true", "--initial_images", "noise", "--images_per_class", "5")
    outcome = fast_run(tmp_path / "run", *data, *words)
    assert outcome.code == 0, outcome.err
    synthetic = SyntheticDataset.load(tmp_path / "run")
    assert tuple(synthetic.images.shape) == (15, 3, 7, 5)
    assert type(synthetic.preprocessing).__name__ == "ZCAWhitening"
    assert (synthetic.manifest["initial_images"], synthetic.manifest["settings"]["zca"]) == ("noise", True)


def test_volumes_of_medmnist(tmp_path: Path) -> None:
    np.savez(tmp_path / "nodulemnist3d.npz", **npz_arrays((28, 28, 28)))
    outcome = fast_run(tmp_path / "run", "--dataset", "nodulemnist3d", "--dataset_dir", tmp_path)
    check(outcome, tmp_path / "run", "nodulemnist3d", (1, 28, 28, 28), ["benign", "malignant"])


def test_a_folder_of_images(folder_root: Path, tmp_path: Path) -> None:
    outcome = fast_run(tmp_path / "run", "--dataset", "folder", "--dataset_dir", folder_root, "--image_size", "[8, 8]")
    check(outcome, tmp_path / "run", "folder", (1, 8, 8), ["cat", "dog"])


def test_a_table_with_patients_is_split_by_patient(table_root: Path, tmp_path: Path) -> None:
    words = ("--image_size", "8", "--channels", "3")
    outcome = fast_run(tmp_path / "run", "--dataset", "table", "--dataset_dir", table_root, *words)
    scores = check(outcome, tmp_path / "run", "table", (3, 8, 8), ["a", "b"])
    assert "by patient" in scores["source"]["split"]


def test_a_table_with_a_split_of_its_own_uses_it(tmp_path: Path) -> None:
    rows = []
    for i in range(12):
        write_image(tmp_path / f"{i}.png", seed=i)
        rows.append(f"{i}.png,{'ab'[i % 2]},{['train', 'val', 'test'][i // 4]}")
    write_table(tmp_path, rows, "image,label,split", "own.csv")
    words = ("--dataset_file", "own.csv", "--image_size", "[8, 8]")
    outcome = fast_run(tmp_path / "run", "--dataset", "table", "--dataset_dir", tmp_path, *words)
    scores = check(outcome, tmp_path / "run", "table", (1, 8, 8), ["a", "b"])
    assert scores["source"]["counts"] == {name: [2, 2] for name in ("training", "validation", "test")}
    assert scores["source"]["split"] == "as given with the data"


def test_the_layout_of_mhist(mhist_root: Path, tmp_path: Path) -> None:
    words = ("--dataset_dir", mhist_root, "--image_size", "[8, 8]")
    check(fast_run(tmp_path / "run", "--dataset", "mhist", *words), tmp_path / "run", "mhist", (3, 8, 8), ["HP", "SSA"])


@pytest.mark.parametrize("masks", ["false", "true"])
def test_the_layout_of_the_covid_radiography_database(covid_root: Path, tmp_path: Path, masks: str) -> None:
    words = ("--dataset_dir", covid_root, "--image_size", "[8, 8]", "--lung_masks", masks, "--image_lr", "0")
    outcome = fast_run(tmp_path / "run", "--dataset", "covid", *words)
    classes = ["COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"]
    check(outcome, tmp_path / "run", "covid", (1, 8, 8), classes)
    left = SyntheticDataset.load(tmp_path / "run").pixels()[..., :3]  # the made masks are black there
    assert (float(left.abs().max()) < 1e-3) is (masks == "true")


def test_mnist(mnist_root: Path, tmp_path: Path) -> None:
    outcome = fast_run(tmp_path / "run", "--dataset", "mnist", "--dataset_dir", mnist_root)
    assert outcome.code == 0, outcome.err
    assert tuple(SyntheticDataset.load(tmp_path / "run").images.shape) == (10, 1, 28, 28)


def test_cifar10(cifar_root: Path, tmp_path: Path) -> None:
    outcome = fast_run(tmp_path / "run", "--dataset", "cifar10", "--dataset_dir", cifar_root)
    assert outcome.code == 0, outcome.err
    assert tuple(SyntheticDataset.load(tmp_path / "run").images.shape) == (10, 3, 32, 32)


def test_a_multi_label_set_is_refused_as_the_loader_says(tmp_path: Path) -> None:
    np.savez(tmp_path / "chestmnist.npz", **npz_arrays((28, 28)))
    outcome = fast_run(tmp_path / "run", "--dataset", "chestmnist", "--dataset_dir", tmp_path)
    assert outcome.code == 1
    assert "chestmnist is multi-label (multi-label, binary-class), which is not supported" in outcome.err


@pytest.mark.parametrize("network", [name for name in available("networks") if name != "convnet"])
def test_every_network_goes_through_the_job(network: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", **npz_arrays((16, 16)))
    least = "iterations validate_every experts validation_students students full_students evaluation_steps full_steps"
    words = [word for name in least.split() for word in (f"--{name}", "1")]
    data = ("--dataset", "npz", "--dataset_dir", tmp_path, "--dataset_file", "two.npz")
    outcome = fast_run(tmp_path / "run", *data, "--network", network, *words)
    scores = check(outcome, tmp_path / "run", "npz", (1, 16, 16), ["class 0", "class 1"])
    assert network in scores["network"]["_target_"].split(".")[-1].lower()
    described = read(tmp_path / "run", "manifest.json")["network"]
    assert described["width"] == 4
    parameters = sum(p.numel() for p in ConfigParser({"n": described}).get_parsed_content("n").parameters())
    assert 4 * parameters == (tmp_path / "run" / "experts" / "trajectories.f32").stat().st_size // 2  # an expert of it
