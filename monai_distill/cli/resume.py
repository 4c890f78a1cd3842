"""``monai-distill resume``: goes on with an interrupted run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .execution import finished, reject_unknown_arguments, resumed, run_bundle

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser("resume", help="go on with an interrupted run")
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--dataset_dir", help="folder with the data, where it is another one now")
    command.add_argument("--profile", action="store_true", help="also print where the time went")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Go on where the run stopped, print the table."""
    reject_unknown_arguments(rest)
    options.folder = options.run
    if run_bundle(resumed(options.run, options.dataset_dir), spread=True):
        print(finished(options.run, options.profile))
    return 0
