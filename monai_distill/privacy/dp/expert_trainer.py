"""Experts trained by DP-SGD: every look at the real images is noisy, and so all that follows from them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import torch
from torch import Tensor
from tqdm import tqdm

from monai_distill.data import TrajectoryStore
from monai_distill.networks import FlatNetwork
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment

from .accounting import GaussianEvent
from .ledger import PrivacyLedger
from .mechanisms import secure_coins, secure_normal
from .record_gradients import RecordGradients

__all__ = ["DPExpertTrainer", "steps_per_epoch"]


def steps_per_epoch(rate: float) -> int:
    """Steps after which every record was sampled once on average; of the rate alone, not of the data.

    Raises:
        ValueError: for a rate outside (0, 1].

    Example:
        >>> steps_per_epoch(0.05)
        20
    """
    if not 0 < rate <= 1:
        raise ValueError(f"Expected a sampling rate above 0 and up to 1, got {rate}.")
    return round(1 / rate)


class DPExpertTrainer:
    """Trains experts by DP-SGD and keeps a snapshot an epoch; ``run()`` like ``ExpertTrainer``, one at a time.

    Every step draws a Poisson sample of records, adds up their clipped gradients and Gaussian noise, and divides by a
    constant. The rate, the divisor and the number of steps are given, not derived from how many records there are, so
    that neighbouring data sets are treated alike. Sample and noise are the operating system's and cannot be repeated:
    two runs of one seed differ. No training loss is shown or kept: it would be a look that nobody accounts for.

    References:
        Abadi et al., Deep Learning with Differential Privacy, CCS 2016. With ``flat_radius``: Park et al.,
        Differentially Private Sharpness-Aware Training, ICML 2023 (the last noisy gradient is the ascent direction).

    Args:
        network: the experts' architecture.
        gradients: clipped sums over the training records.
        store: receives the snapshots.
        augment: one draw a step for the whole sample, so that no record changes another's.
        ledger: every expert is entered before it is trained.
        noise_multiplier: standard deviation of the noise over the clip.
        rate: probability with which a record is in a step's sample.
        public_records: a round number of records that may be told; with ``rate`` the divisor.
        epochs: of :func:`steps_per_epoch` steps.
        lr: of SGD without momentum.
        flat_radius: how far along the last noisy gradient the next is taken; 0 for plain DP-SGD.
        smoothing: decay of the moving average over steps that is kept; 0 keeps the parameters. It costs nothing.
        seed: seed of initialisation and augmentation.

    Raises:
        ValueError: for settings out of range; from :meth:`run` without a public number of records; from :meth:`check`
            when the data set is so small that an epoch is more noise than signal.
    """

    def __init__(
        self,
        *,
        network: FlatNetwork,
        gradients: RecordGradients,
        store: TrajectoryStore,
        augment: SiameseAugment,
        ledger: PrivacyLedger,
        noise_multiplier: float,
        rate: float,
        public_records: int | None,
        epochs: int,
        lr: float,
        flat_radius: float = 0.0,
        smoothing: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not (0 <= smoothing < 1 and flat_radius >= 0 and lr > 0) or epochs != store.shape[1] - 1:
            raise ValueError(
                "Expected smoothing from 0 to below 1, a radius from 0, a learning rate above 0 and as many epochs as "
                f"the store keeps, got {smoothing}, {flat_radius}, {lr} and {epochs} for {store.shape[1] - 1}."
            )
        self.network = network
        self.gradients = gradients
        self.store = store
        self.augment = augment
        self.ledger = ledger
        self.noise_multiplier = noise_multiplier
        self.rate = rate
        self.public_records = public_records
        self.epochs = epochs
        self.lr = lr
        self.flat_radius = flat_radius
        self.smoothing = smoothing
        self.seed = seed

    @property
    def steps(self) -> int:
        """Noisy steps of one expert."""
        return self.epochs * steps_per_epoch(self.rate)

    def event(self, expert: int) -> GaussianEvent:
        """What one expert costs."""
        return GaussianEvent(f"DP-SGD of network {expert}", self.noise_multiplier, self.rate, self.steps)

    @property
    def divisor(self) -> float:
        """The expected size of a sample, which every sum is divided by."""
        return self.rate * self.require_public_records()

    def require_public_records(self) -> int:
        """The number of records that may be told."""
        if self.public_records is None or self.public_records < 1:
            raise ValueError(
                f"Expected public_records, a round number of training {self.ledger.unit}s that may be told to anyone, "
                f"got {self.public_records}. It sets DP-SGD's step; the exact number would leak. Give --public_records "
                "N; where DP-SGD is but the row to compare with, --dp_model false does without."
            )
        return self.public_records

    def check(self) -> None:
        """Refuse a data set so small that an expert's epoch would be more noise than signal."""
        steps = steps_per_epoch(self.rate)  # an epoch's gradients all pointing one way, against its noise
        signal = math.sqrt(steps) * self.divisor / (self.noise_multiplier * math.sqrt(self.network.size))
        if signal < 1:
            needed = math.ceil(self.require_public_records() / signal)
            raise ValueError(
                f"Expected at least {needed} {self.ledger.unit}s, so that an expert's epoch is no more noise than "
                f"signal at epsilon {self.ledger.epsilon:g}, got {self.public_records}. Raise epsilon, train fewer "
                "experts, lower width, or collect more."
            )

    def run(self) -> None:
        """Train the experts that the store lacks. One that was interrupted was seen by nobody and begins anew."""
        missing = [expert for expert in range(self.store.shape[0]) if expert not in self.store.finished]
        if missing:
            self.require_public_records()
        for expert in range(self.store.shape[0]):
            event = self.event(expert)
            if expert in missing:
                self.ledger.require_not_released(event)
            self.ledger.enter(event)
            try:
                if expert in missing:
                    self.store.write(expert, self._trained(expert), [{"epoch": e + 1} for e in range(self.epochs)])
            except ValueError:  # it diverged, which is an outcome too: not to be drawn until one pleases
                self.ledger.mark_released(event)
                raise
            self.ledger.mark_released(event)

    def _trained(self, expert: int) -> Tensor:
        """Snapshots [epochs + 1, P] of one expert."""
        device = self.gradients.bank.device
        parameters = self.network.initial(derived_seed(self.seed, "expert", expert)).to(device)
        kept, last = parameters.clone(), torch.zeros_like(parameters)
        snapshots = [kept.cpu().clone()]
        each = steps_per_epoch(self.rate)
        with tqdm(total=self.steps, desc=f"DP-SGD of network {expert}", unit="step", disable=None) as bar:
            for step in range(self.steps):
                ascent = self.flat_radius * last / last.norm().clamp_min(1e-12)
                last = self._noisy_gradient(parameters + ascent, expert, step)
                parameters = parameters - self.lr * last
                kept = self.smoothing * kept + (1 - self.smoothing) * parameters
                if (step + 1) % each == 0:
                    snapshots.append(kept.cpu().clone())
                bar.update()
        return torch.stack(snapshots)

    def _noisy_gradient(self, parameters: Tensor, expert: int, step: int) -> Tensor:
        """[P]; noise is added when the sample is empty, too."""
        sampled = secure_coins(self.gradients.records, self.rate)
        shape = self.gradients.bank.images.shape[2:]
        generator = seeded_generator(self.seed, "expert", expert, "step", step)
        draw = self.augment.draw(1, shape, generator, siamese=True).to(parameters.device)
        total = self.gradients(parameters, sampled, lambda images: self.augment.apply(images, draw))
        noise = secure_normal(parameters.shape, self.noise_multiplier * self.gradients.clip)
        return (total.to(torch.float64) + noise.to(total.device)).to(parameters.dtype) / self.divisor
