"""Distilled sets on their way between institutions: one message a site, and the union of what arrived."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from monai_distill.transforms.standardize import Standardize

from .synthetic_dataset import MANIFEST_FILE, TENSOR_FILE, SyntheticDataset

__all__ = ["joined_set", "message_of", "received_set"]

MANIFEST = "manifest"  # name of the manifest's bytes among the tensors
SHARED = ("format", "dataset", "method", "images_per_class", "network", "spatial_dims", "augmentation", "protocol")


def message_of(folder: str | Path) -> dict[str, Tensor]:
    """The tensors of a saved set by name, and its manifest as bytes, for a message that carries tensors only.

    Args:
        folder: of a release, or of :meth:`SyntheticDataset.save`.

    Returns:
        ``images`` [n, C, *spatial], ``labels`` [n], ``student_lr``, what else the file holds; ``manifest``, uint8.

    Example:
        >>> data = SyntheticDataset(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ["no", "yes"])
        >>> sorted(message_of(data.save(tempfile.mkdtemp())))
        ['images', 'labels', 'manifest', 'student_lr']
    """
    SyntheticDataset.load(folder)  # compares the checksum
    manifest = bytearray((Path(folder) / MANIFEST_FILE).read_bytes())
    return {**load((Path(folder) / TENSOR_FILE).read_bytes()), MANIFEST: torch.frombuffer(manifest, dtype=torch.uint8)}


def received_set(weights: Mapping[str, Any]) -> SyntheticDataset:
    """The set of a message, if it arrived as it was sent: a server that averages messages is found out here.

    Args:
        weights: from :func:`message_of`, as tensors or arrays; the ``weights`` of MONAI's ``ExchangeObject``.

    Raises:
        TypeError: for anything but a mapping.
        ValueError: if a part is missing, or was changed on the way.

    Example:
        >>> data = SyntheticDataset(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), ["no", "yes"])
        >>> received_set(message_of(data.save(tempfile.mkdtemp()))).class_names
        ('no', 'yes')
    """
    if not isinstance(weights, Mapping):
        raise TypeError(f"Expected tensors by name, got {type(weights).__name__}. Give the weights of a message.")
    missing = sorted({"images", "labels", MANIFEST} - weights.keys())
    if missing:
        raise ValueError(f"Expected a message of SyntheticSetAlgo, got one without {', '.join(missing)}.")
    tensors = {name: torch.as_tensor(value).detach().cpu().contiguous() for name, value in weights.items()}
    text = bytes(tensors.pop(MANIFEST).to(torch.uint8).tolist())
    data = save(tensors)
    try:
        expected = json.loads(text)["sha256"]
    except (ValueError, KeyError, TypeError):
        expected = None
    if expected != hashlib.sha256(data).hexdigest():
        raise ValueError(
            "Expected a set as its site sent it, got one that was changed on the way. Sets are joined, not averaged: "
            "collect the messages of the sites one by one, and give them to joined_set."
        )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / MANIFEST_FILE).write_bytes(text)
        (Path(folder) / TENSOR_FILE).write_bytes(data)
        return SyntheticDataset.load(folder)


def joined_set(sets: Mapping[str, SyntheticDataset]) -> SyntheticDataset:
    """The union of the sets of several sites, standardized by one rule.

    References:
        Song et al., Federated Learning via Decentralized Dataset Distillation in Resource-Constrained Edge
        Environments, 2023, https://arxiv.org/abs/2208.11311: one round, in which sites send distilled sets.

    Deviations: every site standardizes with its own statistics. The images are put back to pixel values and then
    standardized by the statistics of an equal mixture of the sites, whose sizes are not sent. The learning rate is the
    geometric mean. A site's privacy claim stays with its part, in ``manifest["sites"]``; none is made for the union.

    Args:
        sets: site -> set, all of the same classes in the same order, image shape, decode and kind of labels.

    Raises:
        ValueError: if there is no set, if the sets disagree, or if one was whitened.

    Example:
        >>> parts = {name: SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a"]) for name in "AB"}
        >>> len(joined_set(parts))
        2
    """
    if not sets:
        raise ValueError("Expected a set of at least one site, got none.")
    _require_alike(sets)
    parts = list(sets.values())
    shared = _shared_standardization([part.preprocessing for part in parts])
    canvases = [part.canvas_pixels() if shared is None else shared(part.canvas_pixels()) for part in parts]
    logarithms = [math.log(float(part.student_lr.detach())) for part in parts]
    sites = {
        name: {key: part.manifest.get(key) for key in ("sha256", "privacy", "source")} for name, part in sets.items()
    }
    first = parts[0].manifest
    agreed = {k: first[k] for k in SHARED if k in first and all(part.manifest.get(k) == first[k] for part in parts)}
    return SyntheticDataset(
        torch.cat(canvases),
        torch.cat([part.canvas_labels for part in parts]),
        parts[0].class_names,
        student_lr=math.exp(sum(logarithms) / len(logarithms)),
        label_logits=torch.cat([part.targets.detach() for part in parts]) if parts[0].soft else None,
        preprocessing=shared,
        decode=parts[0].decode,
        manifest={**agreed, "initial_images": "unknown", "sites": sites},
    )


def _require_alike(sets: Mapping[str, SyntheticDataset]) -> None:
    facts = {
        name: {
            "classes": list(part.class_names),
            "image shape": list(part.images.shape[1:]),
            "decode": part.decode.config(),
            "labels": "learned" if part.soft else "class numbers",
            "preprocessing": type(part.preprocessing).__name__,
        }
        for name, part in sets.items()
    }
    first = next(iter(facts))
    for name, found in facts.items():
        differing = [key for key in found if found[key] != facts[first][key]]
        if differing:
            shown = ", ".join(f"{key} {found[key]} and {facts[first][key]}" for key in differing)
            raise ValueError(
                f"Expected sets that agree, got {name} and {first} with {shown}. Let the sites use one bundle."
            )
        if sets[name].decode.kind == "bound":  # the union of a class would be cut into other images
            raise ValueError(f"Expected canvases that hold a fixed number of images, got factor_kind bound at {name}.")
        if found["preprocessing"] not in ("Standardize", "NoneType"):
            raise ValueError(
                f"Expected standardized sets, got {found['preprocessing']} at {name}. Distil with zca false."
            )


def _shared_standardization(rules: list[Standardize | None]) -> Standardize | None:
    """Mean and deviation of an equal mixture of distributions with the given ones; None for pixel values."""
    known = [rule for rule in rules if rule is not None]
    if not known:
        return None
    means = torch.tensor([rule.mean for rule in known], dtype=torch.float64)
    variances = torch.tensor([rule.std for rule in known], dtype=torch.float64).square()
    center = means.mean(0)
    spread = (variances + means.square()).mean(0) - center.square()
    return Standardize(center.tolist(), spread.sqrt().tolist(), known[0].spatial_dims)
