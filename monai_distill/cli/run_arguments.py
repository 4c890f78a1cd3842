"""The arguments that ``run``, ``compare`` and ``bundle`` share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.files import available
from monai_distill.configuration.overrides import parsed_overrides

__all__ = [
    "SETTINGS",
    "add_method",
    "add_plan_arguments",
    "add_run_arguments",
    "given_settings",
    "network_name",
    "requested",
    "settings_of",
    "tuned_method",
]

SETTINGS = (  # arguments that are settings of the configuration
    *("dataset_dir", "dataset_file", "images_per_class", "factor", "initial_images", "output_dir", "seed", "device"),
    *("epsilon", "delta", "site_ledger", "site_epsilon"),
)
NO_SETTINGS = ("dataset", "network", "method", "preset_of", "effort", "minutes", "clock")  # other arguments


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings among the arguments that were given."""
    values = {name: getattr(options, name, None) for name in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def add_run_arguments(command: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the data set, the network and the settings of a run; the configuration has their defaults.

    Args:
        command: receives the arguments.
        several: whether the command takes several numbers of images per class.
    """
    command.add_argument(
        "--dataset", default="digits", choices=available("datasets"), metavar="D", help="see `list`; default: digits"
    )
    command.add_argument(
        "--network",
        default="convnet",
        type=network_name,
        metavar="N",
        help="see `list`, or the dotted name of a class, such as monai.networks.nets.DenseNet121; default: convnet",
    )
    command.add_argument("--dataset_dir", metavar="DIR", help="folder with the data")
    command.add_argument("--dataset_file", metavar="FILE", help="file in it (npz, table: default table.csv)")
    command.add_argument(
        "--images_per_class",
        type=_numbers if several else _positive,
        metavar="N,N,..." if several else "N",
        help="synthetic images of every class; default: 1" + "; several are compared" * several,
    )
    command.add_argument(
        "--factor",
        type=_positive,
        metavar="F",
        help="2: a stored image holds 2 x 2 smaller ones, which are enlarged for training; default: 1, or the preset's",
    )
    command.add_argument(
        "--initial_images",
        choices=("noise", "real", "clusters", "correct"),
        help="what the images start from: noise, real training images (traces of them stay visible), real ones of "
        "every cluster of a class, or images that "
        "experts classify right (datm, pad); default: the method's",
    )
    command.add_argument("--seed", type=int, metavar="N", help="seed of all random numbers; default: 0")
    command.add_argument("--device", help="cpu, cuda or cuda:N; default: cuda where there is one")
    command.add_argument(
        "--preset_of",
        metavar="D",
        help="use the preset of another data set; published: the settings of the method's paper or program",
    )
    _add_guarantee(command)
    command.epilog = (
        "Any other setting is given as --NAME VALUE, such as --iterations 200, down to --train#trainer#max_epochs 20. "
        "`monai-distill list --method M --dataset D` shows them with their values."
    )


def add_method(command: argparse.ArgumentParser) -> None:
    """Add ``--method``."""
    command.add_argument(
        "--method", default="mtt", choices=available("methods"), metavar="M", help="see `list`; default: mtt"
    )


def add_plan_arguments(command: argparse.ArgumentParser) -> None:
    """Add what decides the settings where they are not given one by one."""
    command.add_argument(
        "--effort",
        choices=("trial", "standard", "thorough", "published"),
        help="choose the settings by the data, the machine and the method, for about 3, 15 or 60 minutes; published: "
        "the paper's, for a GPU; default: the preset of the data set, or standard for data without one",
    )
    command.add_argument(
        "--minutes", type=_budget, metavar="M", help="choose the settings so that the whole run ends within M minutes"
    )
    command.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="whose time is meant; cpu where others use the machine, too; default: wall",
    )
    command.add_argument(
        "--settings", metavar="FILE", help="JSON file with settings by name, such as `tune` writes; others win over it"
    )


def requested(options: argparse.Namespace, rest: Sequence[str]) -> Any:
    """The request of ``run`` and ``plan``.

    Raises:
        ValueError: for a file without settings, or settings that exclude each other.
    """
    from monai_distill.configuration.plan.request import Request  # here, so that `--help` answers at once

    filed = {} if options.settings is None else settings_of(Path(options.settings), options)
    settings = {**filed, **given_settings(options), **parsed_overrides(rest)}
    return Request(
        options.dataset,
        options.network,
        options.method,
        settings,
        preset_of=options.preset_of,
        effort=options.effort,
        minutes=options.minutes,
        clock=options.clock,
    )


def settings_of(file: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The settings in a file: a JSON object of values by name, or the file that ``tune`` wrote.

    Raises:
        ValueError: when it holds none, or other arguments, those of another method, or with ``--epsilon`` those of a
            search whose data were not public.
    """
    way = "Give the file that `tune` wrote."
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"Expected a JSON file of settings, got {file}: {error}. {way}") from None
    settings = content.get("settings", content) if isinstance(content, dict) else None
    if not isinstance(settings, dict) or not settings:
        raise ValueError(f"Expected settings by name in {file}, got {content!r:.80}. {way}")
    if others := [f"--{name} {settings[name]}" for name in NO_SETTINGS if name in settings]:
        raise ValueError(f"Expected settings by name in {file}, got other arguments. Give {' '.join(others)}.")
    tuned = content.get("method")
    if tuned is not None and tuned != getattr(options, "method", tuned):
        raise ValueError(f"Expected settings of {options.method}, got {file} of {tuned}. Give --method {tuned}.")
    size, sizes = content.get("images_per_class"), options.images_per_class or 1
    if content is not settings and size is not None and sizes not in (size, [size]):
        warnings.warn(f"{file} was tuned at {size} images per class, this is for {sizes}.", stacklevel=2)
    if options.epsilon is not None and content.get("public_data") is False:
        raise ValueError(
            f"Expected settings from public data with --epsilon, got {file}: its search looked at its data without a "
            "guarantee. Tune on public data, and say so: tune --public_data"
        )
    return settings


def tuned_method(file: Path) -> str | None:
    """The method whose settings ``tune`` wrote to ``file``; None for settings of any method."""
    method: str | None = json.loads(file.read_text()).get("method")
    return method


def _add_guarantee(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--epsilon", type=_budget, metavar="E", help="differential privacy: 1 strict, 3, 8 loose; default: none"
    )
    command.add_argument(
        "--delta",
        type=_budget,
        metavar="D",
        help="with --epsilon: at most 1 over the number of patients; default: 1e-5",
    )
    command.add_argument(
        "--ledger",
        dest="site_ledger",
        type=_file,
        metavar="FILE",
        help="sums all runs with --epsilon on the same data; default: each is accounted alone",
    )
    command.add_argument(
        "--ledger_epsilon",
        dest="site_epsilon",
        type=_budget,
        metavar="E",
        help="with a new --ledger: what they may spend together",
    )


def network_name(text: str) -> str:
    """The name of a network, or the dotted name of a class, as an argument.

    Raises:
        argparse.ArgumentTypeError: for another text.
    """
    if text not in available("networks") and "." not in text:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(available('networks'))} or the dotted name of a class, got {text}"
        )
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


def _numbers(text: str) -> list[int]:
    return [_positive(word.strip()) for word in text.split(",")]


def _file(text: str) -> str:
    return str(Path(text).resolve())  # `evaluate` may be called from elsewhere


def _budget(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value
