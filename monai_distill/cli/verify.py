"""``monai-distill verify``: checks a received release folder and says what is promised of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .execution import reject_unknown_arguments, verified

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser("verify", help="check a received release folder")
    command.add_argument("folder", type=Path, metavar="dir", help="release folder")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print what is wrong, or what is promised and what not; the status is 1 when anything is wrong."""
    reject_unknown_arguments(rest)
    found, added_up = verified(options.folder)
    if found.problems:
        print(f"{options.folder} is NOT as it was released:")
        print("\n".join(f"  - {problem}" for problem in found.problems))
        return 1
    print(f"{options.folder}: every checksum fits, every file was read, the scan found nothing.")
    if not added_up:
        print("What a ledger's events cost was not added up anew: pip install 'monai-distill[privacy]'.")
    print(f"Identity, to compare with the sender's: {found.identity}")
    for title, lines in (("Promised", found.promised), ("Not promised", found.not_promised)):
        print("\n".join([f"{title}:", *(f"  - {line}" for line in lines)]))
    return 0
