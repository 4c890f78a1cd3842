"""Sound and deliberately broken mechanisms: the empirical bound on epsilon must tell them apart."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.privacy.audit.canary_bound import canary_bound
from monai_distill.privacy.dp import (
    DPSGD,
    ClassRelease,
    DPExpertTrainer,
    GaussianEvent,
    PrivacyLedger,
    noise_multiplier_for,
)
from monai_distill.privacy.dp.mechanisms import secure_normal
from monai_distill.privacy.dp.record_gradients import RecordGradients
from monai_distill.privacy.dp.records import clipped_sum
from monai_distill.privacy.dp.release_file import ReleaseFile
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

CANARIES, DELTA, EPSILON = 400, 1e-5, 1.0
NOISE = noise_multiplier_for(lambda sigma: [GaussianEvent("x", sigma)], EPSILON, DELTA)
IMAGES_PER_PATIENT = 30
Mechanism = Callable[[Tensor, Path], Tensor]


class Pixels:
    """One view: the raw pixels, whose vectors are much longer than the clip."""

    def __len__(self) -> int:
        return 1

    def __call__(self, view: int, images: Tensor) -> Tensor:
        return images.flatten(1)


def bank_of(members: Tensor, copies: int = 1) -> ClassBank:
    """Every member has its own direction, and ``copies`` images in that direction."""
    rows = torch.nonzero(members).flatten().repeat_interleave(copies)
    images = 100 * torch.eye(CANARIES)[rows].reshape(-1, 1, 20, 20)
    return ClassBank(images, torch.ones(len(rows), dtype=torch.long), ["a", "b"], None if copies == 1 else rows)


def class_sums(members: Tensor, folder: Path, copies: int = 1) -> Tensor:
    unit = "image" if copies == 1 else "patient"
    ledger = PrivacyLedger(None, epsilon=EPSILON, delta=DELTA, unit=unit)
    bank = bank_of(members, copies)
    release = ClassRelease(
        bank,
        Pixels(),
        ledger,
        noise_multiplier=NOISE,
        file=ReleaseFile(folder / "r", {}),
        public_records=10**6,
        count_share=0.01,
    )
    release.prepare()
    return release.means[0][1]


def patients(members: Tensor, folder: Path) -> Tensor:
    return class_sums(members, folder, IMAGES_PER_PATIENT)


def gradient(members: Tensor, folder: Path) -> Tensor:
    """One step of DP-SGD on a linear network."""

    def linear(parameters: Tensor, images: Tensor) -> Tensor:
        logit = images.flatten(1) @ parameters
        return torch.stack([torch.zeros_like(logit), logit], dim=1)

    network = FlatNetwork(lambda: ConvNet(2, 1, 3, 8, width=4, depth=1))
    trainer = DPExpertTrainer(
        network=network,
        gradients=RecordGradients(linear, bank_of(members), unit="image", clip=1.0),  # type: ignore[arg-type]
        store=TrajectoryStore(folder, {}, experts=1, snapshots=2, parameters=network.size),
        augment=SiameseAugment(()),
        ledger=PrivacyLedger(None, epsilon=EPSILON, delta=DELTA, unit="image"),
        settings=DPSGD(noise_multiplier=NOISE, rate=1.0, public_records=CANARIES, epochs=1, lr=1.0),
    )
    return -trainer._noisy_gradient(torch.zeros(CANARIES), 0, 0)


def bound(mechanism: Mechanism, folder: Path, seed: int = 0) -> float:
    members = torch.rand(CANARIES, generator=seeded_generator(seed, "coins")) < 0.5
    released = mechanism(members, folder).double().numpy()
    return canary_bound(released, members.numpy(), delta=DELTA)


MECHANISMS = pytest.mark.parametrize("mechanism", [class_sums, patients, gradient])
FEW = pytest.mark.filterwarnings("ignore:Expected at least")


@FEW
@MECHANISMS
def test_sound_mechanisms_stay_within_epsilon(mechanism: Mechanism, tmp_path: Path) -> None:
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        assert bound(mechanism, tmp_path / str(seed), seed) <= EPSILON


@FEW
@MECHANISMS
def test_no_noise_is_refuted(mechanism: Mechanism, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("mechanisms", "expert_trainer"):
        monkeypatch.setattr(f"monai_distill.privacy.dp.{module}.secure_normal", lambda shape, std: torch.zeros(*shape))
    assert bound(mechanism, tmp_path) > 2 * EPSILON


@FEW
@MECHANISMS
def test_noise_that_is_drawn_repeatedly_is_refuted(
    mechanism: Mechanism, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver averages 100 draws."""

    def redrawn(shape: torch.Size, std: float) -> Tensor:
        return torch.stack([secure_normal(shape, std) for _ in range(100)]).mean(dim=0)

    for module in ("mechanisms", "expert_trainer"):
        monkeypatch.setattr(f"monai_distill.privacy.dp.{module}.secure_normal", redrawn)
    assert bound(mechanism, tmp_path) > EPSILON


@FEW
@MECHANISMS
def test_no_clip_is_refuted(mechanism: Mechanism, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unclipped(vectors: Tensor, codes: Tensor, labels: Tensor, num_classes: int, clip: float) -> Tensor:
        return clipped_sum(vectors, codes, labels, num_classes, 1e9)

    for module in ("records", "record_gradients"):
        monkeypatch.setattr(f"monai_distill.privacy.dp.{module}.clipped_sum", unclipped)
    assert bound(mechanism, tmp_path) > 2 * EPSILON


@FEW
def test_clipping_images_although_the_unit_is_the_patient_is_refuted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_distill.privacy.dp.records.record_codes", lambda bank, unit: torch.arange(len(bank)))
    assert bound(patients, tmp_path) > 2 * EPSILON


def test_the_bound_of_pure_noise_is_zero(tmp_path: Path) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=CANARIES))
    assert bound(lambda members, folder: noise, tmp_path) == 0
