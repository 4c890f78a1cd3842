"""A function of tensors whose kernels are recorded once for every shape, as a CUDA graph, and then replayed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["CUDA_GRAPHS", "Recorded", "record_on_gpu"]

CUDA_GRAPHS = "cuda-graphs"  # the setting's name
WARM_UP = 3  # calls before a recording, as PyTorch's notes on CUDA graphs recommend for code with a backward pass
Function = Callable[..., Sequence[Tensor]]
Recording = tuple[Callable[[], object], Sequence[Tensor]]
Record = Callable[[Function, Sequence[Tensor]], Recording]


class Recorded:
    """Calls a function by replaying a recording of its kernels, which costs one launch instead of one for each kernel.

    A small step of a network takes as long as its launches. Nothing is compiled, so a recording is made in the time of
    a few calls, and its results equal the function's.

    Args:
        function: maps tensors on one GPU to tensors, without randomness, without waiting for the GPU, and with the same
            kernels for all values of one shape.
        record: makes a recording of a function of these tensors: a call that replays it, and the tensors that hold
            the results after every replay.

    Raises:
        RuntimeError: when called with tensors that are not on a GPU.

    Example:
        >>> def record(function, inputs):
        ...     results = function(*inputs)
        ...     return lambda: [a.copy_(b) for a, b in zip(results, function(*inputs))], results
        >>> double = Recorded(lambda x: [2 * x], record)
        >>> double(torch.ones(2))[0].tolist(), double(torch.zeros(2))[0].tolist()
        ([2.0, 2.0], [0.0, 0.0])
    """

    def __init__(self, function: Function, record: Record | None = None) -> None:
        self.function = function
        self.record = record_on_gpu if record is None else record
        self._recordings: dict[tuple[object, ...], tuple[list[Tensor], Recording]] = {}

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        """Copies of the results, so that the next call changes none of them."""
        tensors = tuple(tensor.detach() for tensor in tensors)
        key = tuple((tensor.shape, tensor.dtype, tensor.device) for tensor in tensors)
        if key not in self._recordings:
            inputs = [tensor.clone(memory_format=torch.contiguous_format) for tensor in tensors]
            self._recordings[key] = inputs, self.record(self.function, inputs)
        inputs, (replay, results) = self._recordings[key]
        for buffer, tensor in zip(inputs, tensors, strict=True):
            buffer.copy_(tensor)
        replay()
        return [result.clone() for result in results]


def record_on_gpu(function: Function, inputs: Sequence[Tensor]) -> Recording:
    """Record the kernels that ``function`` launches for ``inputs``, whose memory every replay reads.

    Raises:
        RuntimeError: if an input is not on a GPU.
    """
    device = inputs[0].device
    if any(tensor.device.type != "cuda" for tensor in inputs):
        raise RuntimeError(
            f"Expected tensors on a CUDA GPU for {CUDA_GRAPHS}, got {device}. Leave the setting out, or give "
            "--device cuda."
        )
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            function(*inputs)
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = function(*inputs)
    return graph.replay, results
