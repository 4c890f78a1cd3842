"""How much noise keeps the budget of a run: from epsilon and delta to the noise multiplier of every release."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from monai_distill.transforms.canvas_decode import CanvasDecode

from .accounting import GaussianEvent, noise_multiplier_for
from .expert_trainer import DPExpertTrainer, steps_per_epoch
from .ledger import PrivacyLedger

__all__ = [
    "class_sum_noise",
    "dp_sgd_noise",
    "initial_noise_std",
    "prepare_releases",
    "prototype_noise",
    "prototype_rounds",
    "require_budget_for_experts",
    "require_budget_for_releases",
    "statistics_noise",
]


class Release(Protocol):
    """Noisy statistics of the training images: one event in the ledger, made by ``prepare``."""

    event: GaussianEvent

    def prepare(self) -> None:
        """Measure and release, or read what was released before."""


def dp_sgd_noise(epsilon: float, delta: float, sampling_rate: float, epochs: int, networks: int = 1) -> float:
    """Noise multiplier of DP-SGD with which all steps of ``networks`` networks together cost at most ``epsilon``.

    Every step is a Poisson-subsampled Gaussian mechanism of rate ``sampling_rate``; there are ``networks * epochs *``
    :func:`steps_per_epoch` of them, composed by :func:`noise_multiplier_for`.

    References:
        Abadi et al., Deep Learning with Differential Privacy, CCS 2016, https://arxiv.org/abs/1607.00133.

    Args:
        epsilon: of the budget.
        delta: of the budget.
        sampling_rate: probability that a record is in a step's sample.
        epochs: of one network.
        networks: how many are trained.

    Raises:
        ValueError: for an impossible budget or rate.

    Example:
        >>> one = dp_sgd_noise(8.0, 1e-5, sampling_rate=0.1, epochs=2)
        >>> one < dp_sgd_noise(8.0, 1e-5, sampling_rate=0.1, epochs=2, networks=4)
        True
    """
    steps = networks * epochs * steps_per_epoch(sampling_rate)
    return noise_multiplier_for(lambda sigma: [GaussianEvent("DP-SGD", sigma, sampling_rate, steps)], epsilon, delta)


def statistics_noise(epsilon: float, delta: float, prototype_share: float = 0.0, prototype_rounds: int = 1) -> float:
    """Noise multiplier ``sigma`` of a single release that would cost the whole budget, shared by two releases.

    A Gaussian release of noise multiplier s costs 1 / s^2 of the budget of squared sensitivities, so that

    - class sums with ``sigma / sqrt(1 - share)`` (:func:`class_sum_noise`) and
    - prototypes with ``sigma * sqrt(rounds / share)`` in each of ``rounds`` rounds (:func:`prototype_noise`)

    together cost 1 / sigma^2. ``sigma`` is calibrated on exactly these events.

    Args:
        epsilon: of the budget.
        delta: of the budget.
        prototype_share: of the budget (of 1 over the noise's variance), from 0 (no prototypes) to below 1.
        prototype_rounds: releases of prototypes.

    Raises:
        ValueError: for an impossible budget or share.

    Example:
        >>> alone, shared = statistics_noise(1.0, 1e-5), statistics_noise(1.0, 1e-5, prototype_share=0.5)
        >>> round(alone, 1), abs(shared / alone - 1) < 0.01
        (3.7, True)
    """
    _require_share(prototype_share)

    def events(sigma: float) -> list[GaussianEvent]:
        sums = GaussianEvent("class sums", class_sum_noise(sigma, prototype_share))
        if not prototype_share:
            return [sums]
        noise = prototype_noise(sigma, prototype_share, prototype_rounds)
        return [sums, GaussianEvent("prototypes", noise, 1.0, prototype_rounds)]

    return noise_multiplier_for(events, epsilon, delta)


def class_sum_noise(noise_multiplier: float, prototype_share: float = 0.0) -> float:
    """Noise multiplier of the class sums: they have what the prototypes leave of the budget.

    Example:
        >>> class_sum_noise(3.0, prototype_share=0.75)
        6.0
    """
    _require_share(prototype_share)
    return float(noise_multiplier / (1 - prototype_share) ** 0.5)


def prototype_noise(noise_multiplier: float, prototype_share: float, prototype_rounds: int = 1) -> float:
    """Noise multiplier of every round of prototypes; infinite where they have no share of the budget.

    Example:
        >>> prototype_noise(3.0, prototype_share=0.25, prototype_rounds=4)
        12.0
    """
    _require_share(prototype_share)
    return float(noise_multiplier * (prototype_rounds / prototype_share) ** 0.5) if prototype_share else float("inf")


def prototype_rounds(rounds: int, images_per_class: int, decode: CanvasDecode | None = None) -> int:
    """Rounds of prototypes: one image per class is the class mean, which one round measures.

    Every cell of a canvas has a prototype of its own.

    Example:
        >>> prototype_rounds(4, 1), prototype_rounds(4, 10)
        (1, 4)
    """
    single = decode is None or decode.is_identity
    return 1 if images_per_class == 1 and single else rounds


def initial_noise_std(prototype_share: float) -> float:
    """Standard deviation of the noise that images start from: small where prototypes are added to it.

    Example:
        >>> initial_noise_std(0.5), initial_noise_std(0.0)
        (0.05, 0.2)
    """
    return 0.05 if prototype_share else 0.2


def prepare_releases(releases: Sequence[Release | None]) -> None:
    """Make every release of ``releases``, in order; None stands for one that the settings switch off."""
    for release in releases:
        if release is not None:
            release.prepare()


def require_budget_for_releases(ledger: PrivacyLedger, releases: Sequence[Release | None]) -> None:
    """Refuse releases that together exceed the budget, before any of them is made.

    Raises:
        RuntimeError: from the ledger, or the site's.
    """
    ledger.check([release.event for release in releases if release is not None])


def require_budget_for_experts(ledger: PrivacyLedger, trainer: DPExpertTrainer, experts: int) -> None:
    """Refuse experts that together exceed the budget, before any of them is trained.

    Raises:
        RuntimeError: from the ledger, or the site's.
    """
    ledger.check([trainer.event(expert) for expert in range(experts)])


def _require_share(share: Any) -> None:
    if not 0 <= share < 1:
        raise ValueError(f"Expected a prototype_share from 0 to below 1, got {share}.")
