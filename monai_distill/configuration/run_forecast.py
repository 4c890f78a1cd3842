"""The memory and disk that a run will take, from its configuration; refused where it cannot fit."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import logging
import shutil
from pathlib import Path

import torch

from monai_distill.data.canvases import decoded_per_class
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.data.split_banks import SplitBanks
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.memory import available_memory
from monai_distill.runtime.memory_forecast import (
    DataSize,
    ExpertSize,
    MemoryForecast,
    NetworkSize,
    StepSize,
    memory_forecast,
    readable_bytes,
)
from monai_distill.transforms.canvas_decode import CanvasDecode

__all__ = ["Limits", "refuse_without_room", "require_room", "room_sentence", "run_forecast", "step_size"]

logger = logging.getLogger("monai_distill.runtime.forecast")  # the command shows what rooms of the runtime report
LOWER = {
    "experts": "--experts_at_once 1, or a smaller --memory_budget, --expert_batch_size or --width",
    "distillation": "a smaller --memory_budget, --images_per_class or --width",
    "scores": "a smaller --memory_budget or --width, or fewer --students",
}


def step_size(
    data: SplitBanks,
    images_per_class: int,
    *,
    batch_size: int | None = None,
    batch_per_class: int = 0,
    steps: int = 0,
    students: int = 5,
    budget: float = 512.0,
    decode: CanvasDecode | None = None,
) -> StepSize:
    """The size of an outer iteration and of a student's step.

    Args:
        data: the data set.
        images_per_class: synthetic images of every class.
        batch_size: synthetic images of a student's step; None for all.
        batch_per_class: real images of every class in an iteration.
        steps: unrolled student steps.
        students: networks per score.
        budget: MiB of graph.
        decode: of the set. An unrolled step takes one image of every canvas; other methods match all of them.
    """
    classes = len(data.class_names)
    if decode is not None and not steps:
        images_per_class = decoded_per_class(decode, images_per_class, len(data.image_shape) - 1)
    synthetic = images_per_class * classes
    return StepSize(
        synthetic=synthetic if batch_size is None else min(batch_size, synthetic),
        real=sum(min(batch_per_class, count) for count in data.training.counts),
        steps=steps,
        students=students,
        budget=budget,
    )


def run_forecast(
    data: SplitBanks, network: FlatNetwork, step: StepSize, experts: ExpertSize | None = None
) -> MemoryForecast:
    """The forecast of a run whose data are read: see :func:`~monai_distill.runtime.memory_forecast.memory_forecast`.

    Args:
        data: the data set; its images are stored by now, so that they need no new file.
        network: of experts and students.
        step: of the distillation and of the students.
        experts: None for a method without experts.
    """
    banks = (data.training, data.validation, data.test)
    stored = [bank.images for bank in banks if isinstance(bank.images, PreparedImages)]
    values = data.training.images.shape[1:].numel()
    count = sum(len(bank) for bank in banks)
    places = {"disk" if images.mapped_file is not None else images.pixels.device.type for images in stored}
    place = "disk" if places == {"disk"} else "host" if places <= {"cpu", "disk"} else "device"
    size = sum(images.stored_bytes for images in stored)
    graph = network.graph_size(data.image_shape).per_image
    return memory_forecast(
        DataSize(count, values, max(1, round(size / max(count * values, 1))), place),
        NetworkSize(network.size, graph),
        step,
        experts,
    )


def require_room(
    forecast: MemoryForecast, device: torch.device | str, folder: str | Path, resume: bool = False
) -> None:
    """Report what a run will take, and refuse one that cannot fit.

    Args:
        forecast: of the run.
        device: that computes.
        folder: where the experts' states are written; its disk must hold them.
        resume: whether the run goes on with files that lie there already.

    Raises:
        RuntimeError: if the memory of the device or of the host, or the disk, is too small.

    Example:
        >>> small = MemoryForecast(data=0, place="host", store=0, cache=0, parts={"scores": 2**20}, libraries=0)
        >>> require_room(small, "cpu", ".")
        >>> require_room(MemoryForecast(2**60, "host", 0, 0, {"scores": 2**20}), "cpu", ".")
        Traceback (most recent call last):
            ...
        RuntimeError: Expected 1073741824.9 GiB of memory for the run, ...
    """
    limits = Limits.here(device, folder)
    logger.info("Forecast: %s.", room_sentence(forecast, limits.kind))
    refuse_without_room(forecast, dataclasses.replace(limits, disk=None) if resume else limits, folder)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bytes that a machine can give; None where nobody knows.

    Attributes:
        kind: ``cpu`` or ``cuda``: what computes.
        host: memory of the machine.
        gpu: memory of the GPU; None without one.
        disk: free disk where the run folder will lie.
    """

    kind: str
    host: int | None
    gpu: int | None
    disk: int | None

    @classmethod
    def here(cls, device: torch.device | str, folder: str | Path) -> Limits:
        """The limits of this machine at present.

        Example:
            >>> Limits.here("cpu", "runs/new").disk > 0
            True
        """
        kind = torch.device(device).type
        gpu = available_memory(device) if kind == "cuda" else None
        place = Path(folder).absolute()
        free = shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free
        return cls(kind, available_memory("cpu"), gpu, free)


