"""Mechanisms, ledgers and contracts of differential privacy."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .accounting import GaussianEvent, epsilon_of, ledger_epsilon, noise_multiplier_for, true_positive_bound
from .class_release import ClassRelease
from .contract import DPContract, public_provenance, run_with_masked_data
from .dp_model import DPModel
from .expert_trainer import DPExpertTrainer, steps_per_epoch
from .ledger import PrivacyLedger
from .mechanisms import PrivateRelease, secure_coins, secure_normal
from .prototype_release import PrototypeRelease
from .record_gradients import RecordGradients
from .records import clipped_class_sums, clipped_sum, record_codes, whole_records
from .site_ledger import SiteLedger

__all__ = [
    "ClassRelease",
    "DPContract",
    "DPExpertTrainer",
    "DPModel",
    "GaussianEvent",
    "PrivacyLedger",
    "PrivateRelease",
    "PrototypeRelease",
    "RecordGradients",
    "SiteLedger",
    "clipped_class_sums",
    "clipped_sum",
    "epsilon_of",
    "ledger_epsilon",
    "noise_multiplier_for",
    "public_provenance",
    "record_codes",
    "run_with_masked_data",
    "secure_coins",
    "secure_normal",
    "steps_per_epoch",
    "true_positive_bound",
    "whole_records",
]
