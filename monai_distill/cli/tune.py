"""``monai-distill tune``: a search for settings on validation images; `run --settings` takes its file."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.files import read_yaml, run_files

from .execution import SILENCED, plain_warnings
from .run_arguments import add_method, add_run_arguments, requested

__all__ = ["add_command", "execute"]

FILE = "settings.json"
PER_RUN = (  # every run gives its own
    *("dataset_dir", "output_dir", "seed", "device", "resume", "images_per_class", "memory_budget", "cache_dir"),
    *("experts_root", "controls_root", "shared_controls"),
)


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "tune", help="search for settings on validation images; run again to go on", allow_abbrev=False
    )
    add_method(command)
    command.add_argument(
        "--output_dir", required=True, metavar="DIR", help="receives settings.json and every trial; not a run folder"
    )
    command.add_argument(
        "--minutes", type=float, default=30.0, metavar="M", help="wall time of the search; default: 30"
    )
    command.add_argument("--trials", type=int, metavar="N", help="at most as many trials; default: as the time allows")
    command.add_argument(
        "--public_data", action="store_true", help="the data are public: a run with --epsilon may use the settings"
    )
    add_run_arguments(command)
    command.set_defaults(effort=None, clock="wall", settings=None)
    command.epilog = f"{command.epilog} A setting that is given is not searched."
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Search, write the settings, print how to use them."""
    if options.epsilon is not None:
        raise ValueError(
            "Expected no --epsilon for `tune`: every trial looks at the data, and no ledger counts that. Tune on "
            "public data without --epsilon (--public_data), then: monai-distill run --epsilon E --settings FILE"
        )
    minutes, options.minutes = options.minutes, None
    if not minutes > 0 or (options.trials is not None and options.trials < 1):
        raise ValueError(f"Expected --minutes above 0 and --trials of at least 1, got {minutes} and {options.trials}.")
    request = requested(options, rest)
    from monai_distill.configuration.plan.planner import make_plan
    from monai_distill.configuration.plan.text import plan_text
    from monai_distill.configuration.tuning import Search
    from monai_distill.runtime.atomic_file import atomic_write
    from monai_distill.runtime.memory import disable_malloc_trim

    _be_quiet()
    disable_malloc_trim()
    folder = Path(options.output_dir)
    if (folder / "config.json").exists():
        raise ValueError(f"Expected a folder for the search, got {folder}, the folder of a run. Give another.")
    plan = make_plan(request) if request.decides else None
    chosen = {} if plan is None else plan.values
    if plan is not None:
        print(f"The run that the search starts from (a trial leaves out its scores):\n{plan_text(plan)}", flush=True)
    arguments = request.composed(chosen)
    search = Search(arguments, folder, request.settings, seed=int(arguments.get("seed", 0)))
    search.run(60 * minutes, options.trials, lambda line: print(line, flush=True))
    settings, best, first = search.best()
    content = {
        "method": options.method,
        "images_per_class": request.images_per_class,
        "validation": {"metric": "balanced_accuracy", "best": best, "first": first},
        "tuned_on": {"dataset": options.dataset, "training_sha256": search.data.provenance["training_sha256"]},
        "public_data": options.public_data,
        "settings": {**chosen, **_kept(request), **settings},
    }
    atomic_write(folder / FILE, json.dumps(content, indent=2).encode())
    print(f"Validation: {first:.3f} with the settings as they were, {best:.3f} with the best; see {folder}/trials.json")
    print(
        f"Use them, with the arguments of the data: monai-distill run --dataset {options.dataset} ... "
        f"--method {options.method} --settings {folder / FILE}"
    )
    return 0


def _be_quiet() -> None:
    plain_warnings()
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _kept(request: Any) -> dict[str, Any]:
    """The given settings under which the others were found; those of the data are given again with the data."""
    files = run_files(request.dataset, request.network, request.method)
    excluded = {*PER_RUN, *read_yaml(files.dataset)}
    return {name: value for name, value in request.settings.items() if name not in excluded}
