"""Attacks on what is released, with controls that tell whether they could have seen anything."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from .attack_figures import attack_figures
from .attribute_inference import AttributeInference, attribute_attacks, attribute_words
from .audit import Audit
from .audit_table import audit_table
from .calibration import calibrated
from .canary_bound import canary_bound, correct_guesses, guess_p_value
from .candidates import Candidates
from .controls import real_release
from .copy_check import copy_likeness
from .copy_figures import copy_figures, released_copies
from .feature_alignment import FeatureAlignment
from .features import network_features, pixel_features, random_networks, trained_network
from .gradient_alignment import GradientAlignment
from .intervals import clopper_pearson
from .model_confidence import ModelConfidence, scaled_confidence
from .nearest_neighbour import NearestNeighbour
from .shadow_job import ShadowJob
from .shadow_runs import LEAST_SHADOWS, ShadowRuns

__all__ = [
    "LEAST_SHADOWS",
    "AttributeInference",
    "Audit",
    "Candidates",
    "FeatureAlignment",
    "GradientAlignment",
    "ModelConfidence",
    "NearestNeighbour",
    "ShadowJob",
    "ShadowRuns",
    "attack_figures",
    "attribute_attacks",
    "attribute_words",
    "audit_table",
    "calibrated",
    "canary_bound",
    "clopper_pearson",
    "copy_figures",
    "copy_likeness",
    "correct_guesses",
    "guess_p_value",
    "network_features",
    "pixel_features",
    "random_networks",
    "real_release",
    "released_copies",
    "scaled_confidence",
    "trained_network",
]
