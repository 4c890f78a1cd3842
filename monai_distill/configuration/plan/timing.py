"""Seconds of the steps of a run, from a few real ones on a few real images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import dataclasses
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import Tensor

from monai_distill.data.canvases import decoded_per_class
from monai_distill.data.split_banks import SplitBanks
from monai_distill.data.trajectory_store import TrajectoryStore
from monai_distill.engines.students.scoring import predict_logits, student_seeds
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.literals import literal_settings

from .counting import Unit, counted

__all__ = ["Rates", "forward_flops", "timed_rates", "timing_parser"]

SPEED = {"cpu": 2e10, "cuda": 5e12}  # FLOP/s that decide how much is timed, not the forecast
LONG = 0.5  # seconds that one timed call should take at most
SHARE = 64  # real images of a class in a timed matching step, at most
NOT_STORED = ("config_file", "tracking", "save_execute_config")


@dataclasses.dataclass(frozen=True)
class Rates:
    """Cost of one unit of every part.

    Attributes:
        expert_image: one image in one expert's epoch; None for a method without experts.
        iteration: one step of the distillation.
        student_step: one student's step on a set as large as the synthetic one.
        full_step: one step on a whole batch of training images.
        predict: one image under one student.
        parameters: of the network.

    Example:
        >>> unit = Unit(0.1, 0.1)
        >>> Rates(None, unit, unit, unit, unit, parameters=10).iteration.wall
        0.1
    """

    expert_image: Unit | None
    iteration: Unit
    student_step: Unit
    full_step: Unit
    predict: Unit
    parameters: int


def timing_parser(values: Mapping[str, Any], banks: SplitBanks | None, folder: str | Path) -> ConfigParser:
    """The configuration of a run over a few images, which writes into ``folder`` only.

    Args:
        values: arguments of ``monai.bundle.run`` (see :func:`~monai_distill.configuration.composition.composed`).
        banks: a few images that stand for the complete data; None reads the complete data.
        folder: a temporary folder.
    """
    parser = ConfigParser()
    parser.read_config(values["config_file"])
    own = {"output_dir": str(folder), "experts_root": None, "controls_root": None, "shared_controls": None}
    own["group_column"] = None  # the few images have no columns
    settings = {name: value for name, value in {**values, **own}.items() if name not in NOT_STORED}
    parser.update(literal_settings({name: "$None" if v is None else v for name, v in settings.items()}))
    if banks is not None:
        parser.update({"data": banks})
    return parser


def forward_flops(network: FlatNetwork, shape: tuple[int, ...], device: str | torch.device) -> float:
    """Floating-point operations of one forward pass of one image [C, *spatial]."""
    images = torch.zeros(1, *shape, device=device)
    parameters = network.initial(0).to(device)
    return counted(lambda: network.predict(parameters, images), 1).flops


def timed_rates(values: Mapping[str, Any], banks: SplitBanks, *, count: bool = False) -> Rates:
    """Time one or two steps of every part of the run that ``values`` compose.

    Args:
        values: arguments of ``monai.bundle.run``.
        banks: a few images of every section.
        count: count floating-point operations and calls instead, for a forecast for another machine.
    """
    with tempfile.TemporaryDirectory(prefix="monai_distill_plan_") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few random images are no sensible run
        return _Timing(values, banks, Path(folder), count).rates()


class _Timing:
    """Times the parts of one configuration."""

    def __init__(self, values: Mapping[str, Any], banks: SplitBanks, folder: Path, count: bool) -> None:
        # real images as a start may be more than these few; the kind of start does not change the time
        self.values: dict[str, Any] = {**values, "initial_images": "noise"}
        self.banks, self.folder, self.count = banks, folder, count
        parser = timing_parser(self.values, banks, folder)
        self.device = torch.device(parser.get_parsed_content("device"))
        self.network: FlatNetwork = parser.get_parsed_content("network")
        stored, decode = int(parser.get_parsed_content("images_per_class")), parser.get_parsed_content("decode")
        self.size = decoded_per_class(decode, stored, len(banks.image_shape) - 1) * len(banks.class_names)
        self.flops = forward_flops(self.network, banks.image_shape, self.device)
        self.speed = SPEED.get(self.device.type, SPEED["cuda"])
        self.parser = parser

    def rates(self) -> Rates:
        """All rates."""
        step, predict = self._students()
        return Rates(self._expert(), self._iteration(), step, self._full(), predict, self.network.size)

    def _affordable(self, flops: float, most: int) -> int:
        """How many units of ``flops`` take about half a second."""
        return max(1, min(most, int(LONG * self.speed / max(flops, 1.0))))

    def _time(self, work: Callable[[], object], units: float) -> Unit:
        return counted(work, units) if self.count else _seconds(work, units, self.device)

    def _students(self) -> tuple[Unit, Unit]:
        """A student's step on random images of the synthetic set's size, and its prediction."""
        validation = self.parser.get_parsed_content("validate#protocol")
        protocol, seeds = copy.copy(validation), student_seeds(0, "plan", 2)
        batch = min(self.size, protocol.batch_size)
        images, labels = self._images(self._affordable(3 * self.flops, batch), self.device)
        protocol.steps = self._affordable(2 * 3 * self.flops * len(images), 20)
        step = self._time(lambda: protocol(self.network, images, labels, 0.01, seeds), 2 * protocol.steps)
        parameters = torch.stack([self.network.initial(seed) for seed in seeds])
        test, _ = self._images(self._affordable(2 * self.flops, 256), self.device)
        predict = self._time(lambda: predict_logits(self.network, parameters, test), 2 * len(test))
        return step.in_larger_batches(batch / len(images)), predict

    def _full(self) -> Unit:
        protocol: StudentTraining = copy.copy(self.parser.get_parsed_content("scorecard").full_protocol)
        images, labels = self._images(self._affordable(3 * self.flops, protocol.batch_size), self.device)
        protocol.steps = 1
        unit = self._time(lambda: protocol(self.network, images, labels, 0.01, [1]), 1)
        return unit.in_larger_batches(int(protocol.batch_size) / len(images))

    def _images(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(count, *self.banks.image_shape, generator=generator)
        return images.to(device), (torch.arange(count) % len(self.banks.class_names)).to(device)

    def _expert(self) -> Unit | None:
        if "expert_trainer" not in self.parser.config:
            return None
        batch = int(self.parser.get_parsed_content("expert_batch_size"))
        count = self._affordable(3 * self.flops, min(batch, len(self.banks.training)))
        bank = self.banks.training.subset(
            torch.arange(len(self.banks.training))[:: -(-len(self.banks.training) // count)]
        )
        protocol = dataclasses.replace(
            self.parser.get_parsed_content("expert_trainer").protocol, epochs=1, curriculum=None
        )
        trainer = type(self.parser.get_parsed_content("expert_trainer"))
        at_once = 1 if self.device.type == "cpu" else int(self.parser.get_parsed_content("experts_at_once"))
        stores = iter(range(100))

        def train() -> None:
            store = TrajectoryStore(
                self.folder / f"timed{next(stores)}", {}, experts=at_once, snapshots=1, parameters=self.network.size
            )
            trainer(network=self.network, bank=bank, store=store, protocol=protocol, at_once=at_once).run()

        unit = self._time(train, at_once * len(bank))
        return dataclasses.replace(unit, calls=unit.calls * len(bank) / batch)

    def _iteration(self) -> Unit:
        """One call of the objective, with fewer student steps or real images where all would take long."""
        overrides, scale = self._shorter()
        parser = timing_parser({**self.values, **overrides}, self.banks, self.folder / "iteration")
        if "expert_trainer" in parser.config:
            self._fill(parser.get_parsed_content("store"))
        objective, batches = parser.get_parsed_content("objective"), parser.get_parsed_content("batches")
        synthetic = parser.get_parsed_content("synthetic")
        numbers = iter(range(10**6))
        unit = self._time(lambda: objective(synthetic, batches[next(numbers)]), 1)
        return unit * scale if "student_steps" in parser.config else unit.in_larger_batches(scale)

    def _shorter(self) -> tuple[dict[str, Any], float]:
        config = self.parser.config
        if "student_steps" in config:
            steps = int(self.parser.get_parsed_content("student_steps"))
            batch = self.parser.get_parsed_content("synthetic_batch_size") or self.size
            few = self._affordable(12 * self.flops * min(batch, self.size), steps)
            return {"experts": 1, "student_steps": few}, steps / few
        experts = {"experts": 1} if "expert_trainer" in config else {}
        if "batch_per_class" not in config:
            return experts, 1.0
        requested = int(self.parser.get_parsed_content("batch_per_class"))
        classes = len(self.banks.class_names)
        wanted = min(requested, SHARE, max(1, self._affordable(2 * self.flops, 10**6) // classes))
        timed = sum(min(wanted, n) for n in self.banks.training.counts) + 3 * self.size
        return {**experts, "batch_per_class": wanted}, (requested * classes + 3 * self.size) / timed

    def _fill(self, store: TrajectoryStore) -> None:
        """Write a trajectory that leads nowhere."""
        start, noise = self.network.initial(0), self.network.initial(1)
        shares = torch.linspace(0, 0.1, len(store.stored_epochs))[:, None]
        store.write(0, start + shares * noise, [])


def _seconds(work: Callable[[], object], units: float, device: torch.device) -> Unit:
    """The fastest of up to four calls; the first one, which warms up, counts only if it takes long."""
    best: Unit | None = None
    total = 0.0
    for call in range(4):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        total += min(wall, cpu) if device.type == "cpu" else wall  # a busy machine must not leave a single call
        if call and (best is None or cpu < best.cpu * units):
            best = Unit(wall / units, cpu / units)
        if total > 3 * LONG or (call and total > LONG):
            break
    return best or Unit(wall / units, cpu / units)
