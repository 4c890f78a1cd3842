"""The parts of a composed job in the form in which MONAI's programs read and override them in a bundle."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "overridable_network",
    "overridable_sections",
    "placeholder_sections",
    "steps_of_bundle",
    "without_names_of_the_owner",
]

Config = dict[str, Any]
SECTIONS = {"train": "training", "validate": "validation", "test": "test"}
ON_LOADING = ("monai_distill.runtime.processes.group.join", "monai_distill.runtime.memory.disable_malloc_trim")
SECTION = "monai_distill.data.datasets.listed_section.listed_section"
NAMES_OF_THE_OWNER = ("dataset_file", "group_columns", "ignored_columns")  # and every column
SAME_NETWORK = "monai_distill.configuration.parts.require_same_network"


def overridable_sections(job: Config, class_names: Sequence[str]) -> Config:
    """``train#dataset`` and its siblings as components with ``data``, which MONAI's ``train_dataset_data`` replaces.

    A reading of files stands under the id ``reading``, because all sections share it.

    Args:
        job: with ``dataset``, the function of a section's name, which is left out of the result.
        class_names: every class in label order.

    Returns:
        The job with other ids.
    """
    from monai_distill.runtime.literals import literal  # here, so that `list` and `--help` answer at once

    made = {key: value for key, value in job.items() if key != "dataset"}
    source = {key: value for key, value in job["dataset"].items() if key != "_mode_"}
    if "reading" in source:
        made["reading"], source["reading"] = source["reading"], "@reading"
    for name, section in SECTIONS.items():
        data = {**source, "section": section, "cache_rate": 0.0}
        names = "@class_names" if "class_names" in made else literal(list(class_names))
        made[name] = {**made[name], "dataset": {"_target_": SECTION, "data": data, "class_names": names}}
    return made


def overridable_network(job: Config, numbers: Config) -> Config:
    """``network_def`` as a component, and ``network_factory`` with the same arguments, which follow it.

    Args:
        job: with ``network_factory``.
        numbers: arguments that a bundle writes out, such as ``in_channels``.

    Returns:
        The job with these two ids changed.
    """
    network = {key: value for key, value in {**job["network_factory"], **numbers}.items() if key != "_mode_"}
    factory = {"_mode_": "callable", **{key: f"%network_def#{key}" for key in network}}
    return {**job, "network_def": network, "network_factory": factory}


def placeholder_sections(template: Config, channels: int, axes: int, classes: int) -> Config:
    """The content of ``no_data.json``: noise as large as ``image_size`` says when the bundle is loaded.

    Args:
        template: with a component for the data of every section, which get their measures.
        channels: of an image.
        axes: its spatial axes.
        classes: number of classes.
    """
    measures = {"shape": [channels, *(f"@image_size#{axis}" for axis in range(axes))], "classes": classes}
    return {key: {**value, **measures} if key.endswith("::data") else value for key, value in template.items()}


def steps_of_bundle(job: Config, run: Sequence[Any]) -> Config:
    """The job with the steps of a bundle: whoever loads it reads no data and makes no folder before ``run``.

    Args:
        job: with the steps ``initialize``.
        run: the steps that follow them.
    """
    steps = job["initialize"]
    first = [step for step in steps if isinstance(step, dict) and step.get("_target_") in ON_LOADING]
    checks = [step for step in steps if step not in first]
    same = {"_target_": SAME_NETWORK, "network_def": "@network_def", "network_factory": "@network_factory"}
    return {**job, "initialize": first, "run": [same, *checks, *run]}


def without_names_of_the_owner(file: str | Path, folder: str | Path) -> str:
    """Copy a configuration without the names of the owner's table and columns, for a classifier that leaves.

    MONAI stores the configuration in the exported classifier. Its network does not need these names.

    Args:
        file: such as ``configs/inference.json`` of a bundle.
        folder: gets the copy, under the same name.

    Returns:
        The path of the copy.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "inference.json"
        >>> _ = file.write_text('{"dataset_file": "ward7.csv", "label_column": "HIV", "width": 8}')
        >>> Path(without_names_of_the_owner(file, tempfile.mkdtemp())).read_text()
        '{"dataset_file": null, "label_column": null, "width": 8}'
    """
    from monai_distill.runtime.atomic_file import atomic_write  # here, so that `list` and `--help` answer at once

    config = json.loads(Path(file).read_text())
    named = [key for key in config if key in NAMES_OF_THE_OWNER or key.endswith("_column")]
    Path(folder).mkdir(parents=True, exist_ok=True)
    copy = Path(folder) / Path(file).name
    atomic_write(copy, json.dumps({**config, **dict.fromkeys(named)}).encode())
    return str(copy)
