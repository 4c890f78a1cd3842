"""Reading the manifest of a saved set, which is untrusted."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monai.utils import optional_import
from torch import Tensor

__all__ = ["build_transform", "images_sha256", "manifest_for", "read_manifest"]

READING = ("preprocessing", "decode", "class_names")  # what turns the tensors into named images
SAFE_ROOM = "monai_distill.transforms."


def read_manifest(file: Path) -> dict[str, Any]:
    """The manifest of a saved set.

    Raises:
        RuntimeError: if it is not JSON, or lacks what every manifest has.
    """
    try:
        manifest: dict[str, Any] = json.loads(file.read_text())
        missing = [key for key in ("class_names", "sha256") if key not in manifest]
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"{file} is not a JSON manifest ({error}). Copy the folder again.") from error
    if missing:
        raise RuntimeError(f"{file} lacks {missing}, which every saved manifest has. Copy the folder again.")
    return manifest


def build_transform(config: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> Any:
    """The transform that a manifest describes: a preprocessing, or a decode; None for none.

    Args:
        config: name of a class of ``monai_distill.transforms`` as ``_target_``, and its arguments.
        tensors: further arguments.

    Raises:
        RuntimeError: if the name is of another room, or unknown.

    Example:
        >>> build_transform({"_target_": "monai_distill.transforms.CanvasDecode", "factor": 2}, {}).factor
        2
    """
    if config is None:
        return None
    arguments = {**config, **tensors}
    target = str(arguments.pop("_target_"))
    if not target.startswith(SAFE_ROOM):  # a manifest is untrusted: it may not name arbitrary code
        raise RuntimeError(f"Expected a transform from {SAFE_ROOM}*, the manifest names {target}.")
    build: Callable[..., Any]
    build, known = optional_import(SAFE_ROOM.rstrip("."), name=target.removeprefix(SAFE_ROOM))
    if not known or not isinstance(build, type):
        raise RuntimeError(f"This version of monai_distill has no {target}. Install the version that wrote the set.")
    return build(**arguments)


def images_sha256(images: Tensor) -> str:
    """SHA-256 of the canvases alone, which stays the same where class numbers take the place of learned labels.

    Args:
        images: [n, channels, *spatial].

    Example:
        >>> import torch
        >>> images_sha256(torch.zeros(1, 1, 2, 2)) == images_sha256(torch.zeros(1, 1, 1, 4))
        False
    """
    values = images.detach().cpu().float().contiguous().numpy()
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()


def manifest_for(manifest: Mapping[str, Any], digest: str, reading: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest for a set that is saved again: without its privacy claim if that was made for another set.

    Args:
        manifest: of the set as it was saved before; without a checksum it was not.
        digest: SHA-256 of the tensors that are saved now.
        reading: preprocessing, decode and class names that are saved now.

    Example:
        >>> saved = {"sha256": "a", "privacy": {"tier": "T2"}, "class_names": ["x"]}
        >>> manifest_for(saved, "b", {"class_names": ["x"]})
        {'sha256': 'a', 'class_names': ['x'], 'initial_images': 'unknown'}
    """
    others = {name: value for name, value in manifest.items() if name not in READING or name in reading}
    saved = {name: manifest[name] for name in READING if name in manifest}
    same = manifest.get("sha256") == digest and saved == json.loads(json.dumps(reading))
    if same or manifest.get("sha256") is None:
        return others
    others.pop("privacy", None)
    return {**others, "initial_images": "unknown"}
