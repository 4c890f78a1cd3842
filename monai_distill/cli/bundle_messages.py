"""The last lines of a bundle's configurations: which file is where, and the next command."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

from monai_distill.export.bundle_command import bundle_command
from monai_distill.export.tables import score_table
from monai_distill.runtime.processes import group

__all__ = ["print_classified", "print_exported", "print_filled", "print_scored"]


def print_filled(root: str | Path, run: str | Path, models: str | Path, dataset_dir: str | Path | None = None) -> None:
    """Print what the training has written, and how its set is scored; of several processes only the first prints.

    Args:
        root: folder of the bundle.
        run: folder of the history and the pictures.
        models: folder of the set and the classifier.
        dataset_dir: where the data lie.
    """
    if not group.is_first():
        return
    print(
        f"Distilled set: {Path(models) / 'synthetic.safetensors'}, with its manifest.json\n"
        f"Classifier trained on it: {Path(models) / 'model.pt'}\n"
        f"Images, curves, history: {Path(run) / 'grid.png'}, curves.png, history.json\n"
        "Next, score the set on test images (repeat the settings that you gave to this command):\n"
        f"  {bundle_command(root, 'train', 'evaluate', dataset_dir=dataset_dir)}\n"
        f"Or classify images of your own:\n  {bundle_command(root, 'inference')} --image_dir FOLDER"
    )


def print_scored(
    root: str | Path,
    scores: str | Path,
    models: str | Path,
    dataset_dir: str | Path | None = None,
) -> None:
    """Print the score table, where it lies, and how the set is released.

    Args:
        root: folder of the bundle.
        scores: folder of ``scores.json``.
        models: folder of the set, which has a copy.
        dataset_dir: where the data lie.
    """
    file, next_to_set = Path(scores) / "scores.json", Path(models) / "scores.json"
    content = json.loads(file.read_text())
    command = bundle_command(root, "export", dataset_dir=dataset_dir)
    claim = content.get("privacy")
    if claim is None:
        copied, way = "a copy", " (--no_claim true: without a claim about privacy, for use inside the institution)"
        command += " --no_claim true"
    else:
        copied = "the row of the set"
        way = f" (tier {claim['tier']}: epsilon {claim['epsilon']:g}, delta {claim['delta']:g}, unit {claim['unit']})"
    if content.get("source", {}).get("license") in (None, "unknown"):
        command += " --license FILE"
        way += ", with the terms under which the data and the set may be used"
    print(
        f"{score_table(content)}\nScores: {file}, and {copied} next to the set: {next_to_set}\n"
        f"Next, write a release of the set{way}:\n  {command}"
    )


def print_classified(file: str | Path) -> None:
    """Print where the predictions lie.

    Args:
        file: the table of the predictions.
    """
    print(f"Predictions, a row for every image: {file}")


def print_exported(release: str | Path, models: str | Path) -> None:
    """Print where the release and the TorchScript lie, and how a recipient checks the release.

    Args:
        release: folder of the release.
        models: folder of ``model.ts``.
    """
    from monai_distill.export.release.verify import Verification

    print(
        f"Release folder: {release}, identity {Verification.of(Path(release)).identity}\n"
        f"Classifier as TorchScript: {Path(models) / 'model.ts'}\n"
        f"Its recipient checks it with:\n  monai-distill verify {release}"
    )
