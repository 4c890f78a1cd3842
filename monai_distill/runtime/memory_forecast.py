"""Memory and disk that a run will take, computed from its sizes before it starts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

from .image_blocks import BLOCK_BYTES

__all__ = ["DataSize", "ExpertSize", "MemoryForecast", "NetworkSize", "StepSize", "memory_forecast", "readable_bytes"]

MIB = 2**20
FLOAT = 4  # bytes of a float32
LIBRARIES = 950 * MIB  # after importing 861 MiB (torch 2.14, MONAI 1.6, Linux); the smallest run peaks at 970 MiB
BACKWARD = 1.5  # a backward pass takes about half as much again as the graph
ON_CPU = 2.3  # times a part, that a CPU takes for it: copies in the layout of its convolutions, and gaps (1.7 to 2.5)
BATCH_COPIES = 3  # float32 copies of a batch: prepared, augmented, and one in between
BLOCK_COPIES = 5  # of a block of images that is read: its float32 values, those of the block before, doubles, bytes


@dataclasses.dataclass(frozen=True)
class DataSize:
    """Images of all sections.

    Args:
        images: number of images.
        values: values of an image: channels times pixels.
        value_bytes: bytes of a stored value: 1 for uint8, 4 for float32.
        place: ``"host"``, ``"device"`` or ``"disk"`` (memory-mapped).

    Example:
        >>> DataSize(images=1000, values=784).stored_bytes
        784000
    """

    images: int
    values: int
    value_bytes: int = 1
    place: str = "host"

    @property
    def stored_bytes(self) -> int:
        """Bytes of all stored images."""
        return self.images * self.values * self.value_bytes


@dataclasses.dataclass(frozen=True)
class NetworkSize:
    """A network.

    Args:
        parameters: number of parameters.
        graph_per_image: bytes that the graph of a gradient takes per image.

    Example:
        >>> NetworkSize(parameters=1000, graph_per_image=2**20).parameters
        1000
    """

    parameters: int
    graph_per_image: int


@dataclasses.dataclass(frozen=True)
class ExpertSize:
    """Expert networks of a trajectory method.

    Args:
        experts: number of experts.
        snapshots: stored states of an expert.
        at_once: experts that are trained together.
        batch: images of a batch.

    Example:
        >>> ExpertSize(experts=4, snapshots=3).at_once
        5
    """

    experts: int
    snapshots: int
    at_once: int = 5
    batch: int = 256


@dataclasses.dataclass(frozen=True)
class StepSize:
    """An outer iteration and a student's step.

    Args:
        synthetic: synthetic images of a student's step, or of all classes.
        real: real images of a batch; 0 where an iteration reads none.
        steps: unrolled student steps; 0 for methods that do not unroll.
        students: networks that are trained together for a score.
        batch: images of a batch of the students.
        budget: MiB of graph that any part may take (``memory_budget``).

    Example:
        >>> StepSize(synthetic=10, steps=20).budget
        512.0
    """

    synthetic: int
    real: int = 0
    steps: int = 0
    students: int = 5
    batch: int = 256
    budget: float = 512.0


@dataclasses.dataclass(frozen=True)
class MemoryForecast:
    """Bytes that a run will take.

    Args:
        data: stored images.
        place: of the stored images: ``"host"``, ``"device"`` or ``"disk"``.
        store: the experts' store, on disk.
        cache: new files of images, on disk.
        parts: peak by part of the run (experts, distillation, scores) on the device that computes, without the stored
            images, the snapshots and the libraries. On a CPU they add up: the process keeps freed memory, and blocks of
            another size seldom fit into its gaps. A part that is much larger than the others takes more than it holds.
        snapshots: of experts in training, in host memory.
        libraries: Python and its libraries, in host memory.
        reading: blocks of images while hashes and statistics are computed, in host memory. Pages of a memory-mapped
            file are not counted: the system takes them back when memory is short.

    Example:
        >>> forecast = MemoryForecast(data=100, place="host", store=50, cache=0, parts={"scores": 7}, libraries=10)
        >>> forecast.host("cpu"), forecast.device("cuda"), forecast.disk
        (126, 7, 50)
    """

    data: int
    place: str
    store: int
    cache: int
    parts: dict[str, int]
    snapshots: int = 0
    libraries: int = LIBRARIES
    reading: int = 0

    @property
    def disk(self) -> int:
        """Bytes of new files."""
        return self.store + self.cache

    def host(self, device_type: str) -> int:
        """Peak bytes of host memory, for a run on ``"cpu"`` or on another device such as ``"cuda"``."""
        stored = self.data if self.place == "host" else 0
        together, largest = sum(self.parts.values()), max(self.parts.values(), default=0)
        parts = max(together, int(ON_CPU * largest)) if device_type == "cpu" else 0
        return self.libraries + stored + self.snapshots + self.reading + parts

    def device(self, device_type: str) -> int:
        """Peak bytes of the GPU's memory; 0 for a run on the CPU."""
        if device_type == "cpu":
            return 0
        return max(self.parts.values(), default=0) + (self.data if self.place == "device" else 0)

    def to_dict(self) -> dict[str, object]:
        """The forecast as plain JSON values, in bytes."""
        return {**dataclasses.asdict(self), "disk": self.disk}


