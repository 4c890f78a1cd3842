"""Reads the command line; an error is one line."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from . import audit, bundle, compare, evaluate, export, listing, plan, report, resume, run, score, tune, verify
from .execution import COMMAND, plain_warnings, program_name
from .plain_errors import EXPECTED, plain_message
from .run_log import RunLog

__all__ = ["main", "parser"]

COMMANDS = (run, plan, tune, compare, resume, evaluate, score, report, audit, export, verify, bundle, listing)
LIGHT = ("list", "report", "verify")  # commands that load no network


def parser() -> argparse.ArgumentParser:
    """The command's arguments; ``run`` and ``compare`` also take ``--ANY#CONFIG#ID VALUE``.

    Every module of ``COMMANDS`` adds its own sub-command and sets ``execute``: (options, the rest of the words) -> the
    exit status.
    """
    top = argparse.ArgumentParser(prog=COMMAND, description="Distil a data set into a tiny synthetic one.")
    top.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = top.add_subparsers(dest="command", required=True)
    for module in COMMANDS:
        command = module.add_command(commands)
        command.set_defaults(execute=module.execute)
        command.add_argument(  # after the command's name as well as before it
            "--traceback", action="store_true", default=argparse.SUPPRESS, help="show where an error came from"
        )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for an error (reported in one line), 130 for Ctrl-C."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options, rest = parser().parse_known_args(words)
    with RunLog(words) as options.log:
        return _status(options, rest)


def _status(options: argparse.Namespace, rest: Sequence[str]) -> int:
    name = program_name()
    plain_warnings()
    if options.command not in LIGHT and "torch" not in sys.modules and name == COMMAND:
        sys.stderr.write(f"{COMMAND}: loading PyTorch and MONAI\n")  # a sign of life: it takes seconds
    try:
        status: int = options.execute(options, rest)
    except KeyboardInterrupt:
        if name == COMMAND:
            sys.stderr.write(f"\nInterrupted.{_way_on(options)}\n")
        return 130
    except EXPECTED as error:
        if options.traceback:
            traceback.print_exc()
        sys.stderr.write(f"{name}: error: {plain_message(error)}\n")
        return 1
    return status


def _way_on(options: argparse.Namespace) -> str:
    if options.command in ("audit", "compare", "evaluate"):
        return " The same command goes on where it stopped."
    folder = getattr(options, "folder", None)
    begun = folder is not None and (Path(folder) / "config.json").exists()
    return f" Go on with: {COMMAND} resume {shlex.quote(str(folder))}" if begun else " Nothing was begun or changed."
