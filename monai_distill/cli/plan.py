"""``monai-distill plan``: what a run would do and cost, without running it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from .execution import PLANNING, shown_log
from .run_arguments import add_method, add_plan_arguments, add_run_arguments, requested

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "plan", help="data, machine, settings with reasons, and what a run would cost", allow_abbrev=False
    )
    add_method(command)
    command.add_argument("--output_dir", metavar="DIR", help="run folder that the run would have")
    command.add_argument(
        "--on",
        choices=("gpu24", "gpu80"),
        help="estimate for a GPU with 24 or 80 GiB that is not here, from counted operations; default: this machine",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    add_plan_arguments(command)
    add_run_arguments(command)
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Make the plan and print it."""
    request = requested(options, rest)
    from monai_distill.configuration.plan.other_machine import CARDS
    from monai_distill.configuration.plan.planner import make_plan
    from monai_distill.configuration.plan.text import plan_text
    from monai_distill.runtime.memory import disable_malloc_trim  # here, so that `--help` answers at once

    disable_malloc_trim()  # a run does it, too
    with shown_log(*PLANNING):
        plan = make_plan(request, quick=False, card=None if options.on is None else CARDS[options.on])
    print(json.dumps(plan.to_dict(), indent=2) if options.json else plan_text(plan, reasons=True))
    return 0
