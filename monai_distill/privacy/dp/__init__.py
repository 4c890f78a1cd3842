"""Differential privacy: mechanisms, accounting, ledgers and the conditions of a guarantee."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .accounting import GaussianEvent, epsilon_of, ledger_epsilon, noise_multiplier_for
from .class_release import ClassRelease
from .contract import DPContract, FixedPreprocessing, TrainingRecords, public_provenance, run_with_masked_data
from .dp_model import DPModel
from .expert_trainer import DPSGD, DPExpertTrainer, steps_per_epoch
from .ledger import PrivacyLedger
from .mechanisms import PrivateRelease
from .prototype_release import PrototypeRelease
from .record_gradients import RecordGradients
from .records import record_codes
from .release_file import ReleaseFile
from .site_ledger import SiteLedger

__all__ = [
    "DPSGD",
    "ClassRelease",
    "DPContract",
    "DPExpertTrainer",
    "DPModel",
    "FixedPreprocessing",
    "GaussianEvent",
    "PrivacyLedger",
    "PrivateRelease",
    "PrototypeRelease",
    "RecordGradients",
    "ReleaseFile",
    "SiteLedger",
    "TrainingRecords",
    "epsilon_of",
    "ledger_epsilon",
    "noise_multiplier_for",
    "public_provenance",
    "record_codes",
    "run_with_masked_data",
    "steps_per_epoch",
]
