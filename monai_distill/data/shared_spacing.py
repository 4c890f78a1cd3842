"""The size of a voxel that all images of a set share, if they do."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["shared_spacing"]

EQUAL = 0.01  # of a side: files round


def shared_spacing(spacings: Iterable[tuple[float, ...] | None], rule: str) -> dict[str, Any] | None:
    """What a provenance says of the spacing; None where no image tells one.

    Args:
        spacings: millimetres per axis of every image as the networks see it, None where it is not known.
        rule: how they came about, in words.

    Returns:
        ``millimetres``, None unless they are the same (within 1%) in all images, and ``rule``.

    Example:
        >>> shared_spacing([(2.0, 1.0), (2.001, 1.0)], "of the files")
        {'millimetres': [2.0, 1.0], 'rule': 'of the files'}
        >>> shared_spacing([(2.0, 1.0), (0.5, 1.0), None], "of the files")["rule"]
        'differs: 0.5 x 1 to 2 x 1 mm, and 1 of 3 images do not tell'
    """
    asked = list(spacings)
    known = [spacing for spacing in asked if spacing is not None]
    if not known:
        return None
    silent = len(asked) - len(known)
    if len({len(spacing) for spacing in known}) > 1:
        return {"millimetres": None, "rule": "differs: images of two and of three axes"}
    low, high = ([edge(sides) for sides in zip(*known, strict=True)] for edge in (min, max))
    alike = all(top - bottom <= EQUAL * top for bottom, top in zip(low, high, strict=True))
    if alike and not silent:
        return {"millimetres": list(known[0]), "rule": rule}
    parts = [] if alike else [f"{_said(low)} to {_said(high)} mm"]
    parts += [f"{silent} of {len(asked)} images do not tell"] if silent else []
    return {"millimetres": None, "rule": f"differs: {', and '.join(parts)}"}


def _said(sides: Iterable[float]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides)
