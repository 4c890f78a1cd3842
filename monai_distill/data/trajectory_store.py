"""Expert trajectories on disk: one array, read segment by segment, and a manifest that describes it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_distill.runtime.processes import exchange

__all__ = ["TrajectoryStore"]

FORMAT = 1


class TrajectoryStore:
    """Snapshots of expert networks, array [experts, snapshots, parameters] of float32, memory-mapped for reading.

    Snapshot ``e`` is the flat parameter vector after ``e`` epochs; snapshot 0 is the initialization. An expert is
    finished once its rows lie on disk and the manifest lists it; the manifest is replaced as a whole. Nothing reads an
    unfinished expert. Only the first of several processes writes. All of them read, so they must share the folder.

    Args:
        directory: the folder with ``trajectories.f32`` and ``manifest.json``.
        job: the settings that decide the trajectories (network, parameter names and shapes, preprocessing, data hash,
            optimizer, augmentation, seed), as plain JSON values. The store of another job is refused once it has
            a finished expert; the error names the settings that differ.
        experts: number of experts in the complete store.
        snapshots: snapshots per expert: the largest epoch that a sampler can request, plus one.
        parameters: length of the flat vector.

    Raises:
        ValueError: if the folder holds finished trajectories of another job.
        RuntimeError: if the disk has no room for the whole array (finished experts stay), or a process does not see
            the folder of the first one.

    Attributes:
        shape: experts, snapshots and parameters.
        stored_epochs: the epochs whose snapshots are stored: all.
        continuous: whether there are parameters between two epochs: no.

    Example:
        >>> import tempfile
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {"seed": 0}, experts=1, snapshots=2, parameters=3)
        >>> store.write(0, torch.arange(6.0).reshape(2, 3), history=[{"epoch": 1, "train_accuracy": 0.5}])
        >>> store.segment(0, 0, 1)[1]
        tensor([3., 4., 5.])
    """

    continuous = False

    def __init__(
        self, directory: str | Path, job: Mapping[str, Any], *, experts: int, snapshots: int, parameters: int
    ) -> None:
        if min(experts, snapshots, parameters) < 1:
            raise ValueError(
                f"Expected at least 1 expert, snapshot and parameter, got {(experts, snapshots, parameters)}."
            )
        self.directory = Path(directory)
        self.shape = (experts, snapshots, parameters)
        self.stored_epochs = self._epochs_to_store()
        self.job: dict[str, Any] = json.loads(json.dumps(dict(job)))
        self.history: dict[int, Any] = {}
        self.history = exchange.from_first(self._open_folder)
        if not exchange.seen_by_all(self.directory):
            raise RuntimeError(
                f"Expected a folder for trajectories that every process sees, got {self.directory}, which is not there "
                "on every machine. Give --expert_dir on storage that the machines share."
            )

    def _epochs_to_store(self) -> tuple[int, ...]:
        return tuple(range(self.shape[1]))

    @property
    def array_shape(self) -> tuple[int, int, int]:
        """Experts, stored snapshots and parameters."""
        return self.shape[0], len(self.stored_epochs), self.shape[2]

    @property
    def manifest_file(self) -> Path:
        """The JSON file that describes the array."""
        return self.directory / "manifest.json"

    @property
    def array_file(self) -> Path:
        """The raw little-endian float32 array [experts, snapshots, parameters]."""
        return self.directory / "trajectories.f32"

    @property
    def finished(self) -> list[int]:
        """Numbers of the experts whose rows are complete, in order."""
        return sorted(self.history)

    def agree(self) -> None:
        """Send the list of finished experts from the first process to all."""
        self.history = exchange.from_first(lambda: self.history)

    def require_snapshots(self, expert: int, snapshots: Tensor) -> None:
        """Refuse snapshots [stored epochs, parameters] that do not fit the store.

        Raises:
            ValueError: if the number is out of range, the shape differs from the store's, or a value is not finite.
        """
        if not 0 <= expert < self.shape[0]:
            raise ValueError(f"Expected an expert from 0 to {self.shape[0] - 1}, got {expert}.")
        if tuple(snapshots.shape) != self.array_shape[1:]:
            raise ValueError(f"Expected snapshots of shape {self.array_shape[1:]}, got {tuple(snapshots.shape)}.")
        if not bool(torch.isfinite(snapshots).all()):
            raise ValueError(f"Expert {expert} diverged (NaN or infinite parameters). Lower expert_lr.")

    def write(self, expert: int, snapshots: Tensor, history: Sequence[Mapping[str, float]]) -> None:
        """Write one expert's snapshots [stored epochs, parameters] and its history per epoch; then it is finished.

        Raises:
            ValueError: for what :meth:`require_snapshots` refuses.
            RuntimeError: if the disk is full; the expert stays unfinished.
        """
        self.require_snapshots(expert, snapshots)
        rows = np.ascontiguousarray(snapshots.detach().cpu().numpy(), dtype="<f4")
        try:
            if self.history.pop(expert, None) is not None:  # overwritten: unfinished until all rows are written
                self._write_manifest()
            with self.array_file.open("r+b") as file:  # not through the map: a full disk would end the process there
                file.seek(expert * rows.nbytes)
                file.write(rows.tobytes())
                file.flush()
                os.fsync(file.fileno())
            self.history[expert] = [dict(row) for row in history]
            self._write_manifest()
        except OSError as error:
            self.history.pop(expert, None)
            raise self._disk_error(error) from error

    def segment(
        self, expert: int, start: float, stop: float, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """The parameters [P] after ``start`` and after ``stop`` epochs of one expert; reads these two rows only.

        Raises:
            ValueError: if the expert is not finished or an epoch is not stored.
        """
        if not 0 <= start < stop < self.shape[1]:
            raise ValueError(f"Expected epochs 0 <= start < stop <= {self.shape[1] - 1}, got {start} and {stop}.")
        return self.snapshot(expert, start, device), self.snapshot(expert, stop, device)

    def snapshot(self, expert: int, epoch: float, device: torch.device | str = "cpu") -> Tensor:
        """The parameters [P] of one expert after ``epoch`` epochs; -1 is the last stored epoch.

        Raises:
            ValueError: if the expert is not finished or the epoch is not stored.
        """
        if not -1 <= epoch < self.shape[1] or epoch != int(epoch):
            raise ValueError(f"Expected an epoch from 0 to {self.shape[1] - 1}, or -1 for the last, got {epoch}.")
        return self._row(expert, int(epoch)).to(device)

    def _row(self, expert: int, row: int) -> Tensor:
        """A stored snapshot [P], on the CPU."""
        if expert not in self.history:
            raise ValueError(f"Expert {expert} is not finished; finished are {self.finished}. Train the experts first.")
        rows = np.memmap(self.array_file, dtype="<f4", mode="r", shape=self.array_shape)
        return torch.from_numpy(np.array(rows[expert, row]))

    def _open_folder(self) -> dict[int, Any]:
        self.directory.mkdir(parents=True, exist_ok=True)
        manifest = json.loads(self.manifest_file.read_text()) if self.manifest_file.exists() else {}
        if manifest.get("history"):
            self._adopt(manifest)
        else:  # without a finished expert, such as after a refused run, a folder holds nothing of its job
            self._allocate()
            self._write_manifest()
        return self.history

    def _adopt(self, manifest: dict[str, Any]) -> None:
        stored = {**manifest["job"], "shape": manifest["shape"]}
        requested = {**self.job, "shape": list(self.shape)}
        rows = "; ".join(_differences(stored, requested))
        if rows or manifest.get("format") != FORMAT:
            raise ValueError(
                f"The trajectories in {self.directory} were made by another job ({rows or 'another format'}). "
                "Give another expert_dir, or delete that folder."
            )
        if not self.array_file.exists() or self.array_file.stat().st_size != 4 * int(np.prod(self.array_shape)):
            raise ValueError(f"{self.array_file} is not as long as its manifest says. Delete {self.directory}.")
        self.history = {int(k): v for k, v in manifest["history"].items()}

    def _allocate(self) -> None:
        size = 4 * int(np.prod(self.array_shape))
        try:
            with self.array_file.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is met here, before an expert is trained
        except OSError as error:
            self.array_file.unlink(missing_ok=True)
            raise self._disk_error(error) from error

    def _write_manifest(self) -> None:
        content = {
            "format": FORMAT,
            "shape": list(self.shape),
            "dtype": "little-endian float32, [experts, snapshots, parameters]",
            "job": self.job,
            "history": {str(k): self.history[k] for k in self.finished},
        }
        part = self.manifest_file.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1))
        part.replace(self.manifest_file)

    def _disk_error(self, error: OSError) -> RuntimeError:
        size = 4 * int(np.prod(self.array_shape)) / 2**20
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        return RuntimeError(
            f"Cannot write the trajectories to {self.directory}: {reason}. They need {size:.1f} MiB. Free some room "
            f"or give another expert_dir; the finished experts ({len(self.finished)} of {self.shape[0]}) stay."
        )


def _differences(stored: Mapping[str, Any], requested: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    """A sentence for every setting that differs, down to those within settings."""
    for name in sorted({*stored, *requested}):
        old, new = stored.get(name), requested.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{inside}{name} ")
        elif old != new:
            yield f"{inside}{name}: stored {_short(old)}, requested {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
