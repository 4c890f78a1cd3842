"""Scoring of a distilled set without the run that made it: its settings, and the step that scores it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from monai_distill.data.set_reading import set_on_data
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.protocols.scorecard import Scorecard
from monai_distill.export.run_folder import RunFolder
from monai_distill.metrics.score_record import RunScores
from monai_distill.runtime.checksums import tensor_checksum

from .files import available, config_dir, read_yaml

__all__ = ["declared_settings", "score_set"]


def declared_settings(manifest: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The network and the protocol that a manifest declares, as the arguments of a run.

    Args:
        manifest: of a set.

    Returns:
        Name of the network, None where the manifest names none that is known; and settings by name.

    Example:
        >>> network = {"_target_": "monai_distill.networks.nets.convnet.ConvNet", "width": 8, "depth": 2}
        >>> declared_settings({"network": network, "protocol": {"students": {"steps": 20}}})
        ('convnet', {'width': 8, 'depth': 2, 'evaluation_steps': 20})
    """
    network = manifest.get("network", {})
    name = str(network.get("_target_", "")).rpartition(".")[2]
    targets = {
        str(read_yaml(config_dir() / "networks" / f"{file}.yaml")["network_factory::_target_"]).rpartition(".")[2]: file
        for file in available("networks")
    }
    known = targets.get(name) or (network.get("network") if name == "AdaptedNetwork" else None)
    settings = {key: network[key] for key in ("width", "depth") if known in targets.values() and key in network}
    protocol = manifest.get("protocol", {})
    steps = {"evaluation_steps": protocol.get("students"), "full_steps": protocol.get("full")}
    settings |= {key: part["steps"] for key, part in steps.items() if part and "steps" in part}
    settings |= {"amp": True} if manifest.get("settings", {}).get("amp") else {}
    operations = manifest.get("augmentation", {}).get("operations")
    temperature = (protocol.get("students") or {}).get("temperature")
    settings |= {} if operations is None else {"operations": list(operations)}
    return known, settings if temperature is None else {**settings, "temperature": temperature}


def score_set(
    scorecard: Scorecard,
    stored: SyntheticDataset,
    file: str | Path,
    about: Mapping[str, Any],
    run_folder: RunFolder,
    device: torch.device | str,
) -> None:
    """Score a set next to the controls of its size, and write ``scores.json``.

    Args:
        scorecard: of the data, which are prepared as the set is.
        stored: from :func:`~monai_distill.data.set_reading.read_set`.
        file: where it was read.
        about: stands before the scores.
        run_folder: receives the scores.
        device: where the set is put.

    Raises:
        ValueError: if the set does not fit the data.
        RuntimeError: if the folder holds a run, or the scores of another set.
    """
    synthetic = set_on_data(stored, scorecard.data).to(device)
    sums = [tensor_checksum(values.detach()) for values in (stored.images, stored.targets)]
    sha256 = str(stored.manifest.get("sha256") or "-".join(sums))
    words = {
        "file": Path(file).name,
        "sha256": sha256,
        "images": len(synthetic),
        "stored_images": len(synthetic.images),
        "labels": "soft" if synthetic.soft else "class numbers",
        "student_lr": float(synthetic.student_lr.detach()),
        "values": "pixel values" if stored.preprocessing is None else "standardized, as declared",
        "classes_without_images": [] if synthetic.soft else _absent(synthetic),
        "made_from": _origin(stored.manifest.get("source", {}), scorecard.data.provenance),
    }
    _refuse_other(run_folder, sha256)
    run_folder.folder.mkdir(parents=True, exist_ok=True)
    run_folder.save_scores(cast(RunScores, {**about, "set": words, **scorecard.run(synthetic)}))


def _absent(synthetic: SyntheticDataset) -> list[str]:
    there = set(synthetic.labels.tolist())
    return [name for label, name in enumerate(synthetic.class_names) if label not in there]


def _origin(source: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    if "training_sha256" not in source:
        return "unknown images: whether these test images were among them is not known"
    if source["training_sha256"] == here["training_sha256"]:
        return "the training images of these data"
    return "other training images: whether these test images were among them is not known"


def _refuse_other(run_folder: RunFolder, sha256: str) -> None:
    if (run_folder.folder / "config.json").exists():
        raise RuntimeError(
            f"Expected a folder for scores, got the run folder {run_folder.folder}. Give another --output_dir; "
            "`monai-distill evaluate` scores the set of a run."
        )
    if run_folder.finished:
        found = json.loads(run_folder.scores_file.read_text()).get("set", {}).get("sha256")
        if found != sha256:
            raise RuntimeError(
                f"{run_folder.scores_file} holds the scores of another set, {found}. Give another --output_dir."
            )
