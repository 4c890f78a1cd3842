"""Every leak besides the mechanism is refused with advice; masked images; public provenance."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.data.reading import FileToImaged
from monai_distill.data.reading.shared_reading import shared_reading
from monai_distill.engines.distillation import Distiller
from monai_distill.privacy.dp.contract import (
    DPContract,
    FixedPreprocessing,
    TrainingRecords,
    public_provenance,
    run_with_masked_data,
)

CONFIG = {"_target_": "monai_distill.transforms.Standardize", "mean": [0.5, 0.5], "std": [0.5, 0.5], "spatial_dims": 2}
FIXED = FixedPreprocessing(CONFIG, mean=0.5, std=0.5)
WHITENING = {"_target_": "monai_distill.transforms.ZCAWhitening"}
SOUND: dict[str, Any] = {
    "initial_images": "noise",
    "preprocessing": FIXED,
    "delta": 1e-5,
    "networks": [nn.GroupNorm(2, 2), nn.InstanceNorm2d(2)],
    "records": TrainingRecords(1000),
}


def test_a_sound_job_passes() -> None:
    DPContract(**SOUND).check()


@pytest.mark.parametrize(
    ("broken", "reason", "advice"),
    [
        ({"initial_images": "real"}, "would be copied", "--initial_images noise"),
        ({"initial_images": "correct"}, "experts get right", "--initial_images noise"),
        ({"preprocessing": replace(FIXED, zca=True)}, "ZCA", "--zca false"),
        ({"preprocessing": replace(FIXED, config=WHITENING)}, "ZCA", "--zca false"),
        ({"preprocessing": replace(FIXED, config={**CONFIG, "mean": [0.1307, 0.5]})}, "mean", "public_mean"),
        ({"preprocessing": replace(FIXED, config={**CONFIG, "std": [0.3081]})}, "standard deviation", "public_std"),
        ({"networks": [nn.Sequential(nn.BatchNorm2d(2))]}, "BatchNorm2d", "--matching_norm"),
        ({"networks": [nn.InstanceNorm2d(2, track_running_stats=True)]}, "InstanceNorm2d", "--matching_norm"),
        ({"validations": 3}, "3 validations", "last iterate"),
        ({"curriculum": "hard images later"}, "difficulty", "--curriculum None and --balanced_experts false"),
        ({"delta": 1e-2}, "one record unchanged", "--delta 1e-04"),
        (
            {"records": TrainingRecords(1000, provenance={"split": "drawn, stratified by class", "seed": 0})},
            "removing one record would move others",
            "--keyed_split true",
        ),
        (
            {"records": TrainingRecords(1000, provenance={"identical_images_dropped": {"training": 0, "test": 0}})},
            "one held-out record would return them",
            "--drop_held_out true",
        ),
    ],
)
def test_each_leak_is_refused_with_advice(broken: dict[str, Any], reason: str, advice: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        DPContract(**{**SOUND, **broken}).check()
    assert advice in str(refusal.value)
    assert str(refusal.value).count("\n- ") == 1


def test_exact_number_of_records_neither_decides_nor_leaks() -> None:
    with pytest.raises(ValueError, match="--delta 1e-05 or less"):  # a power of ten, from the public number
        DPContract(**{**SOUND, "records": TrainingRecords(3000), "delta": 1e-2}).check()
    with pytest.warns(UserWarning, match="smaller --delta") as warnings:
        DPContract(**{**SOUND, "records": TrainingRecords(None, 123457)}).check()
    assert "123457" not in str(warnings[0].message)


def test_all_breaches_are_named_at_once() -> None:
    with pytest.raises(ValueError, match="No guarantee") as refusal:
        DPContract(**{**SOUND, "initial_images": "real", "delta": 1e-2, "validations": 1}).check()
    assert str(refusal.value).count("\n- ") == 3


def small_bank() -> ClassBank:
    return ClassBank(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1]), ["a", "b"])


def test_masked_images_are_nan_for_every_holder_and_are_restored() -> None:
    bank, masked = small_bank(), []
    images, labels, view = bank.images.clone(), bank.labels.clone(), bank.images[1:]
    run_with_masked_data(lambda: masked.append((bank.images.clone(), view.clone(), bank.labels.clone())), [bank])
    assert all(bool(value.isnan().all()) for value in masked[0][:2])
    assert bool((masked[0][2] == -1).all())
    assert torch.equal(bank.images, images)
    assert torch.equal(bank.labels, labels)


def test_distillation_that_reads_a_real_image_stops() -> None:
    bank = small_bank()
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a", "b"])

    def peeking(synthetic: SyntheticDataset, draw: int) -> tuple[Tensor, dict[str, Tensor]]:
        difference = synthetic.images.detach() - bank.images[:1]
        return difference.square().sum(), {"images": 2 * difference}

    trainer = Distiller(data, peeking, [0, 1], torch.optim.SGD([data.images], lr=0.1), max_epochs=1, epoch_length=2)
    with pytest.raises(RuntimeError, match="not finite"):
        run_with_masked_data(trainer.run, [bank])
    assert not data.images.detach().any()


def test_images_are_restored_after_a_failure_and_writing_is_refused() -> None:
    bank = small_bank()
    images = bank.images.clone()

    def failing() -> None:
        raise KeyError("stopped")

    with pytest.raises(KeyError):
        run_with_masked_data(failing, [bank])
    with pytest.raises(RuntimeError, match="written to"):
        run_with_masked_data(lambda: bank.images.zero_(), [bank])
    assert torch.equal(bank.images, images)


def test_public_provenance_has_no_checksum_count_or_file_name() -> None:
    public = public_provenance(
        {"name": "x", "training_sha256": "1", "files": {"a": "2"}, "counts": {}, "license": "CC0"}
    )
    assert public == {"name": "x", "license": "CC0"}
    assert public_provenance({"name": "ward7.csv", "files": {"ward7.csv": "2"}}) == {"name": "images of the owner"}


def test_public_provenance_has_no_name_of_a_folder() -> None:
    provenance = {"name": "ward7", "files": {"listing (paths, sizes, labels)": "2"}}
    assert public_provenance(provenance) == {"name": "images of the owner"}


def test_public_provenance_has_of_the_reading_only_settings_and_the_shared_kind_of_values() -> None:
    reading = FileToImaged(image_size=8).to_dict()
    provenance = {"name": "x", "reading": {**reading, "largest_value": 4095}, "spacing": {"millimeters": [0.7]}}
    assert public_provenance(provenance) == {"name": "x", "reading": reading}


def test_one_record_less_changes_no_reading(tmp_path: Path) -> None:
    for number in range(6):
        side = 6 + number
        Image.fromarray(np.full((side, 8), 40 * number, dtype=np.uint8)).save(tmp_path / f"{number}.png")
    paths = sorted(str(path) for path in tmp_path.iterdir())
    whole = shared_reading(FileToImaged(image_size=8), paths)[0].to_dict()
    for gone in paths:
        assert shared_reading(FileToImaged(image_size=8), [p for p in paths if p != gone])[0].to_dict() == whole
