"""``monai-distill list``: what there is to choose from."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from .composition import available
from .execution import no_more_words

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser("list", help="data sets, methods and networks")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print one line per kind."""
    no_more_words(rest)
    for kind in ("datasets", "methods", "networks"):
        print(f"{kind}: {', '.join(available(kind))}")
    return 0
