"""The three mechanisms of the package on a handful of records, and the best score for one of them being there."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import patch

import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.privacy.dp import DPSGD, ClassRelease, DPExpertTrainer, GaussianEvent, PrototypeRelease
from monai_distill.privacy.dp.mechanisms import PrivateRelease, secure_normal
from monai_distill.privacy.dp.record_gradients import RecordGradients
from monai_distill.privacy.dp.release_file import ReleaseFile
from monai_distill.transforms import SiameseAugment

SIDE = 4  # of an image
PIXELS = SIDE * SIDE
HUGE = 1e4  # length of a canary before it is clipped
NAMES = ("a", "b")


def _no_ledger(unit: str) -> Any:
    """A ledger that adds up nothing: thousands of releases exceed any budget."""
    nothing = {name: lambda event: None for name in ("enter", "mark_released", "require_not_released")}
    return SimpleNamespace(unit=unit, delta=1e-5, epsilon=1.0, **nothing)


LEDGER, LEDGER_OF_PATIENTS = _no_ledger("image"), _no_ledger("patient")


class Mechanism(Protocol):
    """A mechanism at one noise multiplier; ``score`` is larger, on average, when the canary is there."""

    name: str

    @staticmethod
    def events(noise: float) -> Sequence[GaussianEvent]:
        """Its cost."""

    def score(self, canary: bool) -> float:
        """Run it on the background records, with or without the canary, and score all that it releases."""


@contextmanager
def scaled_noise(factor: float) -> Iterator[None]:
    """A broken build whose noise is ``factor`` times as large as it says."""

    def scaled(shape: Sequence[int], std: float) -> Tensor:
        return secure_normal(shape, factor * std)

    with ExitStack() as stack:
        for module in ("mechanisms", "expert_trainer"):
            stack.enter_context(patch(f"monai_distill.privacy.dp.{module}.secure_normal", scaled))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # that the background is a handful of records
        yield


def _image(position: int, value: float) -> Tensor:
    image = torch.zeros(PIXELS)
    image[position] = value
    return image.reshape(1, SIDE, SIDE)


class _Pixels:
    def __len__(self) -> int:
        return 1

    def __call__(self, view: int, images: Tensor) -> Tensor:
        return images.flatten(1)


class ClassSums:
    """Class sums; the canary is a patient with three images, each far longer than the clip."""

    name = "class sums"

    def __init__(self, noise: float) -> None:
        self.noise = noise

    @staticmethod
    def events(noise: float) -> list[GaussianEvent]:
        """One release."""
        return [GaussianEvent("class sums", noise)]

    def score(self, canary: bool) -> float:
        """The sum in the canary's direction."""
        images = [_image(1, 1.0), _image(2, HUGE), *([_image(0, HUGE)] * 3 if canary else [])]
        labels, patients = (torch.tensor(row[: len(images)]) for row in ([0, 1, 1, 1, 1], [0, 1, 2, 2, 2]))
        bank = ClassBank(torch.stack(images), labels, NAMES, patients)
        with tempfile.TemporaryDirectory() as folder:
            file = ReleaseFile(Path(folder) / "sums", {})
            release = ClassRelease(
                bank,
                _Pixels(),
                LEDGER_OF_PATIENTS,
                noise_multiplier=self.noise,
                file=file,
                public_records=10**6,
                count_share=1e-6,
            )
            release.prepare()
            return float(release.file.read(release.event)["sums"][1, 0])


class Prototypes:
    """Prototypes in four rounds, each of which the attacker sees; the canary is a white image, alone in its class."""

    name = "prototypes"
    rounds = 4

    def __init__(self, noise: float) -> None:
        self.noise = noise

    @classmethod
    def events(cls, noise: float) -> list[GaussianEvent]:
        """Four releases."""
        return [GaussianEvent("prototypes", noise, 1.0, cls.rounds)]

    def score(self, canary: bool) -> float:
        """The sums over all rounds in the canary's direction, in the group that it would be in."""
        white = torch.ones(1, SIDE, SIDE)
        images = [_image(1, 1.0), _image(2, 1.0), *([white] if canary else [])]
        bank = ClassBank(torch.stack(images), torch.tensor([0, 0, 1][: len(images)]), NAMES)
        synthetic = SyntheticDataset(torch.zeros(4, 1, SIDE, SIDE), torch.tensor([0, 0, 1, 1]), NAMES)
        with tempfile.TemporaryDirectory() as folder:
            release = _Observed(
                synthetic,
                bank,
                LEDGER,
                event=self.events(self.noise)[0],
                pixel_range=(0.0, 1.0),
                file=ReleaseFile(Path(folder) / "prototypes", {}),
                public_records=10**6,
            )
            release.canary = ClassBank(white[None], torch.tensor([1]), NAMES)
            release.prepare()
        return release.score


