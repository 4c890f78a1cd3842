"""A long protocol in parts, each kept on disk when it is finished."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from monai_distill import __version__

from .atomic_file import atomic_write
from .image_blocks import blocks

__all__ = ["Part", "ResultCache", "TensorCache", "content_hash", "job_path", "package_versions"]


class TensorCache:
    """Makes a tensor the first time that a job is asked for, and reads it from a file every later time.

    Args:
        folder: shared between runs, made when absent; None keeps nothing.

    Example:
        >>> import tempfile, torch
        >>> cache = TensorCache(tempfile.mkdtemp())
        >>> cache({"seed": 0}, lambda: torch.ones(2)), cache({"seed": 0}, lambda: torch.zeros(2))
        (tensor([1., 1.]), tensor([1., 1.]))
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def __call__(self, job: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """The tensor of ``job``, on the CPU.

        Args:
            job: everything that decides the tensor, as plain JSON values.
            make: called when no run made it before.

        Raises:
            RuntimeError: when the file is damaged, of another job, or cannot be written.
        """
        if self.folder is None:
            return make().detach().cpu()
        file = job_path(self.folder, job).with_suffix(".safetensors")
        text = json.dumps(job, sort_keys=True)
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            made = make().detach().cpu().contiguous()
            atomic_write(file, save({"values": made}, {"job": text}))
            return made
        try:
            with safe_open(file, "pt") as content:
                found = content.metadata()["job"]
                values: Tensor = content.get_tensor("values")
        except (SafetensorError, KeyError, TypeError) as error:
            raise RuntimeError(f"{file} is damaged ({error}). Delete it: it is made anew when needed.") from error
        if found != text:
            raise RuntimeError(f"Expected {file} to be of the job that it is named after, got another. Delete it.")
        return values


def job_path(root: str | Path, job: Mapping[str, Any]) -> Path:
    """The folder below ``root`` for the results of ``job``: equal jobs share it, different ones never do.

    Args:
        root: the folder that several runs share.
        job: what decides the results, as plain JSON values; the order of its keys does not matter.

    Example:
        >>> job_path("experts", {"seed": 0, "width": 4}) == job_path("experts", {"width": 4, "seed": 0})
        True
    """
    text = json.dumps(job, sort_keys=True)
    return Path(root) / hashlib.sha256(text.encode()).hexdigest()[:16]


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
        if hasattr(value, "shape"):
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            for block in blocks(value) if len(value.shape) else [value]:
                digest.update(block.detach().cpu().contiguous().numpy().tobytes())
        else:
            digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Of what a student's parameters depend on.

    Example:
        >>> sorted(package_versions())
        ['monai', 'monai_distill', 'torch']
    """
    return {"monai_distill": __version__, **{name: importlib.metadata.version(name) for name in ("torch", "monai")}}


class ResultCache:
    """Does the parts that are not in ``folder`` yet and keeps each as soon as it is done.

    A part is a file named by a hash of all that decides it and of the versions of torch, MONAI and this package, so
    that other settings never get its result, the same settings never train twice, whatever was asked for in between,
    and runs that share the folder share what is the same for them.

    Args:
        folder: of JSON files, made when absent; None keeps nothing.
        description: of the progress bar, which counts student steps.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> done = ResultCache(folder, "x").results([({"seed": 0}, 1, lambda on_step: {"value": 0.5})])
        >>> ResultCache(folder, "x").results([({"seed": 0}, 1, lambda on_step: {"value": 0.7})])
        [{'value': 0.5}]
    """

    def __init__(self, folder: str | Path | None, description: str) -> None:
        self.folder = None if folder is None else Path(folder)
        self.description = description

    def results(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """What every part gives, in order; only the unfinished ones are done.

        Raises:
            RuntimeError: when a file is damaged.
        """
        asked = [{**about, "versions": package_versions()} for about, _, _ in parts]
        found = [self._kept(about) for about in asked]
        left = sum(steps for result, (_, steps, _) in zip(found, parts, strict=True) if result is None)
        done: dict[str, dict[str, Any]] = {}  # a part may be asked for twice
        with tqdm(total=left, desc=self.description, unit="step", disable=None) as bar:
            for about, result, (_, _, work) in zip(asked, found, parts, strict=True):
                key = content_hash(about)
                if result is None and key not in done:
                    result = json.loads(json.dumps(work(bar.update)))  # as it will be read again
                    self._keep(about, result)
                done[key] = done[key] if result is None else result
        return [copy.deepcopy(done[content_hash(about)]) for about in asked]

    def _file(self, folder: Path, about: Mapping[str, Any]) -> Path:
        return job_path(folder, about).with_suffix(".json")

    def _kept(self, about: dict[str, Any]) -> dict[str, Any] | None:
        if self.folder is None or not self._file(self.folder, about).exists():
            return None
        file = self._file(self.folder, about)
        try:
            entry = json.loads(file.read_text())
            found, result = entry["about"], dict(entry["result"])
        except (ValueError, TypeError, KeyError) as error:
            raise RuntimeError(f"{file} is damaged ({error}). Delete it; its part is trained anew.") from error
        if content_hash(found) != content_hash(about):
            raise RuntimeError(f"{file} holds a part under another part's name. Delete it; its part is trained anew.")
        return result

    def _keep(self, about: dict[str, Any], result: dict[str, Any]) -> None:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"about": about, "result": result}, indent=1)
            atomic_write(self._file(self.folder, about), text.encode())
