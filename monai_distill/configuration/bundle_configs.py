"""From ``configs/`` to the configurations and papers of a bundle."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .bundle_papers import about_bundle, filled, images_held
from .bundle_parts import overridable_network, overridable_sections, placeholder_sections, steps_of_bundle
from .composition import run_settings
from .dependencies import with_dependencies
from .files import config_dir, read_yaml

__all__ = ["bundle_configs", "bundle_names", "classifier_config", "composed_job", "recipe"]

Config = dict[str, Any]
NOT_IN_A_BUNDLE = (  # tables that the command reads, and steps that only it calls
    *("family", "with_epsilon", "no_guarantee", "presets", "shared_presets", "dp_presets", "entries", "config_format"),
    *("evaluate", "reproduce", "save_execute_config"),
)
ACCOUNTING = {"dp-accounting": "0.6.0"}  # needed by a guarantee; the version that it is tested with


def recipe(name: str) -> Config:
    """The values of ``configs/bundle/own_data.yaml``, overridden by ``configs/bundles/NAME.yaml`` if it exists."""
    own = config_dir() / "bundles" / f"{name}.yaml"
    return {**_template("own_data"), **(read_yaml(own) if own.is_file() else {})}


def composed_job(
    dataset: str, network: str, method: str, settings: Mapping[str, Any], preset_of: str | None = None
) -> Config:
    """The job of a run as one configuration: its files laid over one another, the preset and the settings over that.

    Args:
        dataset: name of a data set.
        network: name of a network.
        method: name of a method.
        settings: by id of the configuration.
        preset_of: the data set whose preset is used.

    Raises:
        ValueError: see :func:`run_settings`.
    """
    from monai.bundle import ConfigParser  # here, so that `--help` answers at once

    from monai_distill.runtime.literals import literal_settings

    files, values = run_settings(dataset, network, method, settings, preset_of)
    parser = ConfigParser(ConfigParser.load_config_files([str(file) for file in files.all]))
    parser.update(literal_settings(values))
    job: Config = parser.get()
    for name in NOT_IN_A_BUNDLE:
        job.pop(name, None)
    return job


def bundle_configs(
    name: str, job: Config, image_shape: Sequence[int], class_names: Sequence[str], words: Config
) -> dict[str, Config]:
    """The contents of ``configs/*.json`` by name, without the suffix.

    Args:
        name: of the bundle.
        job: from :func:`composed_job`.
        image_shape: channels and sides of an image as the networks see it.
        class_names: every class in label order.
        words: from :func:`recipe`.
    """
    from monai_distill.runtime.literals import literal

    channels, *sides = image_shape
    template = _template("train")
    train = steps_of_bundle({**job, **template}, template["run"])
    known = {
        "class_names": literal(list(class_names)),
        "image_size": sides,
        "channels": channels if channels in (1, 3) else None,
        "dp_model": False,  # of a guarantee: no step of a bundle scores it
    }
    train |= {key: value for key, value in known.items() if key in train or key == "image_size"}
    measures = {"in_channels": channels, "num_classes": len(class_names), "image_size": "@image_size"}
    train = overridable_network(overridable_sections(train, class_names), measures)
    inference = _inference(train, known)
    metadata = {**_template("metadata"), **words.get("metadata", {})}
    if train["guarantee"] is not None:
        metadata["required_packages_version"] = {**metadata["required_packages_version"], **ACCOUNTING}
    about = about_bundle(name, train, words, image_shape, class_names)
    formats = _data_formats(image_shape, class_names, images_held(train, len(image_shape) - 1))
    several = {} if train["guarantee"] is not None else _several_processes(train)
    return {
        "metadata": literal({**filled(metadata, about), **formats}),  # it holds texts only, some of them class names
        "train": train,
        "inference": inference,
        "export": _export(train),
        "evaluate": _template("evaluate"),
        "no_data": placeholder_sections(_template("no_data"), channels, len(sides), len(class_names)),
        **several,
    }


def _several_processes(train: Config) -> dict[str, Config]:
    """The file for ``torchrun``; not with a guarantee: each process would add noise of its own."""
    template = _template("multi_gpu_train")
    return {"multi_gpu_train": {key: value for key, value in template.items() if key[0] == "+" or key in train}}


def classifier_config(inference: Config) -> Config:
    """``network_def`` with its references followed: plain values."""
    return {
        key: inference[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for key, value in inference["network_def"].items()
    }


def _template(name: str) -> Config:
    return read_yaml(config_dir() / "bundle" / f"{name}.yaml")


def _inference(train: Config, known: Config) -> Config:
    """Classification needs of the job: the loader, the network, and whatever these two refer to."""
    data = train["test"]["dataset"]["data"]
    section = {"_mode_": "callable", **{k: v for k, v in data.items() if k not in ("section", "cache_rate")}}
    if "reading" in section:  # of files, which are read as those of the set were
        as_trained = {"_target_": "monai_distill.data.reading.read_as_trained.trained_reading", "folder": "@ckpt_dir"}
        section["reading"] = {**train["reading"], **as_trained}
    made: Config = {**_template("inference"), "section": section, "network_def": train["network_def"]}
    channels = train["network_def"]["in_channels"]
    shape = [channels, *(f"@image_size#{axis}" for axis in range(len(known["image_size"])))]
    made |= {"class_names": known["class_names"], "image_shape": shape}
    return with_dependencies(made, train)


def _export(train: Config) -> Config:
    """The configuration that ``monai-distill export`` lays over a run, with the entries that it refers to."""
    of_the_command = read_yaml(config_dir() / "export.yaml")
    of_the_command.pop("export")  # the run list of the command
    return with_dependencies({**of_the_command, **_template("export")}, train)


def _data_formats(shape: Sequence[int], class_names: Sequence[str], images_per_class: int) -> Config:
    """Inputs and outputs of the network as MONAI's metadata schema names them; an empty range is unbounded."""
    numbered = {str(i): name for i, name in enumerate(class_names)}
    image: Config = {
        "type": "image",
        "format": "magnitude",
        "num_channels": shape[0],
        "spatial_shape": list(shape[1:]),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {"0": "image"} if shape[0] == 1 else {str(i): c for i, c in enumerate(["red", "green", "blue"])},
    }
    if shape[0] not in (1, 3):
        image["channel_def"] = {str(i): f"channel {i}" for i in range(shape[0])}
    logits: Config = {
        "type": "logits",
        "format": "classes",
        "num_channels": len(class_names),
        "spatial_shape": [1, len(class_names)],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": numbered,
    }
    label = {**logits, "type": "label", "num_channels": 1, "spatial_shape": [1], "dtype": "int64"}
    label["value_range"] = [0, len(class_names) - 1]
    probabilities = {**logits, "type": "probabilities", "value_range": [0, 1]}
    return {
        "network_data_format": {
            "inputs": {"image": image},
            "outputs": {"pred": logits},
            "post_processed_outputs": {"pred": probabilities},
        },
        "synthetic_data_format": {
            "inputs": {"count": len(class_names) * images_per_class},
            "outputs": {"image": image, "label": label},
        },
    }


def bundle_names() -> list[str]:
    """The project's own bundles."""
    return sorted(file.stem for file in Path(config_dir() / "bundles").glob("*.yaml"))
