"""``monai-distill score``: any distilled set on a data set, without the run that made it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.composition import run_settings
from monai_distill.configuration.files import available, config_dir, read_yaml, run_files
from monai_distill.configuration.overrides import parsed_overrides

from .execution import run_bundle
from .run_arguments import network_name

__all__ = ["add_command", "execute"]

METHOD = "dm"  # of the configuration: it trains nothing beforehand, and nothing of it runs
PLACES = ("dataset_dir", "shared_controls", "controls_root")


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "score", help="score a set of this or another program on a data set", allow_abbrev=False
    )
    command.add_argument(
        "set",
        metavar="SET",
        help="a folder (run, release, bundle, images.pt with labels.pt) or a file (.npz, .safetensors, .pt)",
    )
    command.add_argument("--dataset", required=True, choices=available("datasets"), metavar="D", help="see `list`")
    command.add_argument("--dataset_dir", metavar="DIR", help="folder with the data")
    command.add_argument("--dataset_file", metavar="FILE", help="file in it (npz, table: default table.csv)")
    command.add_argument(
        "--network", type=network_name, metavar="N", help="see `list`; default: the set's own, or convnet"
    )
    command.add_argument("--preset_of", metavar="D", help="use the preset of another data set for what the set lacks")
    for name in ("mean", "std"):
        command.add_argument(
            f"--{name}",
            type=_numbers,
            metavar="X[,X,...]",
            help=f"{name} with which the images were standardized, where neither a manifest nor bytes say; "
            f"{'0' if name == 'mean' else '1'}: pixel values from 0 to 1",
        )
    command.add_argument("--output_dir", metavar="DIR", help="folder of scores.json; default: runs/score_SET_DATASET")
    command.add_argument("--device", help="cpu, cuda or cuda:N; default: cuda where there is one")
    command.epilog = (
        "Settings of the data and the protocol are given as --NAME VALUE, such as --students 20, --full_students 0, "
        "--evaluation_steps 500, --image_size [64, 64], --student_lr 0.01 (of a set that declares none)."
    )
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Read what the set declares, compose, score, print the table."""
    from monai_distill.configuration.scored_set import declared_settings  # here, so that `--help` answers at once
    from monai_distill.data.set_reading import read_set, set_folder
    from monai_distill.runtime.literals import NONE

    path = Path(options.set).expanduser().resolve()
    settings = parsed_overrides(rest)
    folder = set_folder(path)
    network: str | None = None
    declared: dict[str, Any] = {}
    if folder is not None:
        network, declared = declared_settings(json.loads((folder / "manifest.json").read_text()))
    if options.network is not None and options.network != network:  # the set's width and depth are of its own network
        declared = {name: value for name, value in declared.items() if name not in ("width", "depth")}
    network = options.network or network or "convnet"
    stored = read_set(path, mean=options.mean, std=options.std, spatial_dims=_axes(options, settings))
    shape = stored.images.shape[1:]
    files = run_files(options.dataset, network, METHOD)
    fitted = {"image_size": list(shape[1:]), "channels": shape[0] if shape[0] in (1, 3) else None}
    declared |= {name: value for name, value in fitted.items() if name in files.contents[1]}
    places = {name: getattr(options, name) for name in ("dataset_dir", "dataset_file", "device")}
    given = {**settings, **{name: value for name, value in places.items() if value is not None}}
    size = max(1, len(stored.images) // len(stored.class_names))
    files, values = _composed(options, network, {"images_per_class": size, **declared, **given})
    name = path.parent.name if path.name in ("models", "synthetic.safetensors") else path.stem
    output = Path(options.output_dir or f"runs/score_{name}_{options.dataset}")
    values |= {key: str(Path(values[key]).expanduser().resolve()) for key in PLACES if values.get(key)}
    values |= {"set_file": str(path), "set_mean": options.mean, "set_std": options.std, "output_dir": str(output)}
    run_bundle(
        {
            "config_file": [*map(str, files.all), str(config_dir() / "score.yaml")],
            **{key: NONE if value is None else value for key, value in values.items()},
        }
    )
    print(_finished(output))
    return 0


def _composed(options: argparse.Namespace, network: str, settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The files and values of the scoring; where no preset knows the data, with the students of a plan."""
    from monai_distill.configuration.plan.request import Request
    from monai_distill.configuration.plan.scoring import student_settings

    request = Request(options.dataset, network, METHOD, settings, options.preset_of)
    chosen = student_settings(request)
    if chosen:
        shown = ", ".join(f"{name} {choice.value} ({choice.reason})" for name, choice in chosen.items())
        print(f"Settings  no preset knows {options.dataset}, so by the rules of a plan: {shown}", flush=True)
    planned = {name: choice.value for name, choice in chosen.items()}
    return run_settings(options.dataset, network, METHOD, {**planned, **settings}, request.preset)


def _axes(options: argparse.Namespace, settings: dict[str, Any]) -> int:
    from monai_distill.configuration.files import dataset_entry

    file, entry = dataset_entry(options.dataset)
    return int({**read_yaml(file), **entry, **settings}["spatial_dims"])


def _finished(folder: Path) -> str:
    from monai_distill.export.tables import score_table

    scores = json.loads((folder / "scores.json").read_text())
    words = scores["set"]
    return (
        f"{score_table(scores)}\n"
        f"Set: {words['images']} images ({words['stored_images']} stored), {words['values']}; labels: "
        f"{words['labels']}; learning rate {words['student_lr']:.4g}; made from {words['made_from']}.\n"
        f"{_absent(words['classes_without_images'])}"
        f"Scores: {folder / 'scores.json'}"
    )


def _absent(classes: list[str]) -> str:
    if not classes:
        return ""
    return f"Caution: the set has no image of {', '.join(classes)}, so no network can learn them; the controls have.\n"


def _numbers(text: str) -> list[float] | float:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers, such as 0.5 or 0.7,0.5,0.6, got {text}") from None
    return values if len(values) > 1 else values[0]
