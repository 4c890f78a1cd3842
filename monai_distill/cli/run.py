"""``monai-distill run``: experts, distillation, scores, run folder."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration import available, bundle_line, composed
from monai_distill.configuration.overrides import parsed_overrides

from .execution import finished, run_bundle
from .run_arguments import add_run_arguments, given_settings

__all__ = ["add_command", "execute"]


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "run", help="experts, distillation, scores, run folder", allow_abbrev=False
    )
    command.add_argument(
        "--method", default="mtt", choices=available("methods"), metavar="M", help="see `list`; default: mtt"
    )
    command.add_argument(
        "--output_dir", metavar="DIR", help="run folder, a new one; default: runs/DATASET_METHOD_ipcN_seedN"
    )
    command.add_argument("--dry_run", action="store_true", help="print the equivalent MONAI command and stop")
    command.add_argument("--profile", action="store_true", help="also print where the time went")
    add_run_arguments(command)
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Compose, refuse a used folder, run, print the table."""
    settings = {**given_settings(options), **parsed_overrides(rest)}
    values = composed(options.dataset, options.network, options.method, settings, options.preset_of)
    if options.dry_run:
        print(bundle_line(values))
        return 0
    from monai_distill.export import RunFolder
    from monai_distill.runtime import processes  # here, so that `--help` answers at once

    processes.join()
    run_folder = RunFolder(Path(values["output_dir"]))
    if values.get("resume"):
        raise ValueError(
            f"Expected no --resume for `run`, got {values['resume']}. Go on with: monai-distill resume "
            f"{run_folder.folder} ; it needs no settings."
        )
    # before MONAI writes the new configuration over the one that a resume needs
    run_folder.prepare(resume=False).refuse_begun()
    options.folder = run_folder.folder
    options.log.open(options.folder)
    if run_bundle(values, spread=True):
        print(finished(options.folder, options.profile))
    return 0
