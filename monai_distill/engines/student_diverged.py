"""What is raised when a student's parameters are no numbers any more."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

__all__ = ["StudentDivergedError"]


class StudentDivergedError(RuntimeError):
    """A student diverged at a step size; where several are tried, that one is out.

    Args:
        step_size: the learning rate that was too large.

    Example:
        >>> str(StudentDivergedError(3.0)).split(".")[0]
        'A student diverged at step size 3'
    """

    def __init__(self, step_size: float) -> None:
        super().__init__(
            f"A student diverged at step size {step_size:g}. Lower it, or the rate at which a learned one is changed."
        )
