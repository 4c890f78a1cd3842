"""The voxel spacing that the images of a data set share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["shared_spacing"]

TOLERANCE = 0.01  # of a side: files round


def shared_spacing(spacings: Iterable[tuple[float, ...] | None], rule: str) -> dict[str, Any] | None:
    """The spacing for a provenance; None where no image states one.

    Args:
        spacings: millimeters per axis of every image as the networks see it, None where it is unknown.
        rule: how they came about, in words.

    Returns:
        ``millimeters``, None unless they agree (within 1%) in all images, and ``rule``.

    Example:
        >>> shared_spacing([(2.0, 1.0), (2.001, 1.0)], "of the files")
        {'millimeters': [2.0, 1.0], 'rule': 'of the files'}
        >>> shared_spacing([(2.0, 1.0), (0.5, 1.0), None], "of the files")["rule"]
        'differs: 0.5 x 1 to 2 x 1 mm, and 1 of 3 images state none'
    """
    all_spacings = list(spacings)
    known = [spacing for spacing in all_spacings if spacing is not None]
    if not known:
        return None
    silent = len(all_spacings) - len(known)
    if len({len(spacing) for spacing in known}) > 1:
        return {"millimeters": None, "rule": "differs: images of two and of three axes"}
    low, high = ([edge(sides) for sides in zip(*known, strict=True)] for edge in (min, max))
    alike = all(top - bottom <= TOLERANCE * top for bottom, top in zip(low, high, strict=True))
    if alike and not silent:
        return {"millimeters": list(known[0]), "rule": rule}
    parts = [] if alike else [f"{_millimeters(low)} to {_millimeters(high)} mm"]
    parts += [f"{silent} of {len(all_spacings)} images state none"] if silent else []
    return {"millimeters": None, "rule": f"differs: {', and '.join(parts)}"}


def _millimeters(sides: Iterable[float]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides)
