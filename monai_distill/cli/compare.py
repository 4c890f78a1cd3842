"""``monai-distill compare``: several methods on one data set, at one or several numbers of images, one table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.files import available, run_files
from monai_distill.configuration.overrides import parsed_overrides

from .evaluate import chosen_protocols, evaluate_run, protocol_settings
from .execution import resumed, run_bundle
from .run_arguments import (
    SETTINGS,
    add_plan_arguments,
    add_run_arguments,
    given_settings,
    settings_of,
    tuned_method,
)

__all__ = ["add_command", "execute"]

# where a plan chooses settings, those of the first run hold for all: scores must be made in the same way
SHARED = ("width", "depth", "operations", "students", "full_students", "full_steps", "validation_students")
HERDING = {"controls": ["herding"]}


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
    add_plan_arguments(command)
    add_run_arguments(command, several=True)
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run or resume every method in a folder of its own, at every number of images, then print one table."""
    given = parsed_overrides(rest)
    options.of_protocols = protocol_settings(given)
    options.overrides = {name: value for name, value in given.items() if name not in options.of_protocols}
    options.names = [] if options.protocols is None else chosen_protocols(options.protocols, options.of_protocols)
    if options.of_protocols and not options.names:
        raise ValueError(
            f"Expected --protocols together with their settings {', '.join(options.of_protocols)}, got none."
        )
    methods = _methods(options)
    tuned = _add_settings_of_file(options, methods)
    options.of_method = _overrides_by_method(options, methods, tuned)
    root, counts = Path(options.output_dir), options.images_per_class or [None]
    if len(counts) == 1:
        options.images_per_class = counts[0]
        print(_compared(options, methods, root, root))
        return 0
    _compare_at_every_number(options, methods, root, counts)
    return 0


def _compare_at_every_number(
    options: argparse.Namespace, methods: Sequence[str], root: Path, counts: Sequence[int]
) -> None:
    from monai_distill.export.image_counts import count_folder, save_image_counts

    unfinished = []
    for count in counts:
        options.images_per_class = count
        try:
            table = _compared(options, methods, root, count_folder(root, count), herding=True)
            print(f"{count} per class:\n{table}\n")
        except RuntimeError as error:  # some method failed: the other numbers are still worth their time
            warnings.warn(f"{count} per class: {error}", stacklevel=2)
            unfinished.append(str(count))
    print(save_image_counts(root, counts, methods))
    if unfinished:
        raise RuntimeError(
            f"{', '.join(unfinished)} per class did not finish; see the warnings. The finished runs are in the tables "
            f"and in {root / 'images.md'}."
        )


def _methods(options: argparse.Namespace) -> list[str]:
    names_in_order = dict.fromkeys(name.strip() for name in options.methods.split(","))
    methods = [name for name in names_in_order if name != "random"]
    unknown = sorted(set(methods) - set(available("methods")))
    if unknown:
        raise ValueError(f"Expected methods of {', '.join(available('methods'))} (and random), got {unknown}.")
    if options.epsilon is not None and options.site_ledger is None and len(methods) > 1:
        warnings.warn(
            f"{len(methods)} runs at epsilon {options.epsilon:g} on the same records spend more than that together, "
            "and to release the best of them is one more choice made on real images. --ledger FILE adds them up.",
            stacklevel=2,
        )
    return methods


def _add_settings_of_file(options: argparse.Namespace, methods: Sequence[str]) -> dict[str, list[str]]:
    """Lay the settings of ``--settings`` below the given ones; of a search, those that only its method takes."""
    if options.settings is None:
        return {}
    file = Path(options.settings)
    given = {**given_settings(options), **options.overrides}
    filed = {name: value for name, value in settings_of(file, options).items() if name not in given}
    options.overrides = {**filed, **options.overrides}
    method = tuned_method(file)
    if method is None:
        return {}
    if method not in methods:
        raise ValueError(f"Expected {method} among --methods, got {', '.join(methods)} and {file} of {method}.")
    names = [name for name in filed if name not in SHARED]
    others = [name for name in methods if name != method]
    if names and others:
        message = f"{file} is of {method}: {', '.join(others)} without its {', '.join(names)}."
        warnings.warn(message, stacklevel=2)
    return {method: names}


