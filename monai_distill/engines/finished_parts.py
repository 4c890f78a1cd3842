"""A long protocol in parts, each kept on disk when it is finished."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from monai_distill.whole_file import write_whole

__all__ = ["FinishedParts", "Part", "content_hash"]

# What decides the part (plain JSON values), how many student steps it takes, and what does it: called with the
# progress bar's counter of student steps, it returns plain JSON values.
Part = tuple[dict[str, Any], int, Callable[[Callable[[int], object]], dict[str, Any]]]


def content_hash(*values: Any) -> str:
    """SHA-256 over tensors (dtype, shape and bytes) and plain JSON values.

    Example:
        >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1}) != content_hash({"a": 1})
        True
    """
    digest = hashlib.sha256()
    for value in values:
        if hasattr(value, "detach"):
            plain = value.detach().cpu().contiguous()
            digest.update(f"{plain.dtype} {tuple(plain.shape)}".encode())
            digest.update(plain.numpy().tobytes())
        else:
            digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()


class FinishedParts:
    """Does the parts that are not in ``file`` yet and keeps each as soon as it is done.

    A part is found again by a hash of all that decides it, so that other settings never get its result and the same
    settings never train twice, whatever was asked for in between.

    Args:
        file: a JSON file, made with its folder when absent; None keeps nothing.
        description: of the progress bar, which counts student steps.

    Raises:
        RuntimeError: when ``file`` is damaged.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "protocols" / "x.json"
        >>> done = FinishedParts(file, "x").results([({"seed": 0}, 1, lambda on_step: {"value": 0.5})])
        >>> FinishedParts(file, "x").results([({"seed": 0}, 1, lambda on_step: {"value": 0.7})])
        [{'value': 0.5}]
    """

    def __init__(self, file: str | Path | None, description: str) -> None:
        self.file = None if file is None else Path(file)
        self.description = description
        self._kept: dict[str, dict[str, Any]] = {}
        if self.file is not None and self.file.exists():
            self._kept = _read(self.file)

    def results(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """What every part gives, in order; only the unfinished ones are done."""
        keys = [content_hash(about) for about, _, _ in parts]
        left = sum(steps for key, (_, steps, _) in zip(keys, parts, strict=True) if key not in self._kept)
        with tqdm(total=left, desc=self.description, unit="step", disable=None) as bar:
            for key, (about, _, work) in zip(keys, parts, strict=True):
                if key not in self._kept:
                    self._keep(key, {"about": about, "result": work(bar.update)})
        return [json.loads(json.dumps(self._kept[key]["result"])) for key in keys]  # as they will be read again

    def _keep(self, key: str, entry: dict[str, Any]) -> None:
        self._kept[key] = entry
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, json.dumps(self._kept, indent=1).encode())


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        kept: dict[str, dict[str, Any]] = json.loads(file.read_text())
        whole = all(content_hash(entry["about"]) == key and "result" in entry for key, entry in kept.items())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RuntimeError(f"{file} is damaged ({error}). Delete it; its parts are trained anew.") from error
    if not whole:
        raise RuntimeError(f"{file} holds a part under another part's name. Delete it; its parts are trained anew.")
    return kept
