"""The settings of a run after its preset, and the presets that there are."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from monai_distill.configuration.files import run_files
from monai_distill.configuration.presets import preset_settings
from monai_distill.engines.distillation.schedule import matching_image_lr


def tables(method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The method's presets and its family's."""
    contents = run_files("digits", "convnet", method).contents
    return contents[-1]["presets"], next(part["shared_presets"] for part in contents if "shared_presets" in part)


def resolved(method: str, dataset: str, images_per_class: int) -> dict[str, Any]:
    """Every setting of a run of ``method`` with the preset of ``dataset``, by name."""
    files = run_files("digits", "convnet", method)
    values: dict[str, Any] = {}
    for content in files.contents:
        values |= content
    values |= preset_settings(files, dataset, images_per_class)
    if "base_image_lr" in values:
        values["image_lr"] = matching_image_lr(values["base_image_lr"], images_per_class)
    return values


def own_settings(method: str, dataset: str, images_per_class: int) -> dict[str, Any]:
    """The settings of the preset alone."""
    return preset_settings(run_files("digits", "convnet", method), dataset, images_per_class)