def _overrides_by_method(
    options: argparse.Namespace, methods: Sequence[str], tuned: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """The settings of every method: such as experts for those that train them. One that no method has stays in all."""
    from monai_distill.configuration.composition import known_settings

    guaranteed = options.epsilon is not None
    known = {
        method: known_settings(run_files(options.dataset, options.network, method, guaranteed=guaranteed))
        for method in methods
    }
    takers = {
        name: [method for method in methods if re.split("#|::", name)[0] in known[method]] for name in options.overrides
    }
    own = {}
    for method in methods:
        foreign = {name for of, names in tuned.items() if of != method for name in names}
        missing = {name for name, of in takers.items() if of and method not in of} - foreign
        if missing:
            listed = ", ".join(f"--{name}" for name in takers if name in missing)
            warnings.warn(f"{method} has no {listed} and runs without.", stacklevel=2)
        own[method] = {name: value for name, value in options.overrides.items() if name not in missing | foreign}
    return own


def _compared(
    options: argparse.Namespace, methods: Sequence[str], root: Path, folder: Path, *, herding: bool = False
) -> str:
    """The table of one number of images; ``herding`` adds that control to the first method's scores."""
    from monai_distill.export.comparison import compare_methods

    def request(method: str, run_folder: Path) -> Any:
        return _request(options, root, method, run_folder)

    def run(method: str, run_folder: Path) -> None:
        options.log.open(root)
        with options.log.part(run_folder):
            begun = (run_folder / "config.json").exists()
            run_bundle(resumed(run_folder) if begun else _arguments(request(method, run_folder), root, run_folder))

    def further(run_folder: Path) -> None:
        with options.log.part(run_folder):
            if options.names:
                evaluate_run(run_folder, options.names, options.of_protocols)
            elif herding and run_folder.name == methods[0] and _has_full(run_folder):
                evaluate_run(run_folder, ["scores"], HERDING)

    _refuse_what_no_method_takes(methods, lambda method: request(method, folder / method).composed({}))
    knobs = {name: getattr(options, name) for name in ("dataset", "network", "preset_of", *SETTINGS)}
    knobs.pop("output_dir")
    plan = {name: getattr(options, name) for name in ("effort", "minutes") if getattr(options, name) is not None}
    settings = {**knobs, **plan, **options.overrides}
    table = compare_methods(folder, methods, run, settings=settings, evaluate=further)
    options.log.open(root)  # also where every run was there already
    return table


def _request(options: argparse.Namespace, root: Path, method: str, folder: Path) -> Any:
    from monai_distill.configuration.plan.request import Request

    shared = {"experts_root": f"{root}/experts", "controls_root": f"{root}/controls"}
    values = {**given_settings(options), **shared, **options.of_method[method], "output_dir": str(folder)}
    plan = {"effort": options.effort, "minutes": options.minutes, "clock": options.clock}
    return Request(options.dataset, options.network, method, values, preset_of=options.preset_of, **plan)


def _arguments(request: Any, root: Path, folder: Path) -> dict[str, Any]:
    """The arguments of a run, planned where no preset knows them; how scores are made is the same in all runs.

    The plan is left in the run folder, as by ``run``.
    """
    if not request.decides:
        arguments: dict[str, Any] = request.composed({})
        return arguments
    import dataclasses

    from monai_distill.configuration.plan.planner import make_plan
    from monai_distill.configuration.plan.text import plan_text
    from monai_distill.runtime.atomic_file import atomic_write

    file = root / "shared_settings.json"
    first = json.loads(file.read_text()) if file.exists() else {}
    plan = make_plan(dataclasses.replace(request, settings={**first, **request.settings}))
    print(plan_text(plan), flush=True)
    atomic_write(folder / "plan.json", json.dumps(plan.to_dict(), indent=2).encode())
    if not first:
        chosen = {name: value for name, value in plan.values.items() if name in SHARED}
        atomic_write(file, json.dumps(chosen, indent=2).encode())
    return dict(plan.arguments())


def _has_full(folder: Path) -> bool:
    """Whether the run scored all training images, which the further controls require."""
    return "full" in json.loads((folder / "scores.json").read_text())


def _refuse_what_no_method_takes(methods: Sequence[str], settings: Callable[[str], object]) -> None:
    """Before ``compare.json`` keeps a misspelt setting; what some methods refuse ends only their runs."""
    refused: list[ValueError] = []
    for method in methods:
        try:
            settings(method)
        except ValueError as error:
            refused.append(error)
    if refused and len(refused) == len(methods):
        raise refused[0]
