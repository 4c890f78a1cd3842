"""The settings of CIFAR-10 against a table written down from the papers and the official commands, method by method."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import yaml

from monai_distill.configuration.files import run_files
from tests.configs.presets import resolved

# Trajectory methods: N, M, T-, first T+, T+, iterations of the ramp, images a step, image step, rate and start of the
# learned learning rate, whitening, outer iterations.
Row = tuple[int, int, int, int | None, int, int, int | None, float, float, float, bool, int]
COLUMNS = (
    "student_steps",
    "expert_epochs",
    "min_start_epoch",
    "first_max_start_epoch",
    "max_start_epoch",
    "ramp_iterations",
    "synthetic_batch_size",
    "image_lr",
    "student_lr_lr",
    "student_lr",
    "zca",
    "iterations",
)
ALL, NO_RAMP = None, 0
TRAJECTORY: dict[tuple[str, int], Row] = {
    ("mtt", 1): (50, 2, 0, None, 2, NO_RAMP, ALL, 100, 1e-7, 0.01, True, 5000),
    ("mtt", 10): (30, 2, 0, None, 20, NO_RAMP, ALL, 100, 1e-5, 0.001, True, 5000),
    ("mtt", 50): (30, 2, 0, None, 40, NO_RAMP, ALL, 1000, 1e-5, 0.001, False, 5000),
    ("ftd", 1): (50, 2, 0, None, 2, NO_RAMP, ALL, 100, 1e-7, 0.01, True, 5000),
    ("ftd", 10): (30, 2, 0, None, 20, NO_RAMP, ALL, 100, 1e-5, 0.001, True, 5000),
    ("ftd", 50): (30, 2, 0, None, 40, NO_RAMP, ALL, 1000, 1e-5, 0.01, True, 5000),
    ("att", 1): (80, 4, 0, None, 2, NO_RAMP, ALL, 100, 1e-7, 0.01, True, 6000),
    ("att", 10): (30, 2, 0, None, 20, NO_RAMP, ALL, 10000, 1e-4, 0.01, True, 60000),
    ("att", 50): (50, 2, 0, None, 40, NO_RAMP, ALL, 100, 1e-5, 0.001, False, 1000000),
    ("datm", 1): (80, 2, 0, None, 4, NO_RAMP, 10, 100, 1e-7, 0.01, True, 10000),
    ("datm", 10): (80, 2, 0, 10, 20, 1000, 100, 100, 1e-5, 0.01, True, 10000),
    ("datm", 50): (80, 2, 0, 20, 40, 2000, 500, 1000, 1e-5, 0.01, True, 10000),
    ("datm", 500): (40, 2, 40, None, 60, NO_RAMP, 1000, 50, 1e-5, 0.01, True, 10000),
    ("datm", 1000): (100, 2, 40, None, 60, NO_RAMP, 1000, 50, 1e-5, 0.01, True, 10000),
    ("pad", 1): (80, 2, 0, None, 4, NO_RAMP, 10, 100, 1e-7, 0.01, True, 10000),
    ("pad", 10): (80, 2, 0, 10, 20, 1000, 100, 100, 1e-5, 0.01, True, 10000),
    ("pad", 50): (80, 3, 0, 20, 40, 2000, 1000, 1000, 1e-5, 0.01, True, 10000),
    ("pad", 500): (40, 2, 40, 60, 70, 2000, 1000, 50, 1e-5, 0.01, True, 10000),
    ("pad", 1000): (100, 2, 40, None, 60, NO_RAMP, 1000, 50, 1e-5, 0.01, True, 10000),
    ("tesla", 1): (50, 2, 0, None, 5, NO_RAMP, ALL, 500, 1e-7, 0.01, False, 10000),
}
LABELS = {("datm", 1): (5, 1.1), ("datm", 10): (2, 1), ("datm", 50): (2, 1), ("datm", 500): (10, 1)}  # rate, gate
FLAT = {"ftd": {1: 0.3, 10: 0.3, 50: 1.0}, "datm": dict.fromkeys((1, 10, 50), 0.3), "pad": {10: 0.3}}
AVERAGE = {"ftd": {1: 0.9999, 10: 0.9995, 50: 0.999}, "att": {1: 0.9999, 10: 0.9999, 50: 0.999}}
MASKED = {1: 0.0, 10: 0.5, 50: 0.25, 500: 0.5, 1000: 0.5}
# HoP-TM on its own data sets: N, M, T-, T+, images a step, image step, rate and start of the learned step, first
# threshold, growth, weight of the angles.
HOPTM = {
    ("pathmnist", 1): (80, 2, 0, 4, 10, 10, 1e-7, 0.01, 5e-9, 1.5, 0.5),
    ("pathmnist", 10): (80, 2, 0, 4, 10, 10, 1e-7, 0.01, 5e-9, 1.5, 0.5),
    ("pathmnist", 100): (80, 2, 0, 40, 100, 10, 1e-5, 0.01, 5e-8, 1.5, 0.5),
    ("pathmnist", 1000): (100, 2, 40, 60, 100, 10, 1e-5, 0.01, 5e-8, 1.5, 0.5),
    ("covid", 1): (80, 2, 0, 4, 10, 100, 1e-7, 0.001, 1e-10, 1.5, 1.0),
    ("covid", 50): (80, 3, 0, 4, 10, 100, 1e-7, 0.001, 1e-10, 1.5, 1.0),
}
# Matching methods: real images a class, image step, outer iterations or networks.
MATCHING = {"dm": (256, 1, 20000), "datadam": (64, 1, 20000), "datadam_paper": (64, 1, 8000)}


def files(method: str) -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text()) for file in run_files("cifar10", "convnet", method).all]


def preset(method: str, images_per_class: int, dataset: str = "cifar10") -> dict[str, Any]:
    return resolved(method, dataset, images_per_class)


@pytest.mark.parametrize(("method", "images_per_class"), TRAJECTORY)
def test_trajectory_methods_have_the_published_settings(method: str, images_per_class: int) -> None:
    found = preset(method, images_per_class)
    expected = dict(zip(COLUMNS, TRAJECTORY[method, images_per_class], strict=True))
    assert {name: found[name] for name in COLUMNS} == expected
    assert (found["experts"], found["expert_lr"], found["width"], found["depth"]) == (100, 0.01, 128, 3)
    assert found["expert_batch_size"] == (512 if method == "att" else 256)
    assert found["min_expert_epochs"] == (100 if method in {"datm", "pad"} else 0)
    if method in AVERAGE:
        assert found["average_decay"] == AVERAGE[method][images_per_class]
    if images_per_class in FLAT.get(method, {}):
        assert (found["flat_rho"], found["flat_strength"]) == (0.01, FLAT[method][images_per_class])
    if ("datm", images_per_class) in LABELS and method in {"datm", "pad"}:
        assert (found["label_lr"], found["gate"]) == LABELS["datm", images_per_class]
    if method == "pad":
        assert found["mask_ratio"] == MASKED[images_per_class]


def test_the_window_of_tesla_does_not_stay_that_of_one_image() -> None:
    assert [preset("tesla", n)["max_start_epoch"] for n in (1, 10, 50)] == [5, 20, 40]
    names = [name for name in COLUMNS if name != "iterations"]
    for count in (10, 50):
        ours, theirs = preset("tesla", count), preset("mtt", count)
        assert [ours[name] for name in names] == [theirs[name] for name in names]


@pytest.mark.parametrize(("dataset", "images_per_class"), HOPTM)
def test_hoptm_has_the_published_settings_of_its_data_sets(dataset: str, images_per_class: int) -> None:
    found = preset("hoptm", images_per_class, dataset)
    names = [*COLUMNS[:3], "max_start_epoch", *COLUMNS[6:10], "mask_base", "mask_growth", "angle_weight"]
    assert tuple(found[name] for name in names) == HOPTM[dataset, images_per_class]
    assert (found["mask_every"], found["iterations"], found["zca"]) == (500, 10000, False)
    assert (found["flat_rho"], found["flat_strength"]) == (0.01, 0.3)
    assert found["depth"] == (5 if dataset == "covid" else 3)


@pytest.mark.parametrize("method", MATCHING)
def test_distribution_matching_has_the_published_settings(method: str) -> None:
    found = preset(method, 10)
    assert (found["batch_per_class"], found["image_lr"], found["iterations"]) == MATCHING[method]
    if method != "dm":
        released = method == "datadam"
        assert found["attention_power"] == (1 if released else 4)
        assert found["matching_norm"] == ("batch" if released else None)
        assert found["embedding_weight"] == 0.01
        assert preset(method, 1, "covid")["embedding_weight"] == 0.02  # high resolution


@pytest.mark.parametrize("method", ["dc", "dsa"])
def test_gradient_matching_has_the_published_settings(method: str) -> None:
    found = preset(method, 10)
    assert (found["networks"], found["batch_per_class"], found["image_lr"]) == (1000, 256, 0.1)
    family = files(method)[-2]
    assert (family["network_lr"], family["network_batch_size"]) == (0.01, 256)
    assert files(method)[-1].get("initial_images", files(method)[0]["initial_images"]) == (
        "noise" if method == "dc" else "real"
    )


@pytest.mark.parametrize("method", ["mtt", "datm", "dm", "dsa"])
def test_images_and_learning_rate_have_a_momentum_of_a_half_and_labels_of_nine_tenths(method: str) -> None:
    parts = files(method)
    assert next(part["optimizer"]["momentum"] for part in parts if "optimizer" in part) == 0.5
    assert [part["label_momentum"] for part in parts if "label_momentum" in part] == [0.9] * (method == "datm")
