"""Differential privacy: mechanisms, accounting, ledgers and the conditions of a guarantee."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .accounting import GaussianEvent, epsilon_of, noise_multiplier_for
from .class_release import ClassRelease
from .expert_trainer import DPSGD, DPExpertTrainer
from .ledger import PrivacyLedger
from .prototype_release import PrototypeRelease

__all__ = [
    "DPSGD",
    "ClassRelease",
    "DPExpertTrainer",
    "GaussianEvent",
    "PrivacyLedger",
    "PrototypeRelease",
    "epsilon_of",
    "noise_multiplier_for",
]
