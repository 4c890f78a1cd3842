"""Reads the next batch in a thread while the present one is used, for a device that computes by itself."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from .prepared_images import PreparedImages

__all__ = ["ReadAhead", "read_ahead"]

Item = TypeVar("Item")
Batch = TypeVar("Batch")


class ReadAhead(Generic[Batch]):
    """Calls ``read`` for the next number in a thread, on a CUDA stream of its own.

    The copy to a GPU then runs while the GPU computes. On a CPU nothing is read ahead, because the thread would take
    the processor from the computation.

    Args:
        read: function of a number to a batch; it depends on the number alone.
        device: of the batches.

    Example:
        >>> batches = ReadAhead(lambda number: number * 10, "cpu")
        >>> batches[3], batches[4]
        (30, 40)
    """

    def __init__(self, read: Callable[[int], Batch], device: torch.device | str) -> None:
        self.read = read
        self.device = torch.device(device)
        self._thread = None if self.device.type == "cpu" else ThreadPoolExecutor(max_workers=1)
        cuda: Any = torch.cuda
        self._stream = cuda.Stream(self.device) if self.device.type == "cuda" else None
        self._next: tuple[int, Future[tuple[Batch, Any]]] | None = None

    def __getitem__(self, number: int) -> Batch:
        if self._thread is None:
            return self.read(number)
        pending = self._next
        begun = pending is not None and pending[0] == number
        batch, event = pending[1].result() if pending is not None and begun else self._read(number)
        self._next = number + 1, self._thread.submit(self._read, number + 1)
        if event is not None:
            present = torch.cuda.current_stream(self.device)
            present.wait_event(event)
            for tensor in _tensors(batch):  # their memory must not be used again before the present stream is done
                tensor.record_stream(present)
        return batch

    def close(self) -> None:
        """Wait for the thread; a batch that nobody took is dropped."""
        if self._next is not None:
            self._next[1].cancel()
        self._next = None

    def _read(self, number: int) -> tuple[Batch, Any]:
        if self._stream is None:
            return self.read(number), None
        with torch.cuda.stream(self._stream):
            batch = self.read(number)
        return batch, self._stream.record_event()


def read_ahead(read: Callable[[Item], Batch], items: Iterable[Item], device: torch.device | str) -> Iterator[Batch]:
    """``read(item)`` of every item in order; see :class:`ReadAhead`.

    Example:
        >>> list(read_ahead(str, [1, 2], "cpu"))
        ['1', '2']
    """
    known = list(items)
    batches = ReadAhead(lambda number: read(known[number]) if number < len(known) else None, device)
    try:
        for number in range(len(known)):
            yield batches[number]  # type: ignore[misc]
    finally:
        batches.close()


def _tensors(batch: Any) -> Iterator[Tensor]:
    """The tensors of a batch on its device."""
    if isinstance(batch, PreparedImages):
        yield from _tensors(batch.pixels)
    elif isinstance(batch, Tensor):
        if batch.device.type == "cuda":
            yield batch
    elif isinstance(batch, tuple | list):
        for part in batch:
            yield from _tensors(part)
