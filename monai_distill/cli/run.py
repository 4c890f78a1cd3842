"""``monai-distill run``: plan, experts, distillation, scores, run folder."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.composition import bundle_line

from .execution import PLANNING, finished, run_bundle, shown_log
from .run_arguments import add_method, add_plan_arguments, add_run_arguments, requested

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "run", help="plan, experts, distillation, scores, run folder", allow_abbrev=False
    )
    add_method(command)
    command.add_argument(
        "--output_dir", metavar="DIR", help="run folder, a new one; default: runs/DATASET_METHOD_ipcN_seedN"
    )
    command.add_argument("--dry_run", action="store_true", help="print the equivalent MONAI command and stop")
    command.add_argument("--profile", action="store_true", help="also print where the time went")
    command.add_argument("--no_plan", action="store_true", help="print no plan and no forecast beforehand")
    add_plan_arguments(command)
    add_run_arguments(command)
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Plan, compose, refuse a used folder, run, print the table."""
    request = requested(options, rest)
    if options.no_plan and request.decides:
        raise ValueError(
            "Expected a plan for this run, got --no_plan: no preset knows its settings. Leave --no_plan out, or name a "
            "similar data set with --preset_of (published: the paper's settings)."
        )
    values = request.composed({})
    if options.dry_run and not request.decides:
        print(bundle_line(values))
        return 0
    from monai_distill.export.run_folder import RunFolder
    from monai_distill.runtime.processes import group  # here, so that `--help` answers at once

    group.join(values.get("device"))  # before the plan times steps on it
    run_folder = RunFolder(Path(values["output_dir"]))
    if values.get("resume"):
        raise ValueError(
            f"Expected no --resume for `run`, got {values['resume']}. Go on with: monai-distill resume "
            f"{run_folder.folder} ; it needs no settings."
        )
    if options.dry_run:
        print(bundle_line(_planned(request).arguments()))
        return 0
    # before MONAI writes the new configuration over the one that a resume needs
    run_folder.prepare(resume=False).refuse_begun()
    options.folder = run_folder.folder
    options.log.open(options.folder)
    if not options.no_plan:
        values = _announced(request, options.folder)
    if run_bundle(values, spread=True):
        print(finished(options.folder, options.profile))
    return 0


def _planned(request: Any) -> Any:
    """The plan, made by the first of several processes."""
    from monai_distill.configuration.plan.planner import make_plan
    from monai_distill.data.datasets.npz_arrays import hand_on_arrays
    from monai_distill.runtime.memory import disable_malloc_trim
    from monai_distill.runtime.processes import exchange

    disable_malloc_trim()  # the run does it, too, and its steps are timed
    with hand_on_arrays(), shown_log(*PLANNING):  # the run reads the same file
        return exchange.from_first(lambda: make_plan(request))


def _announced(request: Any, folder: Path) -> dict[str, Any]:
    """Print the plan, leave it in the run folder, and return the arguments of the run."""
    from monai_distill.configuration.plan.text import plan_text
    from monai_distill.runtime.atomic_file import atomic_write
    from monai_distill.runtime.processes import group

    plan = _planned(request)
    if group.is_first():
        print(plan_text(plan), flush=True)
        atomic_write(folder / "plan.json", json.dumps(plan.to_dict(), indent=2).encode())
    arguments: dict[str, Any] = plan.arguments()
    return arguments
