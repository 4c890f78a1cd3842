"""``monai-distill report``: writes the report of a finished run again, from its files alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .execution import reject_unknown_arguments

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser("report", help="write a run's report.html again")
    command.add_argument("run", type=Path, help="run folder")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Write, print where."""
    from monai_distill.export.report.writer import save_report  # here, so that `--help` answers at once

    reject_unknown_arguments(rest)
    print(f"Report: {save_report(options.run)}")
    return 0
