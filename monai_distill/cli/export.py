"""``monai-distill export``: a finished run as a folder that may leave."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration import config_dir

from .execution import distilled, reject_unknown_arguments, run_bundle, verified

__all__ = ["add_command", "execute"]

OWNER = {
    "title": "what the source is called in public; the data set's own name unless given",
    "publisher": "who answers for the release",
    "recipient": "for whom it is meant",
    "notes": "Markdown file that becomes a part of the data card: collection, subjects, approval",
    "license": "file with the license or data-use agreement; not needed for Creative Commons sources",
}


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "export", help="a release folder: formats, data card, privacy report, checksums", allow_abbrev=False
    )
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to be made")
    command.add_argument("--dataset_dir", help="folder with the data, where it is another one now")
    command.add_argument("--formats", default="safetensors,npz,png,nifti", help="default: %(default)s")
    command.add_argument(
        "--no_claim",
        action="store_true",
        help="allow tier T0: nothing is promised, for use inside the institution",
    )
    for name, text in OWNER.items():
        command.add_argument(f"--{name}", help=text, metavar="FILE" if name in ("notes", "license") else "TEXT")
    command.add_argument("--hard_labels", action="store_true", help="class numbers where labels are learned")
    command.add_argument("--spacing", metavar="MM,MM[,MM]", help="for NIfTI; those of the source unless given")
    command.add_argument("--students", type=int, help="networks that score each format; as the run unless given")
    command.add_argument(
        "--not_identifying", action="append", default=[], metavar="WORD", help="a word that the last scan may let pass"
    )
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Write the folder and say what it promises."""
    reject_unknown_arguments(rest)
    values = distilled(options.run, options.dataset_dir)
    values |= {
        "config_file": [values["config_file"], str(config_dir() / "export.yaml")],
        "run_id": "export",
        "release_dir": str(options.to),
        "release_formats": [name.strip() for name in options.formats.split(",")],
        "no_claim": options.no_claim,
        "hard_labels": options.hard_labels,
        "not_identifying": options.not_identifying,
        "owner": {"_target_": "monai_distill.export.release.Owner", **_given(options)},
    }
    if options.spacing is not None:
        values["spacing"] = _numbers(options.spacing)
    if options.students is not None:
        values["release_students"] = options.students
    run_bundle(values)
    found, _ = verified(options.to)
    if found.problems:  # what the export itself cannot see: a ledger whose events cost more than it says
        shutil.rmtree(options.to)
        raise RuntimeError(f"The release does not verify, so nothing was exported: {'; '.join(found.problems[:5])}")
    print(f"Release folder: {options.to}\nIdentity (SHA-256 of SHA256SUMS, to tell the recipient): {found.identity}")
    print("\n".join(found.promised))
    return 0


def _given(options: argparse.Namespace) -> dict[str, str]:
    return {name: getattr(options, name) for name in OWNER if getattr(options, name) is not None}


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"Expected numbers with commas between them for --spacing, got {text!r}.") from None
