"""Every leak beside the mechanism is refused with its way out; the sealed stage and what may be told of the source."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.engines.distillation import Distiller
from monai_distill.privacy.dp import DPContract, public_provenance, run_with_masked_data

FIXED = {"_target_": "monai_distill.transforms.Standardize", "mean": [0.5, 0.5], "std": [0.5, 0.5], "spatial_dims": 2}
SOUND: dict[str, Any] = {
    "initial_images": "noise",
    "preprocessing": FIXED,
    "constants": (0.5, 0.5),
    "delta": 1e-5,
    "networks": [nn.GroupNorm(2, 2), nn.InstanceNorm2d(2)],
    "records": 1000,
}


def test_a_sound_job_passes() -> None:
    DPContract(**SOUND).check()


@pytest.mark.parametrize(
    ("broken", "says", "advice_for"),
    [
        ({"initial_images": "real"}, "would be copied", "--initial_images noise"),
        ({"initial_images": "correct"}, "experts get right", "--initial_images noise"),
        ({"zca": True}, "ZCA", "--zca false"),
        ({"preprocessing": {"_target_": "monai_distill.transforms.ZCAWhitening"}}, "ZCA", "--zca false"),
        ({"preprocessing": {**FIXED, "mean": [0.1307, 0.5]}}, "not the constants", "public_mean"),
        ({"preprocessing": {**FIXED, "std": [0.3081]}}, "not the constants", "public_std"),
        ({"networks": [nn.Sequential(nn.BatchNorm2d(2))]}, "BatchNorm2d", "--matching_norm"),
        ({"networks": [nn.InstanceNorm2d(2, track_running_stats=True)]}, "InstanceNorm2d", "--matching_norm"),
        ({"validations": 3}, "3 validations", "last iterate"),
        ({"curriculum": "hard images later"}, "difficulty", "--curriculum None and --balanced_experts false"),
        ({"delta": 1e-2}, "one record outright", "--delta 1e-04"),
    ],
)
def test_each_leak_is_refused_with_its_way_out(broken: dict[str, Any], says: str, advice_for: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        DPContract(**{**SOUND, **broken}).check()
    assert advice_for in str(refusal.value)
    assert str(refusal.value).count("\n- ") == 1


def test_the_exact_number_of_records_decides_nothing_and_tells_nothing() -> None:
    with pytest.raises(ValueError, match="--delta 1e-05 or less"):  # a power of ten, from the round number
        DPContract(**{**SOUND, "records": 3000, "delta": 1e-2}).check()
    with pytest.warns(UserWarning, match="smaller --delta") as told:
        DPContract(**{**SOUND, "records": None, "counted": 123457}).check()
    assert "123457" not in str(told[0].message)


def test_all_breaches_are_named_at_once() -> None:
    with pytest.raises(ValueError, match="No guarantee") as refusal:
        DPContract(**{**SOUND, "initial_images": "real", "zca": True, "validations": 1}).check()
    assert str(refusal.value).count("\n- ") == 3


def small_bank() -> ClassBank:
    return ClassBank(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1]), ["a", "b"])


def test_sealed_images_cannot_be_used_by_whoever_holds_them_and_come_back() -> None:
    bank, seen = small_bank(), []
    images, labels, held = bank.images.clone(), bank.labels.clone(), bank.images[1:]  # a reference from before
    run_with_masked_data(lambda: seen.append((bank.images.clone(), held.clone(), bank.labels.clone())), [bank])
    assert all(bool(value.isnan().all()) for value in seen[0][:2])
    assert bool((seen[0][2] == -1).all())
    assert torch.equal(bank.images, images)
    assert torch.equal(bank.labels, labels)


def test_a_distillation_that_peeks_at_a_real_image_is_stopped() -> None:
    bank = small_bank()
    data = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a", "b"])

    def peeking(synthetic: SyntheticDataset, draw: int) -> tuple[Tensor, dict[str, Tensor]]:
        difference = synthetic.images.detach() - bank.images[:1]
        return difference.square().sum(), {"images": 2 * difference}

    trainer = Distiller(data, peeking, [0, 1], torch.optim.SGD([data.images], lr=0.1), max_epochs=1, epoch_length=2)
    with pytest.raises(RuntimeError, match="not finite"):
        run_with_masked_data(trainer.run, [bank])
    assert not data.images.detach().any()


def test_the_images_come_back_after_a_failure_and_writing_is_noticed() -> None:
    bank = small_bank()
    images = bank.images.clone()

    def failing() -> None:
        raise KeyError("stopped")

    with pytest.raises(KeyError):
        run_with_masked_data(failing, [bank])
    with pytest.raises(RuntimeError, match="written to"):
        run_with_masked_data(lambda: bank.images.zero_(), [bank])
    assert torch.equal(bank.images, images)


def test_no_checksum_and_no_count_of_the_training_images_is_told() -> None:
    told = public_provenance({"name": "x", "training_sha256": "1", "files": {"a": "2"}, "counts": {}, "license": "CC0"})
    assert told == {"name": "x", "license": "CC0"}
    assert public_provenance({"name": "ward7.csv", "files": {"ward7.csv": "2"}}) == {"name": "images of the owner"}
