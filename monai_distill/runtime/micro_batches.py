"""Batches that go through a network in parts, so that the graph of a part fits a memory budget."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from .validation import require_in_interval

__all__ = ["GraphSize", "MicroBatches", "equal_parts", "graph_bytes", "is_out_of_memory"]

Result = TypeVar("Result")
NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|DefaultCPUAllocator", re.I)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, on a GPU or in the host.

    Example:
        >>> is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory")), is_out_of_memory(ValueError("memory"))
        (True, False)
    """
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error))))


def graph_bytes(computation: Callable[[], object]) -> int:
    """Bytes of the tensors that autograd stores for the backward pass of ``computation``, each storage counted once.

    The number depends on the computation alone, not on what else is in memory. A choice made from it can be repeated.

    Example:
        >>> weight = torch.ones(1000, requires_grad=True)
        >>> graph_bytes(lambda: (weight * torch.ones(1000)).sum()) >= 4000
        True
    """
    storages: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        result = computation()  # alive until counted: a freed storage's address could be used again
    total = sum(storages.values())
    del result
    return total


class GraphSize(NamedTuple):
    """Bytes of a graph: those that do not depend on the number of images, and those of every image.

    Example:
        >>> weight = torch.ones(8, requires_grad=True)
        >>> GraphSize.of(lambda count: (weight * torch.ones(count, 8)).sum()).per_image >= 32
        True
    """

    fixed: int
    per_image: int

    @classmethod
    def of(cls, computation: Callable[[int], object]) -> GraphSize:
        """The size that follows from ``computation`` on two and on three images, which take little memory."""
        two, three = (graph_bytes(lambda count=count: computation(count)) for count in (2, 3))  # type: ignore[misc]
        return cls(max(3 * two - 2 * three, 0), max(three - two, 1))


def equal_parts(count: int, most: int) -> int:
    """The size of parts of at most ``most`` that differ as little as possible.

    Example:
        >>> equal_parts(100, 60), equal_parts(100, 200)
        (50, 100)
    """
    most = max(1, min(count, most))
    return -(-count // -(-count // most))


class MicroBatches:
    """Sizes of the parts in which batches go through networks.

    The sizes depend on the budget and on the computation alone, so that a resumed run chooses the same sizes. If memory
    still runs out, the size is halved for the rest of the process, and a warning says so.

    Args:
        budget: MiB of graph; None for whole batches.

    Raises:
        ValueError: if the budget is not above 0.

    Example:
        >>> batches = MicroBatches(budget=1.0)
        >>> size = batches.graph_size("squares", lambda count: torch.ones(count, 2**16, requires_grad=True).square())
        >>> most = batches.most(size)
        >>> most, [(part.start, part.stop) for part in batches.over(6, most, lambda part: part)]
        (4, [(0, 3), (3, 6)])
    """

    def __init__(self, budget: float | None = None) -> None:
        if budget is not None:
            require_in_interval("(0, inf)", budget=budget)
        self.budget = budget
        self._sizes: dict[Hashable, GraphSize] = {}
        self._ceiling: int | None = None  # after memory ran out

    def graph_size(self, key: Hashable, computation: Callable[[int], object]) -> GraphSize:
        """The size of a computation's graph, which is measured once (see :meth:`GraphSize.of`).

        Args:
            key: names the computation.
            computation: builds the graph for a number of images, its argument.
        """
        if key not in self._sizes:
            self._sizes[key] = GraphSize.of(computation)
        return self._sizes[key]

    def most(self, size: GraphSize, networks: int = 1) -> int | None:
        """Images whose graph fits the budget, at least 1; None for any number.

        Args:
            size: of the graph.
            networks: networks that run in one call, each on that many images.
        """
        if self.budget is None:
            return None
        return max(1, int((self.budget * 2**20 / networks - size.fixed) / size.per_image))

    def over(
        self, count: int, most: int | None, work: Callable[[slice], Result], at_once: bool = False
    ) -> Iterator[Result]:
        """The results of ``work`` on consecutive parts of ``count`` images.

        Args:
            count: number of images.
            most: images of a part at most; None for all.
            work: function of a part; it is repeated on a smaller part if memory runs out.
            at_once: whether the images must stay together (batch norm, dropout).

        Raises:
            RuntimeError: if memory runs out for a single image, or for images that must stay together.
        """
        low = 0
        while low < count:
            limits = [limit for limit in (count, most, self._ceiling) if limit is not None]
            size = count if at_once else equal_parts(count, min(limits))
            try:
                result = work(slice(low, min(low + size, count)))
            except (RuntimeError, MemoryError) as error:
                if at_once or size == 1 or not is_out_of_memory(error):
                    raise
                lowered = size // 2
            else:
                yield result
                low += size
                continue
            self._lower(lowered)  # outside of the handler, whose traceback holds the tensors

    def whole_or_parts(
        self, count: int, most: int | None, whole: Callable[[], Result], parts: Callable[[], Result]
    ) -> Result:
        """``whole()`` where ``count`` images fit at once, else ``parts()``, which goes over parts of them.

        Args:
            count: number of images.
            most: images at once at most; None for all.
            whole: the computation on all images. If memory runs out, ``parts`` takes its place.
            parts: the same computation by means of :meth:`over`.
        """
        if count <= min(limit for limit in (count, most, self._ceiling) if limit is not None):
            try:
                return whole()
            except (RuntimeError, MemoryError) as error:
                if count == 1 or not is_out_of_memory(error):
                    raise
            self._lower(count // 2)
        return parts()

    def _lower(self, size: int) -> None:
        self._ceiling = size
        warnings.warn(
            f"Memory ran out: from now on at most {size} images go through a network at once, with the same result to "
            "rounding. A smaller --memory_budget avoids the failed attempt.",
            stacklevel=3,
        )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
