"""Settings that count, scale or switch something: refused at once where they cannot, not after hours of work."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["ABOVE_ZERO", "COUNTS", "FROM_ZERO", "NOT_BELOW_ZERO", "SWITCHES", "checked_numbers"]

COUNTS = frozenset(
    [
        "batch_per_class",
        "chunk",
        "continual_classes_per_step",
        "continual_orders",
        "continual_steps",
        "continual_students",
        "cross_depth",
        "cross_steps",
        "cross_students",
        "depth",
        "dp_epochs",
        "evaluation_steps",
        "expert_batch_size",
        "expert_epochs",
        "expert_train_epochs",
        "experts",
        "experts_at_once",
        "first_max_start_epoch",
        "full_steps",
        "gradient_chunk",
        "images_at_once",
        "images_per_class",
        "images_per_record",
        "inner_epochs",
        "iterations",
        "max_start_epoch",
        "nas_full_steps",
        "nas_steps",
        "nas_students",
        "network_batch_size",
        "networks",
        "outer_steps",
        "public_records",
        "segments_per_step",
        "spatial_dims",
        "student_steps",
        "students",
        "synthetic_batch_size",
        "val_interval",
        "validate_every",
        "validation_steps",
        "validation_students",
        "view_depth",
        "view_width",
        "views",
        "width",
    ]
)
FROM_ZERO = frozenset(["full_students", "min_start_epoch", "ramp_iterations", "seed"])  # whole numbers, too
ABOVE_ZERO = frozenset(
    [
        "dp_lr",
        "expert_lr",
        "gate",
        "gradient_clip",
        "memory_budget",
        "network_lr",
        "student_lr",
        "temperature",
    ]
)
NOT_BELOW_ZERO = frozenset(["image_lr", "label_lr"])  # 0: not learned
SWITCHES = frozenset(
    [
        "balanced_experts",
        "download",
        "dp_model",
        "lung_masks",
        "resume",
        "teacher_labels",
        "zca",
    ]
)
COMPILED = frozenset(["compile_distillation", "compile_training"])


def checked_numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values``, with counts that were written as 1e3 made whole.

    Names that are none of these, null, and expressions of the configuration (``$``, ``@``, ``%``) pass as they are.

    Raises:
        ValueError: for what is no such number, nor true or false where that is asked.

    Example:
        >>> checked_numbers({"iterations": 1000.0, "student_lr": 0.01, "operations": ["crop"]})
        {'iterations': 1000, 'student_lr': 0.01, 'operations': ['crop']}
    """
    return {name: _checked(name, value) for name, value in values.items()}


def _checked(name: str, value: Any) -> Any:
    if value is None or (isinstance(value, str) and value.startswith(("$", "@", "%"))):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if name in COUNTS | FROM_ZERO:
        least = int(name in COUNTS)
        if not number or value != int(value) or value < least:
            raise ValueError(f"Expected a whole number of at least {least} for --{name}, got {value}.")
        return int(value)
    if name in ABOVE_ZERO and not (number and value > 0):
        raise ValueError(f"Expected a number above 0 for --{name}, got {value}.")
    if name in NOT_BELOW_ZERO and not (number and value >= 0):
        raise ValueError(f"Expected a number of at least 0 for --{name}, got {value}.")
    if name in COMPILED and not isinstance(value, bool):
        from monai_distill.networks import MODES  # here, so that `--help` answers at once

        if value not in MODES:
            raise ValueError(f"Expected true, false or one of {', '.join(MODES)} for --{name}, got {value}.")
    if name in SWITCHES and not isinstance(value, bool):  # any word would pass for true
        raise ValueError(f"Expected true or false for --{name}, got {value}.")
    return value
