"""What can be said of a release: guarantees that were accounted for, and attacks that were run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .accounting import epsilon_of, noise_multiplier_for, told_epsilon, true_positive_bound
from .class_release import ClassRelease
from .clipped_sums import clipped_class_sums
from .contract import DPContract
from .dp_model import DPModel
from .expert_trainer import DPExpertTrainer, steps_per_epoch
from .gaussian_event import GaussianEvent
from .ledger import PrivacyLedger
from .private_release import PrivateRelease
from .prototype_release import PrototypeRelease
from .record_gradients import RecordGradients
from .records import clipped_sum, record_codes, whole_records
from .sealed import run_sealed
from .secure_noise import secure_coins, secure_normal
from .site_ledger import SiteLedger
from .told_source import told_source

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
    "noise_multiplier_for",
    "record_codes",
    "run_sealed",
    "secure_coins",
    "secure_normal",
    "steps_per_epoch",
    "told_epsilon",
    "told_source",
    "true_positive_bound",
    "whole_records",
]
