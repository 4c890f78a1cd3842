"""Memory and disk of a planned run, from its configuration and a few images that stand for the data."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from monai.bundle import ConfigParser

from monai_distill.configuration.run_forecast import Limits, refuse_without_room
from monai_distill.runtime.memory import default_memory_budget
from monai_distill.runtime.memory_forecast import DataSize, MemoryForecast, NetworkSize, StepSize, memory_forecast

from .facts import DataFacts, Sample
from .other_machine import Card

__all__ = ["planned_room"]

FLOAT = 4  # bytes of a float32, in which decoded files are written


def planned_room(parser: ConfigParser, sample: Sample, folder: str | Path, card: Card | None = None) -> MemoryForecast:
    """Memory and disk of the run that ``parser`` holds; refused where the machine cannot give them.

    The run checks again when it has read the data (:func:`~monai_distill.configuration.run_forecast.require_room`).
    Images in the user's cache folder are counted as new files, whether they lie there already or not.

    Args:
        parser: the configuration over the images of ``sample``.
        sample: facts of the complete data, and a few images.
        folder: of the run.
        card: a GPU of another machine, of which only the GPU's memory is known; None for this machine.

    Raises:
        RuntimeError: if the memory of the device or of the host, or the disk, is too small.
    """
    facts, network, device = sample.facts, parser.get_parsed_content("network"), parser.get_parsed_content("device")
    limits = Limits.here(device, folder) if card is None else Limits("cuda", None, card.gib * 2**30, None)
    count, values = facts.training + facts.validation + facts.test, math.prod(facts.shape)
    size = count * values * sample.value_bytes
    place = "disk" if sample.on_disk else "host"
    if limits.gpu is not None and place == "host" and 2 * size <= limits.gpu:  # as PreparedImages.placed decides
        place = "device"
    forecast = memory_forecast(
        DataSize(count, values, sample.value_bytes, place),
        NetworkSize(network.size, network.graph_size(facts.shape).per_image),
        _step(parser, facts, None if card is None else default_memory_budget("cuda")),
        parser.get_parsed_content("forecast_experts"),
        cache=count * values * FLOAT if sample.decoded_to_disk else 0,
    )
    refuse_without_room(forecast, limits, folder)
    return forecast


def _step(parser: ConfigParser, facts: DataFacts, budget: float | None) -> StepSize:
    """The step over the complete data: the few images have fewer of a class. A budget is that of another device."""
    step: StepSize = parser.get_parsed_content("forecast_step")
    if "batch_per_class" in parser.config:
        most = int(parser.get_parsed_content("batch_per_class"))
        step = dataclasses.replace(step, real=sum(min(most, of_class) for of_class in facts.counts))
    is_default = not isinstance(parser.config["memory_budget"], (int, float))
    return step if budget is None or not is_default else dataclasses.replace(step, budget=budget)
