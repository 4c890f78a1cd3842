"""The arguments that ``run``, ``compare`` and ``bundle`` share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_distill.configuration import available

__all__ = ["SETTINGS", "add_run_arguments", "given_settings"]

SETTINGS = (  # arguments that are settings of the configuration
    *("dataset_dir", "dataset_file", "images_per_class", "factor", "initial_images", "output_dir", "seed", "device"),
    *("epsilon", "delta", "site_ledger", "site_epsilon"),
)


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings among the arguments that were given."""
    values = {name: getattr(options, name, None) for name in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def add_run_arguments(command: argparse.ArgumentParser) -> None:
    """Add the data set, the network and the settings of a run; the configuration has their defaults."""
    command.add_argument(
        "--dataset", default="digits", choices=available("datasets"), metavar="D", help="see `list`; default: digits"
    )
    command.add_argument(
        "--network", default="convnet", choices=available("networks"), metavar="N", help="see `list`; default: convnet"
    )
    command.add_argument("--dataset_dir", metavar="DIR", help="folder with the data")
    command.add_argument("--dataset_file", metavar="FILE", help="file in it (npz, table: default table.csv)")
    command.add_argument(
        "--images_per_class", type=_positive, metavar="N", help="synthetic images of every class; default: 1"
    )
    command.add_argument(
        "--factor",
        type=_positive,
        metavar="F",
        help="2: a stored image holds 2 x 2 smaller ones, which are enlarged for training; default: 1, or the preset's",
    )
    command.add_argument(
        "--initial_images",
        choices=("noise", "real", "correct"),
        help="what the images start from: noise, real training images (traces of them stay visible), or images that "
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


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
