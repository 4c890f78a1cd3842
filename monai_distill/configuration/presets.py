"""The settings of a method for a data set and a number of images per class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .files import RunFiles

__all__ = ["preset_settings", "resolve_preset"]


def resolve_preset(
    presets: Mapping[str, Any],
    dataset_name: str,
    images_per_class: int,
    shared: Mapping[str, Any] | None = None,
    known: Collection[str] | None = None,
) -> dict[str, Any]:
    """The preset of a data set for the nearest number of images per class at or below ``images_per_class``.

    Args:
        presets: a method's ``{DATASET: {IMAGES_PER_CLASS: {SETTING: VALUE}}}``. Below the smallest number the preset of
            the smallest number is used.
        dataset_name: name of the data set; one that is not in the tables has no preset.
        images_per_class: of the run.
        shared: the same for a family of methods, overlaid by the method's. Here DATASET may also hold the name of
            another data set, whose presets it gets, and a preset ``like: [DATASET, IMAGES_PER_CLASS]`` starts from that
            one.
        known: names of settings; None for any.

    Raises:
        ValueError: when a preset sets an unknown name: a misspelt name must not pass for a setting.

    Example:
        >>> presets = {"digits": {1: {"student_steps": 10}, 10: {"student_steps": 30}}}
        >>> [resolve_preset(presets, *key) for key in (("digits", 5), ("digits", 10), ("other", 10))]
        [{'student_steps': 10}, {'student_steps': 30}, {}]
        >>> resolve_preset({}, "eights", 1, {"eights": "digits", "digits": {1: {"student_steps": 40}}})
        {'student_steps': 40}
    """
    family = shared or {}
    alias = family.get(dataset_name)
    name = alias if isinstance(alias, str) and dataset_name not in presets else dataset_name
    chosen: dict[str, Any] = {}
    for layer in (family.get(name), presets.get(name)):
        values = _nearest(layer, images_per_class) if isinstance(layer, Mapping) else {}
        while "like" in values:
            other, count = values["like"]
            values = {**_nearest(family[other], count), **{k: v for k, v in values.items() if k != "like"}}
        unknown = sorted(set(values) - set(known)) if known is not None else []
        if unknown:
            raise ValueError(
                f"The preset of {dataset_name} at {images_per_class} sets {unknown}, known are {sorted(known or ())}."
            )
        chosen |= values
    return chosen


def preset_settings(files: RunFiles, dataset_name: str, images_per_class: int) -> dict[str, Any]:
    """The preset of a run as settings: what the tables of its method, its family and its guarantee hold.

    A preset never changes what the files of a guarantee set. Its ``width`` is the ConvNet's; where the network's file
    sets a width of its own, it becomes ``convnet_width``.

    Args:
        files: of the run.
        dataset_name: the data set whose preset is used.
        images_per_class: of the run.

    Raises:
        ValueError: when a preset sets an unknown name.

    Example:
        >>> from monai_distill.configuration.files import run_files
        >>> preset_settings(run_files("digits", "convnet", "datm"), "digits", 1)["ramp_iterations"]
        100
    """
    contents = files.contents
    known = {name for content in contents for name in content}
    tables: dict[str, Any] = {}
    for content in contents:
        tables |= {key: content[key] for key in ("presets", "shared_presets", "dp_presets") if key in content}
    method = resolve_preset(tables["presets"], dataset_name, images_per_class, tables.get("shared_presets"), known)
    count = len(files.guarantee)
    fixed = {name.split("::")[0] for content in contents[len(contents) - count :] for name in content}
    chosen = {name: value for name, value in method.items() if name not in fixed}
    if count:
        chosen |= resolve_preset(tables.get("dp_presets", {}), dataset_name, images_per_class, known=known)
    if "width" in chosen and "width" in contents[2]:
        chosen["convnet_width"] = chosen.pop("width")
    return chosen


def _nearest(layer: Mapping[Any, Any], images_per_class: int) -> dict[str, Any]:
    """A data set's preset for the nearest number of images per class at or below, or for its smallest number."""
    counts = {int(k): dict(v) for k, v in layer.items()}
    return counts[max((k for k in counts if k <= images_per_class), default=min(counts))] if counts else {}