class _Observed(PrototypeRelease):
    """Adds up, over the rounds, what an attacker who knows the canary reads from the noisy sums."""

    canary: ClassBank
    score = 0.0
    group = 0

    def _release(self, assignment: Tensor, count: int) -> Any:
        drawn: list[Tensor] = []

        class Recorded(PrivateRelease):
            def draw(self) -> Tensor:
                drawn.append(super().draw())
                return drawn[-1]

        with patch("monai_distill.privacy.dp.prototype_release.PrivateRelease", Recorded):
            groups = super()._release(assignment, count)
        row = count + (self.group if count > 1 else 0)  # of class 1
        self.score += float(drawn[0][row] @ self._vectors(self.canary.images)[0].double())
        return groups

    def _nearest(self, centers: Tensor, offsets: Tensor, origin: Tensor) -> Tensor:
        bank, self.bank = self.bank, self.canary
        self.group = int(super()._nearest(centers, offsets, origin)[0])
        self.bank = bank
        return super()._nearest(centers, offsets, origin)


class NoisyTraining:
    """DP-SGD on a linear network, each step of which the attacker sees; the canary's gradient is far above the clip."""

    name = "DP-SGD"
    rate = 0.2
    epochs = 2
    public_records = 20

    def __init__(self, noise: float) -> None:
        self.noise = noise

    @classmethod
    def events(cls, noise: float) -> list[GaussianEvent]:
        """Ten steps on Poisson samples."""
        return [GaussianEvent("DP-SGD", noise, cls.rate, cls.epochs * round(1 / cls.rate))]

    def score(self, canary: bool) -> float:
        """Log-likelihood ratio of all steps: a Poisson-sampled canary against none."""
        images = [_image(1, 1.0), _image(2, HUGE), *([_image(0, HUGE)] if canary else [])]
        bank = ClassBank(torch.stack(images), torch.tensor([0, 1, 1][: len(images)]), NAMES)
        trainer = _ObservedTrainer(
            network=SimpleNamespace(initial=lambda seed: torch.zeros(PIXELS), size=PIXELS),  # type: ignore[arg-type]
            gradients=RecordGradients(_linear, bank, unit="image", clip=1.0),
            store=SimpleNamespace(shape=(1, self.epochs + 1, PIXELS)),  # type: ignore[arg-type]
            augment=SiameseAugment(()),
            ledger=LEDGER,
            settings=DPSGD(
                noise_multiplier=self.noise,
                rate=self.rate,
                public_records=self.public_records,
                epochs=self.epochs,
                lr=1e-9,  # the canary's gradient stays above the clip
            ),
        )
        trainer._trained(0)
        readings = torch.tensor(trainer.readings, dtype=torch.float64)
        ratios = ((2 * readings - 1) / (2 * self.noise**2)).exp()
        return float((1 - self.rate + self.rate * ratios).log().sum())


class _ObservedTrainer(DPExpertTrainer):
    """Notes the canary's direction of every noisy sum; its gradient is minus that of the first pixel."""

    def _trained(self, expert: int) -> Tensor:
        self.readings: list[float] = []
        return super()._trained(expert)

    def _noisy_gradient(self, parameters: Tensor, expert: int, step: int) -> Tensor:
        gradient = super()._noisy_gradient(parameters, expert, step)
        self.readings.append(-float(gradient[0]) * self.divisor)
        return gradient


def _linear(parameters: Tensor, images: Tensor) -> Tensor:
    logit = images.flatten(1) @ parameters
    return torch.stack([torch.zeros_like(logit), logit], dim=1)


MECHANISMS: tuple[type[Mechanism], ...] = (ClassSums, Prototypes, NoisyTraining)
