"""The students of a scored set on data that no preset knows: those that a run on these data would have."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from monai_distill.configuration.files import run_files

from .facts import MachineFacts, read_sample
from .request import Request
from .rules import EFFORTS, Choice, base_settings, effort_settings
from .timing import timing_parser

__all__ = ["student_settings"]

OF_STUDENTS = (
    *("width", "depth", "operations", "student_schedule", "evaluation_steps"),
    *("students", "full_students", "full_steps"),
)


def student_settings(request: Request) -> dict[str, Choice]:
    """The settings of students by the rules of a plan, without those that were given; nothing is timed.

    Args:
        request: with the data set, the network and the given settings; empty where a preset knows the data.

    Raises:
        ValueError: for data that cannot be used.

    Example:
        >>> student_settings(Request("digits", method="dm"))
        {}
    """
    if not request.decides:
        return {}
    parser = timing_parser(request.composed({}), None, "plan")
    device = torch.device(parser.get_parsed_content("device"))
    section, fit = parser.get_parsed_content("dataset"), parser.get_parsed_content("data#fit")
    facts = read_sample(str(parser.get_parsed_content("dataset_name")), section, fit, device).facts
    files = run_files(request.dataset, request.network, request.method)
    limits = effort_settings(
        EFFORTS["standard"], files, MachineFacts.here(device, "."), request.images_per_class, facts.training
    )
    chosen = base_settings(files, facts, request.images_per_class)
    chosen |= {name: Choice(value, "effort standard") for name, value in limits.items()}
    return {name: chosen[name] for name in OF_STUDENTS if name in chosen and name not in request.settings}
