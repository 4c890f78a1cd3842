"""The hyper-parameters that a method's configuration keeps for a data set and a number of images per class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["resolve_preset"]


def resolve_preset(
    presets: Mapping[str, Any], dataset_name: str, images_per_class: int, shared: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The ``default`` preset, overlaid by the data set's own for the nearest number of images per class at or below.

    Args:
        presets: a method's ``{"default": {...}, DATASET: {IMAGES_PER_CLASS: {...}}}``. Below the smallest number given
            the smallest holds.
        dataset_name: name of the data set; one without presets of its own, and ``default``, gets the default.
        images_per_class: the number asked for.
        shared: the same for a family of methods, each part of it overlaid by the method's. Here DATASET may also hold
            the name of another data set, whose presets it gets, and a preset ``like: [DATASET, IMAGES_PER_CLASS]``
            starts from that one.

    Raises:
        ValueError: when a preset sets a name that the default lacks: a misspelt name must not pass for a setting.

    Example:
        >>> digits = {1: {"student_steps": 10}, 10: {"student_steps": 30}}
        >>> presets = {"default": {"student_steps": 20}, "digits": digits}
        >>> [resolve_preset(presets, *ask)["student_steps"] for ask in (("digits", 5), ("digits", 10), ("other", 10))]
        [10, 30, 20]
        >>> family = {"eights": "digits", "digits": {1: {"student_steps": 40}}}
        >>> resolve_preset({"default": {"student_steps": 20}}, "eights", 1, family)
        {'student_steps': 40}
    """
    family = shared or {}
    alias = family.get(dataset_name)
    name = alias if isinstance(alias, str) and dataset_name not in presets else dataset_name
    default = {**family.get("default", {}), **presets["default"]}
    chosen = dict(default)
    for layer in (family.get(name), presets.get(name)) if name != "default" else ():
        own = _nearest(layer, images_per_class) if isinstance(layer, Mapping) else {}
        while "like" in own:
            other, count = own["like"]
            own = {**_nearest(family[other], count), **{k: v for k, v in own.items() if k != "like"}}
        unknown = sorted(set(own) - set(default))
        if unknown:
            known = sorted(default)
            raise ValueError(f"The preset of {dataset_name} at {images_per_class} sets {unknown}, known are {known}.")
        chosen |= own
    return chosen


def _nearest(layer: Mapping[Any, Any], images_per_class: int) -> dict[str, Any]:
    """A data set's preset for the nearest number of images per class at or below, or for its smallest number."""
    counts = {int(k): dict(v) for k, v in layer.items()}
    return counts[max((k for k in counts if k <= images_per_class), default=min(counts))] if counts else {}
