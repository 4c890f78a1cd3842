"""The contract of every dataset, on made copies of every layout."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from monai.apps import MedNISTDataset
from monai.data import CacheDataset
from monai.transforms import Randomizable

from monai_distill.data.datasets import (
    COVIDRadiographyDataset,
    DigitsDataset,
    ImageFolderDataset,
    ImageTableDataset,
    MedMNISTDataset,
    MHISTDataset,
    NaturalImageDataset,
    NPZDataset,
)
from monai_distill.data.datasets.image_files import ImageFilesDataset
from monai_distill.data.reading import FileToImaged

SECTIONS = ("training", "validation", "test")
_MASKED = partial(COVIDRadiographyDataset, lung_masks=True, reading=FileToImaged(9, channels=1))
CASES: dict[str, tuple[str | None, Any, tuple[int, ...], int]] = {
    "digits": (None, DigitsDataset, (1, 8, 8), 10),
    "npz": ("npz_root", partial(NPZDataset, file="own.npz"), (3, 7, 5), 3),
    "medmnist": ("npz_root", partial(MedMNISTDataset, flag="pneumoniamnist"), (1, 28, 28), 2),
    "medmnist 3D": ("npz_root", partial(MedMNISTDataset, flag="organmnist3d"), (1, 28, 28, 28), 11),
    "pathmnist": ("npz_root", partial(MedMNISTDataset, flag="pathmnist"), (3, 28, 28), 9),
    "table": ("table_root", ImageTableDataset, (1, 8, 6), 2),
    "folder": ("folder_root", ImageFolderDataset, (1, 8, 6), 2),
    "mhist": ("mhist_root", partial(MHISTDataset, reading=FileToImaged(16)), (3, 16, 16), 2),
    "covid": ("covid_root", COVIDRadiographyDataset, (1, 19, 19), 4),
    "covid masked": ("covid_root", _MASKED, (1, 9, 9), 4),
    "mnist": ("mnist_root", partial(NaturalImageDataset, name="mnist"), (1, 28, 28), 10),
    "cifar10": ("cifar_root", partial(NaturalImageDataset, name="cifar10"), (3, 32, 32), 10),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*is not the published:UserWarning")


class Mark:
    """A user's transform that shows what it received."""

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "given": type(item["image"])}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], tuple[int, ...], int]:
    fixture, make, shape, classes = CASES[request.param]
    if fixture is None:
        return make, shape, classes
    return partial(make, request.getfixturevalue(fixture)), shape, classes


def test_the_arguments_stand_in_the_order_of_monai_s_datasets(case: tuple[Callable[..., Any], Any, int]) -> None:
    dataset = case[0] if isinstance(case[0], type) else case[0].func  # type: ignore[attr-defined]
    ours, theirs = (list(inspect.signature(made).parameters) for made in (dataset, MedNISTDataset))
    order = [name for name in theirs if name in ours[:4]]
    assert ours[: len(order)] == order
    assert {"section", "transform"} <= set(order)
    assert dataset is DigitsDataset or order[0] == "root_dir"
    with pytest.raises(TypeError, match=r"table='mine\.csv'"):
        case[0](section="test", transform="mine.csv")


def test_items_and_sections(case: tuple[Callable[..., Any], tuple[int, ...], int]) -> None:
    make, shape, classes = case
    before = (torch.random.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    hashes: dict[str, set[int]] = {}
    for section in SECTIONS:
        dataset = make(section=section)
        assert isinstance(dataset, CacheDataset)
        assert isinstance(dataset, Randomizable)
        assert len(dataset) > 0
        assert dataset.get_num_classes() == len(dataset.class_names) == classes
        assert isinstance(dataset.class_names, tuple)
        for item in dataset:
            assert {"image", "label", "class_name"} <= set(item) <= {"image", "label", "class_name", "patient", "votes"}
            image = item["image"]
            assert type(image) is torch.Tensor
            assert image.dtype == torch.float32
            assert tuple(image.shape) == shape
            assert image.is_contiguous()
            assert 0 <= float(image.min()) <= float(image.max()) <= 1
            assert type(item["label"]) is int
            assert item["class_name"] == dataset.class_names[item["label"]]
        hashes[section] = {hash(item["image"].numpy().tobytes()) for item in dataset}
        known = {"name", "license", "citation", "files", "official", "split", "seed"}
        of_files = {"reading", "left_out"} if isinstance(dataset, ImageFilesDataset) else set()
        assert set(dataset.provenance) == known | of_files
        assert json.loads(json.dumps(dataset.provenance)) == dataset.provenance
        assert all(value.startswith(("sha256:", "md5:")) for value in dataset.provenance["files"].values())
    assert not hashes["training"] & hashes["validation"]
    assert not hashes["training"] & hashes["test"]
    assert not hashes["validation"] & hashes["test"]
    after = (torch.random.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_repeats_with_any_run_seed(case: tuple[Callable[..., Any], tuple[int, ...], int]) -> None:
    make, _, _ = case
    first, second = make(section="training"), make(section="training", seed=99, cache_rate=0.0)
    assert len(first) == len(second)
    for i in range(len(first)):
        assert torch.equal(first[i]["image"], second[i]["image"])
        assert first[i]["label"] == second[i]["label"]


def test_user_transform_replaces_the_default(case: tuple[Callable[..., Any], tuple[int, ...], int]) -> None:
    make, _, _ = case
    for transform in (Mark(), [Mark()]):
        item = make(section="test", transform=transform)[0]
        assert item["given"] in (str, np.ndarray)
        assert not isinstance(item["image"], torch.Tensor)


def test_refuses_an_unknown_section(case: tuple[Callable[..., Any], tuple[int, ...], int]) -> None:
    make, _, _ = case
    with pytest.raises(ValueError, match=r"Unsupported section: 'train', available options are \['training'"):
        make(section="train")


@pytest.mark.parametrize("name", [name for name in CASES if name != "digits"])
def test_refuses_a_root_that_is_no_directory(name: str, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="root_dir must be a directory, got"):
        CASES[name][1](tmp_path / "absent", section="training")


@pytest.mark.parametrize("name", [name for name in CASES if name != "digits"])
def test_says_how_to_get_absent_data(name: str, tmp_path: Any) -> None:
    with pytest.raises(
        RuntimeError, match=r"Cannot find dataset (directory|file).*([Ee]xpected|download=True|place it|ask)"
    ):
        CASES[name][1](tmp_path, section="training")


def test_a_failing_transform_names_the_item() -> None:
    def fail(item: dict[str, Any]) -> None:
        raise KeyError("mine")

    with pytest.raises(RuntimeError, match=r"DigitsDataset failed on item 0 .*KeyError: 'mine'"):
        DigitsDataset("test", fail)[0]


def test_a_transform_that_is_set_later_is_used() -> None:
    dataset = DigitsDataset("test", cache_rate=0.0)
    assert dataset[0]["image"].shape == (1, 8, 8)
    dataset.transform = lambda item: item["label"]
    assert dataset[0] == dataset.data[0]["label"]
