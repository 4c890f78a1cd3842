"""``monai-distill bundle``: a MONAI bundle of this project, or one for data of one's own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.bundle_configs import (
    bundle_configs,
    bundle_names,
    classifier_config,
    composed_job,
    recipe,
)
from monai_distill.configuration.bundle_papers import bundle_papers
from monai_distill.configuration.files import available, dataset_entry, read_yaml, uses
from monai_distill.configuration.overrides import parsed_overrides

from .run_arguments import add_run_arguments, given_settings

__all__ = ["add_command", "execute"]

MACHINE = ("output_dir", "device")  # of one machine: given when the bundle runs, not written into it

PLACES = ("dataset_dir", "download", "license", "cache_dir")  # settings that change no result


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "bundle", help="write a MONAI bundle for a data set and a method", allow_abbrev=False
    )
    command.add_argument("name", help=f"{', '.join(bundle_names())}; or a new name, with --dataset")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="the bundle becomes DIR/NAME")
    command.add_argument("--method", choices=available("methods"), metavar="M", help="see `list`; default mtt")
    command.add_argument("--replace", action="store_true", help="overwrite texts that differ; models/ stays as it is")
    add_run_arguments(command)
    command.set_defaults(dataset=None, network=None, output_dir=None)
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Compose the job, read the images of the user's own data, write the bundle, print the train command."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", options.name):
        raise ValueError(f"Expected a bundle name in lower snake case, such as spleen_ct, got {options.name!r}.")
    words, dataset_dir = recipe(options.name), options.dataset_dir
    _choose(options, words)
    given = {**words.get("settings", {}), **given_settings(options), **parsed_overrides(rest)}
    settings = {name: value for name, value in given.items() if name not in MACHINE}
    job = composed_job(options.dataset, options.network, options.method, settings, options.preset_of)
    if job["guarantee"] is not None and job["public_records"] is None:
        raise ValueError(
            "Expected --public_records N with --epsilon: a rounded number of training records (patients where the data "
            "name them, else images) that may be made public. Without it the bundle could not be trained."
        )
    if options.name not in bundle_names():
        words["command"] = _same_command(options, settings)
        job["dataset_name"] = options.name
    elif any(words.get("settings", {}).get(key) != value for key, value in settings.items() if key not in PLACES):
        words = _without_scores(words)
    shape, class_names = _measured(job, words, options.dataset_dir)
    configs = bundle_configs(options.name, job, shape, class_names, words)
    papers = bundle_papers(options.name, configs["train"], words, shape, class_names)
    from monai_distill.export.bundle import write_bundle  # here, so that `--help` answers at once

    network_def = classifier_config(configs["inference"])
    folder = write_bundle(options.to / options.name, configs, papers, network_def, replace=options.replace)
    print(f"Bundle: {folder}\nFill it with:\n  {_train_line(folder, dataset_dir)}")
    return 0


def _without_scores(words: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a bundle whose scores, and whose shipped set, are those of other settings."""
    metadata = {key: value for key, value in words.get("metadata", {}).items() if key != "eval_metrics"}
    return {**words, "metadata": metadata, "status": recipe("own_data")["status"]}


def _choose(options: argparse.Namespace, words: dict[str, Any]) -> None:
    """Data set, network and method: the recipe's, or the user's where there is no recipe."""
    if options.site_ledger is not None or options.site_epsilon is not None:
        raise ValueError(
            "Expected no --ledger and --ledger_epsilon for a bundle: they belong to a site, not to a recipe. Give them "
            "to its train command, as --site_ledger FILE --site_epsilon E."
        )
    given = {key: getattr(options, key) for key in ("dataset", "network", "method")}
    if options.name in bundle_names():
        refused = [f"--{key}" for key, value in given.items() if value is not None]
        if refused:
            raise ValueError(f"{options.name} is a bundle of this project: leave out {', '.join(refused)}.")
    elif options.dataset is None:
        raise ValueError(
            f"Expected --dataset for {options.name!r}, which is not one of {', '.join(bundle_names())}. See `list`."
        )
    chosen = {"network": "convnet", "method": "mtt", **{k: v for k, v in given.items() if v is not None}}
    for key in given:
        setattr(options, key, words.get(key) or chosen[key])
    if options.name in bundle_names() and uses(read_yaml(dataset_entry(options.dataset)[0])["dataset"], "dataset_dir"):
        # what its loader would need on this machine; the bundle itself names its data/ folder
        options.dataset_dir = options.dataset_dir or "data"


def _measured(job: dict[str, Any], words: dict[str, Any], dataset_dir: str | None) -> tuple[list[int], list[str]]:
    """Shape of an image and class names: as the recipe says, or as the training images are.

    Raises:
        ValueError: when the images have another rank than the job's networks.
    """
    if "image_shape" in words:
        sides = job.get("image_size", words["image_shape"][1:])
        return [words["image_shape"][0], *sides], words["class_names"]
    from monai.bundle import ConfigParser

    from monai_distill.runtime.literals import literal_settings

    loader = ConfigParser({**job, **literal_settings({"dataset_dir": dataset_dir})}).get_parsed_content("dataset")
    training = loader(section="training", cache_rate=0.0)
    shape = [int(side) for side in training[0]["image"].shape]
    if len(shape) != job["spatial_dims"] + 1:
        raise ValueError(
            f"Expected images of {job['spatial_dims']} spatial axes, got [channels, *spatial] {shape}. "
            "Add --spatial_dims 3 and three sides in --image_size for volumes."
        )
    return shape, list(training.class_names)


def _same_command(options: argparse.Namespace, settings: dict[str, Any]) -> str:
    words = ["monai-distill", "bundle", options.name]
    words += [word for key in ("dataset", "network", "method") for word in (f"--{key}", getattr(options, key))]
    words += ["--dataset_dir", "DATA"] if options.dataset_dir else []
    words += ["--preset_of", options.preset_of] if options.preset_of else []
    shown = {key: value for key, value in settings.items() if key not in ("images_per_class", "dataset_dir")}
    words += [word for key, value in shown.items() for word in (f"--{key}", str(value))]
    return shlex.join([*words, "--images_per_class", "N", "--to", "FOLDER"])


def _train_line(folder: Path, dataset_dir: str | None) -> str:
    from monai_distill.runtime.literals import literal

    words = ["python", "-m", "monai.bundle", "run", "--config_file", str(folder / "configs" / "train.json")]
    words += ["--bundle_root", literal(str(folder))]
    return shlex.join(words + (["--dataset_dir", literal(dataset_dir)] if dataset_dir else []))
