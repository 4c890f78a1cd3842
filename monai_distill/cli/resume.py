"""``monai-distill resume``: goes on with an interrupted run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.overrides import parsed_overrides
from monai_distill.configuration.setting_types import checked_values

from .execution import finished, resumed, run_bundle

__all__ = ["add_command", "execute"]

MEMORY = ("chunk", "experts_at_once", "images_at_once", "memory_budget")  # settings that no result depends on


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser("resume", help="go on with an interrupted run")
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--dataset_dir", help="folder with the data, where it is another one now")
    command.epilog = f"Settings of the memory may change: {' '.join(f'--{name}' for name in MEMORY)}."
    command.add_argument("--profile", action="store_true", help="also print where the time went")
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Go on where the run stopped, print the table."""
    options.folder = options.run
    values = resumed(options.run, options.dataset_dir)
    values |= _memory_settings(parsed_overrides(rest), json.loads(Path(values["config_file"]).read_text()))
    options.log.open(options.run)
    if run_bundle(values, spread=True):
        print(finished(options.run, options.profile))
    return 0


def _memory_settings(overrides: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse settings that decide the result: a run resumes with those that it began with.

    Raises:
        ValueError: for such a setting, or one that the run's method does not have.
    """
    allowed = [name for name in MEMORY if name in config]
    unknown = [f"--{name}" for name in overrides if name not in allowed]
    if unknown:
        raise ValueError(
            f"Expected of settings only those of the memory ({', '.join(allowed) or 'none here'}), got "
            f"{', '.join(unknown)}. A resumed run has the settings that it began with. For others start again: "
            "monai-distill run ... --output_dir OTHER"
        )
    return {
        name: "$None" if value is None else value for name, value in checked_values(overrides, [dict(config)]).items()
    }