def refuse_without_room(forecast: MemoryForecast, limits: Limits, folder: str | Path) -> None:
    """Refuse a run that does not fit.

    Raises:
        RuntimeError: if the memory of the device or of the host, or the disk, is too small.

    Example:
        >>> small = MemoryForecast(data=0, place="host", store=0, cache=0, parts={"scores": 2**20})
        >>> refuse_without_room(small, Limits("cpu", 2**40, None, None), ".")
    """
    part = max(forecast.parts, key=lambda name: forecast.parts[name])
    for name, needed, available in (
        ("memory", forecast.host(limits.kind), limits.host),
        ("GPU memory", forecast.device(limits.kind), limits.gpu),
    ):
        if available is not None and needed > available:
            raise RuntimeError(
                f"Expected {readable_bytes(needed)} of {name} for the run, got {readable_bytes(available)}: the "
                f"{part} take {readable_bytes(forecast.parts[part])}, the images {readable_bytes(forecast.data)} "
                f"({forecast.place}). Give {LOWER.get(part, 'a smaller --width')}, or for image files a smaller "
                "--image_size."
            )
    if limits.disk is not None and forecast.store > limits.disk:  # decoded images lie elsewhere, and may lie there now
        raise RuntimeError(
            f"Expected {readable_bytes(forecast.store)} of free disk for the experts' states in "
            f"{Path(folder).absolute()}, got {readable_bytes(limits.disk)}. Give --straight_experts true (two states "
            "of every expert), fewer --experts, a smaller --width, or an --output_dir on another disk."
        )


def room_sentence(forecast: MemoryForecast, kind: str) -> str:
    """The room of a run on ``cpu`` or ``cuda``, in words.

    Example:
        >>> small = MemoryForecast(data=2**20, place="host", store=0, cache=0, parts={"scores": 2**21}, libraries=0)
        >>> room_sentence(small, "cpu")
        'at most 6 MiB of memory (scores 2 MiB; reading 0 MiB; images 1 MiB in memory)'
    """
    parts = ", ".join(f"{name} {readable_bytes(size)}" for name, size in forecast.parts.items())
    where = {"host": "in memory", "device": "on the GPU", "disk": "on disk"}[forecast.place]
    text = f"at most {readable_bytes(forecast.host(kind))} of memory"
    if kind != "cpu":
        text += f" and {readable_bytes(forecast.device(kind))} on {kind}"
    text += f" ({parts}; reading {readable_bytes(forecast.reading)}; images {readable_bytes(forecast.data)} {where})"
    text += f", {readable_bytes(forecast.store)} of disk for the experts" if forecast.store else ""
    return text + (f", {readable_bytes(forecast.cache)} of disk for decoded images" if forecast.cache else "")
