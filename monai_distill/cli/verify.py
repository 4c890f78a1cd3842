"""``monai-distill verify``: checks a received release folder."""

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
    command: argparse.ArgumentParser = commands.add_parser(
        "verify", help="check a received release folder", allow_abbrev=False
    )
    command.add_argument("folder", type=Path, metavar="dir", help="release folder")
    command.add_argument("--trusted", type=Path, metavar="KEY", help="public key of the sender (Ed25519, PEM)")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print the problems, or what was checked, claimed and not checked. The exit status is 1 if there is a problem."""
    reject_unknown_arguments(rest)
    result = verified(options.folder, options.trusted)
    if result.problems:
        print(f"{options.folder} FAILED the check. Do not use it. Ask the sender for the folder again.")
        print("\n".join(f"  - {problem}" for problem in result.problems))
        return 1
    print(f"{options.folder} passed the check.\nIdentity, to compare with the sender's: {result.identity}")
    for title, lines in (
        ("Checked here", result.checked),
        ("Claimed by the sender, not checked here", result.claimed),
        ("Not checked, or impossible to check", result.not_checked),
        ("Limits of every release", result.not_claimed),
    ):
        print("\n".join([f"{title}:", *(f"  - {line}" for line in lines)]))
    return 0
