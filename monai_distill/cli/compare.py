"""``monai-distill compare``: several methods on one data set, one table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration import available, composed
from monai_distill.configuration.overrides import parsed_overrides

from .evaluate import chosen_protocols, evaluate_run, protocol_settings
from .execution import resumed, run_bundle
from .run_arguments import SETTINGS, add_run_arguments, given_settings

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "compare", help="several methods, one table; run again to go on", allow_abbrev=False
    )
    command.add_argument(
        "--methods", required=True, metavar="A,B,...", help="see `list`; random needs no run of its own"
    )
    command.add_argument(
        "--output_dir", required=True, metavar="DIR", help="folder of the run folders, what they share and the table"
    )
    command.add_argument(
        "--protocols", metavar="A,B,...", help="further protocols for every run, as of evaluate, and their tables"
    )
    add_run_arguments(command)
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run or resume every method in a folder of its own, then print one table."""
    from monai_distill.export import compare_methods

    given = parsed_overrides(rest)
    of_protocols = protocol_settings(given)
    overrides = {name: value for name, value in given.items() if name not in of_protocols}
    names = [] if options.protocols is None else chosen_protocols(options.protocols, of_protocols)
    if of_protocols and not names:
        raise ValueError(f"Expected --protocols together with their settings {', '.join(of_protocols)}, got none.")
    methods = _methods(options.methods)
    if options.epsilon is not None and options.site_ledger is None and len(methods) > 1:
        warnings.warn(
            f"{len(methods)} runs at epsilon {options.epsilon:g} on the same records spend more than that together, "
            "and to release the best of them is one more choice made on real images. --ledger FILE adds them up.",
            stacklevel=2,
        )
    root = options.output_dir

    def settings(method: str, folder: Path) -> dict[str, Any]:
        shared = {"experts_root": f"{root}/experts", "controls_root": f"{root}/controls"}
        values = {**given_settings(options), **shared, **overrides, "output_dir": str(folder)}
        return composed(options.dataset, options.network, method, values, options.preset_of)

    def run(method: str, folder: Path) -> None:
        values = settings(method, folder)
        options.log.open(Path(root))
        with options.log.part(folder):
            run_bundle(resumed(folder) if (folder / "config.json").exists() else values)

    def further(folder: Path) -> None:
        if names:
            with options.log.part(folder):
                evaluate_run(folder, names, of_protocols)

    _refuse_what_no_method_takes(methods, lambda method: settings(method, Path(root) / method))
    knobs = {name: getattr(options, name) for name in ("dataset", "network", "preset_of", *SETTINGS)}
    knobs.pop("output_dir")
    table = compare_methods(root, methods, run, settings={**knobs, **overrides}, evaluate=further)
    options.log.open(Path(root))
    print(table)
    return 0


def _methods(names: str) -> list[str]:
    """The methods to run, in order; random is a row of every table and needs no run."""
    methods = [name for name in dict.fromkeys(name.strip() for name in names.split(",")) if name != "random"]
    unknown = sorted(set(methods) - set(available("methods")))
    if unknown:
        raise ValueError(f"Expected methods of {', '.join(available('methods'))} (and random), got {unknown}.")
    return methods


def _refuse_what_no_method_takes(methods: Sequence[str], settings: Callable[[str], object]) -> None:
    """Before ``compare.json`` keeps a misspelt setting; what some methods do not know ends only their runs."""
    refused: list[ValueError] = []
    for method in methods:
        try:
            settings(method)
        except ValueError as error:
            refused.append(error)
    if refused and len(refused) == len(methods):
        raise refused[0]