def memory_forecast(
    data: DataSize, network: NetworkSize, step: StepSize, experts: ExpertSize | None = None, cache: int = 0
) -> MemoryForecast:
    """Memory and disk of a run.

    The graph of a part takes what all its images need, but no more than the budget (micro-batches), and at least what
    one image needs. Networks with batch norm or dropout need all images of a batch at once, so that the budget does not
    bound them.

    Args:
        data: the stored images.
        network: of experts and students.
        step: of the distillation and of the students.
        experts: None for a method without experts.
        cache: bytes of new files of images.

    Example:
        >>> forecast = memory_forecast(DataSize(1000, 784), NetworkSize(10_000, 2**18), StepSize(2, steps=20),
        ...                            ExpertSize(experts=3, snapshots=8))
        >>> forecast.store, sorted(forecast.parts)
        (960000, ['distillation', 'experts', 'scores'])
    """
    vector, image = FLOAT * network.parameters, FLOAT * data.values
    parts, snapshots = {"distillation": _distillation(network, step, image)}, 0
    if experts is not None:
        graph = _graph(network.graph_per_image * experts.batch, network.graph_per_image, step.budget)
        group = experts.at_once * vector
        parts["experts"] = 3 * group + BATCH_COPIES * experts.batch * image + graph
        snapshots = 2 * experts.snapshots * group  # of the group in training and of the one that is written
    graph = _graph(network.graph_per_image * step.batch, network.graph_per_image, step.budget)
    parts["scores"] = 4 * step.students * vector + BATCH_COPIES * step.batch * image + graph
    store = 0 if experts is None else experts.experts * experts.snapshots * vector
    reading = BLOCK_COPIES * min(BLOCK_BYTES, data.images * image)
    return MemoryForecast(data.stored_bytes, data.place, store, cache, parts, snapshots, reading=reading)


def _distillation(network: NetworkSize, step: StepSize, image: int) -> int:
    vector = FLOAT * network.parameters
    if step.steps:  # the graph of a step that is differentiated twice takes about three times that of a gradient
        one = 3 * network.graph_per_image
        states = (step.steps + 3) * vector
        return (
            states + BATCH_COPIES * step.synthetic * image + _graph(one * step.synthetic * step.steps, one, step.budget)
        )
    graph = _graph(network.graph_per_image * max(step.real, step.synthetic), network.graph_per_image, step.budget)
    return 3 * vector + (step.real + BATCH_COPIES * step.synthetic) * image + graph


def _graph(whole: int, least: int, budget: float) -> int:
    return int(BACKWARD * max(min(whole, budget * MIB), least))


def readable_bytes(count: float) -> str:
    """Bytes with a unit.

    Example:
        >>> readable_bytes(3 * 2**20), readable_bytes(1.5 * 2**30)
        ('3 MiB', '1.5 GiB')
    """
    return f"{count / MIB:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"
