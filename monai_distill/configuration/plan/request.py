"""A run as it was requested, and whether a plan chooses its settings."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from monai_distill.configuration.composition import PUBLISHED, composed
from monai_distill.configuration.files import run_files
from monai_distill.configuration.presets import preset_settings

from .rules import EFFORTS, Effort

__all__ = ["Request", "ceilings", "longest"]


@dataclasses.dataclass(frozen=True)
class Request:
    """A run as it was requested.

    Attributes:
        dataset: name of the data set.
        network: name of the network.
        method: name of the method.
        settings: that were given; a plan never changes them.
        preset_of: whose preset is used, if that was given.
        effort: ``trial``, ``standard``, ``thorough`` or ``published``; None for the preset, or standard without one.
        minutes: that the run may take; None for what the effort aims at.
        clock: ``wall`` or ``cpu``, in whose time minutes are meant; CPU time is for machines that others use as well.

    Example:
        >>> Request("digits", method="dm").decides
        False
    """

    dataset: str
    network: str = "convnet"
    method: str = "mtt"
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    preset_of: str | None = None
    effort: str | None = None
    minutes: float | None = None
    clock: str = "wall"

    def __post_init__(self) -> None:
        if self.effort not in (None, PUBLISHED, *EFFORTS):
            raise ValueError(f"Expected an effort of {', '.join([*EFFORTS, PUBLISHED])}, got {self.effort}.")
        if self.effort == PUBLISHED and (self.minutes is not None or self.preset_of not in (None, PUBLISHED)):
            raise ValueError(
                "Expected --effort published alone: published settings are not shortened. For a time choose "
                f"--effort {' or '.join(EFFORTS)}, or leave --effort out."
            )
        given = "--minutes" if self.minutes is not None else f"--effort {self.effort}"
        if self.preset_of is not None and (self.minutes is not None or self.effort not in (None, PUBLISHED)):
            raise ValueError(f"Expected either --preset_of or {given}, got both: each of them decides the settings.")
        if self.guaranteed and (self.minutes is not None or self.effort is not None):
            raise ValueError(
                f"Expected no {given} with --epsilon: noise and number of steps belong together. Give the settings "
                "one by one, or --preset_of."
            )

    @property
    def guaranteed(self) -> bool:
        """Whether the run has ``--epsilon``."""
        return self.settings.get("epsilon") is not None

    @property
    def images_per_class(self) -> int:
        """Synthetic images of every class."""
        return int(self.settings.get("images_per_class", 1))

    @property
    def decides(self) -> bool:
        """Whether rules choose the settings: an effort or a time was requested, or no preset knows the data set."""
        if self.guaranteed or self.effort == PUBLISHED:
            return False
        if self.effort is not None or self.minutes is not None:
            return True
        files = run_files(self.dataset, self.network, self.method)
        known = preset_settings(files, self.dataset, self.images_per_class)
        return self.preset_of is None and not known

    @property
    def chosen_effort(self) -> str:
        """The effort, or the one that fits the time."""
        if self.effort is not None or self.minutes is None:
            return self.effort or "standard"
        return next((name for name, effort in EFFORTS.items() if self.minutes <= 1.5 * effort.minutes), "thorough")

    @property
    def aim(self) -> str:
        """The effort or the time in words."""
        return f"{self.minutes:g} minutes" if self.effort is None and self.minutes else f"effort {self.chosen_effort}"

    @property
    def preset(self) -> str | None:
        """Whose preset lies below the settings; None for the data set's own."""
        return PUBLISHED if self.decides or self.effort == PUBLISHED else self.preset_of

    def composed(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of ``monai.bundle.run`` with ``chosen`` below the given settings."""
        return composed(self.dataset, self.network, self.method, {**chosen, **self.settings}, self.preset)


def ceilings(request: Request) -> Effort | None:
    """The most that the run may do. A time without an effort is the bound itself, except for width and scores.

    Example:
        >>> ceilings(Request("digits", minutes=3.0)).iterations == ceilings(Request("digits", minutes=20.0)).iterations
        True
        >>> ceilings(Request("digits", minutes=3.0, effort="trial")).full_steps
        500
    """
    effort = EFFORTS.get(request.chosen_effort)
    if effort is None or request.effort is not None or request.minutes is None:
        return effort
    most, scores = EFFORTS["thorough"], effort if request.chosen_effort == "thorough" else EFFORTS["standard"]
    return dataclasses.replace(
        most,
        width=effort.width,
        students=scores.students,
        full_students=scores.full_students,
        full_steps=scores.full_steps,
    )


def longest(family: str, request: Request) -> float:
    """How often the iterations of an effort may be taken where a requested time is left.

    Distribution matching gains nothing from more of them at one image per class (measured, see RESULTS.md).

    Example:
        >>> longest("trajectory", Request("digits", minutes=60.0)), longest("distribution", Request("digits"))
        (3.0, 1.0)
    """
    saturated = family == "distribution" and request.images_per_class == 1
    return 1.0 if saturated or request.minutes is None else 3.0
