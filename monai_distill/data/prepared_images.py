"""Images in the type of their source, converted to network inputs batch by batch."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_distill.runtime.image_blocks import Images

from .mapped_file import MappedFile

__all__ = ["PreparedImages", "storage_note"]


class Gate:
    """A switch that allows or forbids reading images."""

    def __init__(self) -> None:
        self._open = True

    def open(self) -> None:
        """Allow reading."""
        self._open = True

    def close(self) -> None:
        """Forbid reading."""
        self._open = False

    def require_open(self) -> None:
        """Check that the gate is open.

        Raises:
            RuntimeError: if it is closed.
        """
        if not self._open:
            raise RuntimeError("This part of the run must not read real images. Read them before or after it.")


class PreparedImages:
    """Images [n, channels, *spatial] stored in the type of their source and read as float32 on ``device``.

    Indexing gathers rows, moves them to ``device``, converts them to float32 and prepares them. No second copy of all
    images is stored; ``images[:]`` makes one, for small sets.

    Args:
        pixels: [n, *stored shape] of uint8 (divided by 255 when read) or floating point (unchanged); a tensor or an
            array. A memory-mapped array needs mode ``"c"``, because torch has no read-only tensors.
        channel_axis: axis of ``pixels`` that holds the channels; None if there is no channel axis.
        prepare: function of every float32 batch [m, channels, *spatial], such as a standardization.
        rows: positions [n] of these images in ``pixels``; None for all, in order.
        device: device of the batches; by default that of ``pixels``.
        gate: shared by all images derived from these; they cannot be read while it is closed.
        source: identifies ``pixels``, such as the checksum of their file, so that what follows from them can be stored.

    Raises:
        TypeError: if pixels are neither uint8 nor floating point.

    Example:
        >>> images = PreparedImages(torch.full((4, 8, 8), 255, dtype=torch.uint8))
        >>> images.shape, float(images[torch.tensor([0, 2])].mean())
        (torch.Size([4, 1, 8, 8]), 1.0)
    """

    dtype = torch.float32

    def __init__(
        self,
        pixels: Tensor | np.ndarray[Any, Any],
        *,
        channel_axis: int | None = None,
        prepare: Callable[[Tensor], Tensor] | None = None,
        rows: Tensor | None = None,
        device: torch.device | str | None = None,
        gate: Gate | None = None,
        source: str | None = None,
    ) -> None:
        self.gate = gate or Gate()
        self.pixels = pixels if isinstance(pixels, Tensor) else torch.from_numpy(pixels)
        if self.pixels.dtype != torch.uint8 and not self.pixels.is_floating_point():
            raise TypeError(f"Expected uint8 or floating-point pixels, got {self.pixels.dtype}. Convert them first.")
        self.mapped_file = MappedFile(pixels) if isinstance(pixels, np.memmap) else None
        self.source = source
        self.channel_axis = channel_axis
        self.prepare = prepare
        self.rows = None if rows is None else rows.to(self.pixels.device)
        self.device = torch.device(device) if device is not None else self.pixels.device
        sides = list(self.pixels.shape[1:])
        channels = 1 if channel_axis is None else sides.pop(channel_axis % self.pixels.ndim - 1)
        self.shape = torch.Size((len(self.pixels) if rows is None else len(rows), channels, *sides))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Tensor:
        """Images at ``index``: an integer, a slice, or a tensor of positions of any shape.

        Raises:
            RuntimeError: if the gate is closed, or a memory-mapped file was written to since it was opened.
            TypeError: for more than one index.
        """
        self.gate.require_open()
        if isinstance(index, tuple):
            raise TypeError(f"Expected one index, which selects images, got {index}. Index the resulting tensor.")
        if isinstance(index, int):
            return self[index : index + 1 if index != -1 else None][0]
        gathered = self._gather(index)
        lead = gathered.shape[: gathered.ndim - self.pixels.ndim + 1]
        images = self._convert(gathered.reshape(-1, *self.pixels.shape[1:]).to(self.device, non_blocking=True))
        if self.prepare is not None:
            images = self.prepare(images)
        return images.reshape(*lead, *self.shape[1:])

    def subset(self, positions: Tensor) -> PreparedImages:
        """The images at ``positions`` [m], in that order; the pixels are shared."""
        positions = positions.to(self.pixels.device)
        rows = positions if self.rows is None else self.rows[positions]
        return self._with(rows=rows)

    def gathered(self, index: Any) -> PreparedImages:
        """The images at ``index`` with a copy of their pixels on ``device``: the bytes of a batch, read later in parts.

        Raises:
            RuntimeError: if the gate is closed.
        """
        self.gate.require_open()
        pixels = self._gather(index)
        if self.device.type == "cuda" and pixels.device.type == "cpu":
            pixels = pixels.pin_memory()  # only then the copy runs by itself
        return self._with(pixels=pixels.to(self.device, non_blocking=True), rows=None)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> PreparedImages:
        """These images with ``function`` applied to every batch, after the present preparation."""
        before = self.prepare
        prepare = function if before is None else lambda images: function(before(images))
        return self._with(prepare=prepare)

    def placed(self, device: torch.device | str) -> PreparedImages:
        """The same images for batches on ``device``, with the pixels where they fit.

        The pixels move to a GPU where they take at most half of its free memory. Else they stay in page-locked host
        memory, for asynchronous copies to a GPU. A memory-mapped file stays on disk.
        """
        device = torch.device(device)
        if device == self.pixels.device or self.mapped_file is not None:
            return self._with(device=device)
        if device.type == "cuda" and 2 * self.stored_bytes > torch.cuda.mem_get_info(device)[0]:
            return self._with(pixels=self.pixels.pin_memory(), device=device, source=self.source)
        return self._with(pixels=self.pixels.to(device), device=device, source=self.source)

    @property
    def place(self) -> str:
        """Where the pixels are, in words."""
        if self.mapped_file is not None:
            return f"on disk ({self.mapped_file.array.filename})"
        return "in memory" if self.pixels.device.type == "cpu" else f"on {self.pixels.device}"

    @property
    def stored_bytes(self) -> int:
        """Bytes of the stored pixels of these images."""
        return len(self) * self.pixels[:1].numel() * self.pixels.element_size()

    @property
    def job(self) -> dict[str, Any] | None:
        """The facts that decide the values, as plain JSON values; None if the source is unknown, or after a step."""
        if self.source is None or self.prepare is not None:
            return None
        rows = None if self.rows is None else hashlib.sha256(self.rows.cpu().numpy().tobytes()).hexdigest()
        return {
            "source": self.source,
            "rows": rows,
            "shape": list(self.shape),
            "dtype": str(self.pixels.dtype),
            "channel_axis": self.channel_axis,
        }

    def _with(self, **changes: Any) -> PreparedImages:
        source = self.pixels if self.mapped_file is None else self.mapped_file.array
        arguments = {
            "pixels": source,
            "channel_axis": self.channel_axis,
            "prepare": self.prepare,
            "rows": self.rows,
            "device": self.device,
            "gate": self.gate,
            "source": None if "pixels" in changes else self.source,
            **changes,
        }
        images = PreparedImages(arguments.pop("pixels"), **arguments)
        if images.mapped_file is not None:
            images.mapped_file = self.mapped_file
        return images

    def _gather(self, index: Any) -> Tensor:
        if self.mapped_file is not None:
            self.mapped_file.require_unchanged()
        if isinstance(index, Tensor):
            index = index.to(self.pixels.device)
            if index.dtype == torch.bool:
                index = index.nonzero().flatten()
        if self.rows is not None:
            index = self.rows[index]
        pixels = self.pixels[index]
        if self.mapped_file is not None:
            pixels = pixels.clone() if isinstance(index, slice) else pixels
            self.mapped_file.count_read(pixels.numel() * pixels.element_size())
        return pixels

    def _convert(self, pixels: Tensor) -> Tensor:
        images = pixels.unsqueeze(1) if self.channel_axis is None else pixels.movedim(self.channel_axis, 1)
        if images.dtype == torch.uint8:
            return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
        return images.to(torch.float32, memory_format=torch.contiguous_format).contiguous()


def storage_note(images: Iterable[Images]) -> str:
    """How much room the stored pixels of several sections take, and where they are.

    Example:
        >>> storage_note([PreparedImages(torch.zeros(2**18, 2, 2, dtype=torch.uint8))])
        'the images take 1.0 MiB in memory'
    """
    stored = [part for part in images if isinstance(part, PreparedImages)]
    size = sum(part.stored_bytes for part in stored) / 2**20
    return f"the images take {size:.1f} MiB {' and '.join(dict.fromkeys(part.place for part in stored))}"
