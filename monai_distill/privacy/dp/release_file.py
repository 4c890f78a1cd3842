"""The file of a noisy release, so that an interrupted run goes on with the noise that was drawn."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from monai_distill.runtime.atomic_file import atomic_write

from .accounting import GaussianEvent

__all__ = ["ReleaseFile"]


class ReleaseFile:
    """Stores the tensors of one release together with the job that made them.

    Args:
        path: safetensors file.
        job: settings that decide the release, as plain JSON values. They must not depend on a single record.

    Raises:
        RuntimeError: from :meth:`read`, if the file is of another job or event.

    Example:
        >>> import tempfile, torch
        >>> file = ReleaseFile(tempfile.mkdtemp() + "/release.safetensors", {"seed": 0})
        >>> file.write(GaussianEvent("sums", 2.0), {"sums": torch.ones(2)})
        >>> file.read(GaussianEvent("sums", 2.0))
        {'sums': tensor([1., 1.])}
    """

    def __init__(self, path: str | Path, job: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.job = dict(job)

    def exists(self) -> bool:
        """Whether the release has been stored."""
        return self.path.exists()

    def write(self, event: GaussianEvent, tensors: Mapping[str, Tensor]) -> None:
        """Store the release of an event."""
        atomic_write(self.path, save({k: v.contiguous() for k, v in tensors.items()}, {"job": self._job(event)}))

    def read(self, event: GaussianEvent) -> dict[str, Tensor]:
        """Return the stored tensors of the event."""
        with safe_open(str(self.path), "pt") as content:
            if (content.metadata() or {}).get("job") != self._job(event):
                raise RuntimeError(f"{self.path} was released by another job. Give another output_dir.")
            return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (not a dictionary)

    def _job(self, event: GaussianEvent) -> str:
        return json.dumps({**self.job, "event": event.to_dict()}, sort_keys=True)
