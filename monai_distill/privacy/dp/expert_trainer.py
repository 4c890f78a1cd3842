"""Experts trained by DP-SGD: every use of the real images is noisy, and so is everything that follows from it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from monai_distill.data.trajectory_store import TrajectoryStore
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.runtime.validation import require_in_interval, require_positive_int
from monai_distill.transforms.siamese_augment import SiameseAugment

from .accounting import GaussianEvent
from .ledger import PrivacyLedger
from .mechanisms import secure_coins, secure_normal
from .record_gradients import RecordGradients

__all__ = ["DPSGD", "DPExpertTrainer", "steps_per_epoch"]


def steps_per_epoch(rate: float) -> int:
    """Steps after which every record was sampled once on average; depends on the rate alone, not on the data.

    Raises:
        ValueError: for a rate outside (0, 1].

    Example:
        >>> steps_per_epoch(0.05)
        20
    """
    require_in_interval("(0, 1]", rate=rate)
    return round(1 / rate)


@dataclass(frozen=True)
class DPSGD:
    """Settings of DP-SGD. None of them may be derived from the number of records.

    Args:
        noise_multiplier: standard deviation of the noise divided by the clip.
        rate: probability that a record is in the sample of a step.
        public_records: public, rounded number of records; ``rate`` times it is the divisor of every sum.
        epochs: number of epochs of :func:`steps_per_epoch` steps.
        lr: learning rate of SGD without momentum.
        flat_radius: distance along the previous noisy gradient at which the next gradient is taken (DP-SAT); 0 for
            plain DP-SGD.
        smoothing: decay of the moving average of the parameters that is stored; 0 stores the parameters. Costs nothing.

    Raises:
        ValueError: for settings out of range, by name.

    Example:
        >>> DPSGD(noise_multiplier=2.0, rate=0.05, public_records=1000, epochs=3, lr=0.5).event(0).steps
        60
    """

    noise_multiplier: float
    rate: float
    public_records: int | None
    epochs: int
    lr: float
    flat_radius: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        require_in_interval("[0, 1)", smoothing=self.smoothing)
        require_in_interval("[0, inf)", flat_radius=self.flat_radius)
        require_in_interval("(0, inf)", lr=self.lr)
        require_positive_int(epochs=self.epochs)

    @property
    def steps(self) -> int:
        """Noisy steps of one expert."""
        return self.epochs * steps_per_epoch(self.rate)

    def event(self, expert: int) -> GaussianEvent:
        """Cost of one expert."""
        return GaussianEvent(f"DP-SGD of network {expert}", self.noise_multiplier, self.rate, self.steps)


class DPExpertTrainer:
    """Trains experts by DP-SGD and stores a snapshot per epoch; ``run()`` as in ``ExpertTrainer``, one at a time.

    Each step draws a Poisson sample of records, sums their clipped gradients, adds Gaussian noise and divides by a
    constant. Sample and noise come from the operating system and cannot be repeated: two runs with one seed differ. No
    training loss is shown or stored, because the ledger would not account for it.

    References:
        Abadi et al., Deep Learning with Differential Privacy, CCS 2016, https://arxiv.org/abs/1607.00133. With
        ``flat_radius``: Park et al., Differentially Private Sharpness-Aware Training, ICML 2023,
        https://arxiv.org/abs/2306.05651 (the previous noisy gradient is the ascent direction).

    Args:
        network: architecture of the experts.
        gradients: clipped sums over the training records.
        store: receives the snapshots, one more than there are epochs.
        augment: one augmentation per step for the whole sample, so that no record changes that of another.
        ledger: records every expert before it is trained.
        settings: of DP-SGD.
        seed: of initialization and augmentation.

    Raises:
        ValueError: for a store of another length, or gradients of another unit than the ledger's; from :meth:`run`
            without a public number of records; from :meth:`check` if the data set is so small that an epoch is more
            noise than signal.
    """

    def __init__(
        self,
        *,
        network: FlatNetwork,
        gradients: RecordGradients,
        store: TrajectoryStore,
        augment: SiameseAugment,
        ledger: PrivacyLedger,
        settings: DPSGD,
        seed: int = 0,
    ) -> None:
        if settings.epochs != store.shape[1] - 1:
            raise ValueError(
                f"Expected as many epochs as the store has room for, {store.shape[1] - 1}, got {settings.epochs}."
            )
        if gradients.unit != ledger.unit:
            raise ValueError(f"Expected gradients and ledger of one unit, got {gradients.unit} and {ledger.unit}.")
        self.network = network
        self.gradients = gradients
        self.store = store
        self.augment = augment
        self.ledger = ledger
        self.settings = settings
        self.seed = seed

    def event(self, expert: int) -> GaussianEvent:
        """Cost of one expert."""
        return self.settings.event(expert)

    @property
    def divisor(self) -> float:
        """Expected size of a sample; every sum is divided by it."""
        return self.settings.rate * self.require_public_records()

    def require_public_records(self) -> int:
        """Return the public number of records.

        Raises:
            ValueError: if ``public_records`` is missing.
        """
        records = self.settings.public_records
        if records is None or records < 1:
            raise ValueError(
                f"Expected public_records, a rounded number of training {self.ledger.unit}s that may be made public, "
                f"got {records}. It sets DP-SGD's step size, and the exact number would leak. Give --public_records N. "
                "If DP-SGD is only the row to compare with, --dp_model false leaves it out."
            )
        return records

    def check(self) -> None:
        """Refuse a data set so small that an expert's epoch would be more noise than signal."""
        steps = steps_per_epoch(self.settings.rate)  # all gradients of an epoch in one direction, against the noise
        noise = self.settings.noise_multiplier * math.sqrt(self.network.size)
        signal = math.sqrt(steps) * self.divisor / noise
        if signal < 1:
            minimum = math.ceil(self.require_public_records() / signal)
            raise ValueError(
                f"Expected at least {minimum} {self.ledger.unit}s, or an expert's epoch would be more noise than "
                f"signal at epsilon {self.ledger.epsilon:g}, got {self.settings.public_records}. Raise epsilon, train "
                "fewer experts, lower width, or collect more."
            )

    def run(self) -> None:
        """Train the experts that the store lacks. An interrupted expert was never stored and starts again."""
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
                    epochs = [{"epoch": epoch + 1} for epoch in range(self.settings.epochs)]
                    self.store.write(expert, self._trained(expert)[list(self.store.stored_epochs)], epochs)
            except ValueError:  # divergence is an outcome too: it must not be drawn until it looks good
                self.ledger.mark_released(event)
                raise
            self.ledger.mark_released(event)

    def _trained(self, expert: int) -> Tensor:
        """Snapshots [epochs + 1, P] of one expert."""
        settings, device = self.settings, self.gradients.bank.device
        parameters = self.network.initial(derived_seed(self.seed, "expert", expert)).to(device)
        average, gradient = parameters.clone(), torch.zeros_like(parameters)
        snapshots = [average.cpu().clone()]
        interval = steps_per_epoch(settings.rate)
        with open_progress_bar(settings.steps, f"DP-SGD of network {expert}", "step") as bar:
            for step in range(settings.steps):
                ascent = settings.flat_radius * gradient / gradient.norm().clamp_min(1e-12)
                gradient = self._noisy_gradient(parameters + ascent, expert, step)
                parameters = parameters - settings.lr * gradient
                average = settings.smoothing * average + (1 - settings.smoothing) * parameters
                if (step + 1) % interval == 0:
                    snapshots.append(average.cpu().clone())
                bar.update()
        return torch.stack(snapshots)

    def _noisy_gradient(self, parameters: Tensor, expert: int, step: int) -> Tensor:
        """[P]; an empty sample gets noise too."""
        sampled = secure_coins(self.gradients.records, self.settings.rate)
        shape = self.gradients.bank.images.shape[2:]
        generator = seeded_generator(self.seed, "expert", expert, "step", step)
        augmentation = self.augment.draw(1, shape, generator, siamese=True).to(parameters.device)
        total = self.gradients(parameters, sampled, lambda images: self.augment.apply(images, augmentation))
        noise = secure_normal(parameters.shape, self.settings.noise_multiplier * self.gradients.clip)
        return (total.to(torch.float64) + noise.to(total.device)).to(parameters.dtype) / self.divisor
