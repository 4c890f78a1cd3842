"""``monai-distill export``: writes the release folder of a finished run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.files import config_dir

from .execution import distilled, reject_unknown_arguments, run_bundle, verified

__all__ = ["add_command", "execute"]

OWNER = {
    "title": "public name of the source; default: the name of the data set",
    "publisher": "who is responsible for the release",
    "recipient": "for whom the release is meant",
    "notes": "Markdown file for the data card: collection, subjects, approval",
    "license": "file with the license or data-use agreement; not needed for Creative Commons sources",
}


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "export", help="a release folder: formats, data card, privacy report, checksums", allow_abbrev=False
    )
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="release folder, a new one")
    command.add_argument("--dataset_dir", help="folder with the data, if it has moved")
    command.add_argument("--formats", default="safetensors,npz,png,nifti", help="default: %(default)s")
    command.add_argument(
        "--no_claim",
        action="store_true",
        help="allow tier T0: nothing is claimed, for use inside the institution",
    )
    for name, text in OWNER.items():
        command.add_argument(f"--{name}", help=text, metavar="FILE" if name in ("notes", "license") else "TEXT")
    command.add_argument(
        "--labels",
        choices=("hard", "soft"),
        default="hard",
        help="where labels are learned: hard releases class numbers; soft releases the labels, which can leak more; "
        "default: %(default)s",
    )
    command.add_argument("--spacing", metavar="MM,MM[,MM]", help="voxel size for NIfTI; default: that of the source")
    command.add_argument("--students", type=int, help="networks that score each format; default: as in the run")
    command.add_argument("--sign", type=Path, metavar="KEY", help="sign with an Ed25519 private key (PEM)")
    command.add_argument(
        "--not_identifying", action="append", default=[], metavar="WORD", help="a word that the scan must not report"
    )
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Write the folder and print what it claims."""
    from monai_distill.export.release.signature import (  # here, so that `--help` answers at once
        private_key,
        sign_release,
    )

    reject_unknown_arguments(rest)
    key = None if options.sign is None else private_key(options.sign)  # an unusable key is refused before the scoring
    values = distilled(options.run, options.dataset_dir)
    values |= {
        "config_file": [values["config_file"], str(config_dir() / "export.yaml")],
        "run_id": "export",
        "release_dir": str(options.to),
        "release_formats": [name.strip() for name in options.formats.split(",")],
        "no_claim": options.no_claim,
        "release_labels": options.labels,
        "not_identifying": options.not_identifying,
        "owner": {"_target_": "monai_distill.export.release.Owner", **_given(options)},
    }
    if options.spacing is not None:
        values["spacing"] = _numbers(options.spacing)
    if options.students is not None:
        values["release_students"] = options.students
    run_bundle(values)
    result = verified(options.to)
    if result.problems:  # the export itself does not add up the events of a ledger
        shutil.rmtree(options.to)
        raise RuntimeError(f"The release does not verify, so nothing was exported: {'; '.join(result.problems[:5])}")
    if key is not None:
        sign_release(options.to, key)
    print(f"Release folder: {options.to}{'' if key is None else ', signed'}")
    print(f"Identity (SHA-256 of SHA256SUMS; send it to the recipient separately): {result.identity}")
    print("\n".join(result.claimed))
    return 0


def _given(options: argparse.Namespace) -> dict[str, str]:
    return {name: getattr(options, name) for name in OWNER if getattr(options, name) is not None}


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"Expected numbers separated by commas for --spacing, got {text!r}.") from None
