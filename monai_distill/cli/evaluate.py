"""``monai-distill evaluate``: scores the set of a finished run anew."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .execution import finished, no_more_words, resumed, run_bundle

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser("evaluate", help="score a run's set anew")
    command.add_argument("run", type=Path, help="run folder")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Score, print the table."""
    no_more_words(rest)
    run_bundle(resumed(options.run) | {"run_id": "evaluate"})
    print(finished(options.run))
    return 0
