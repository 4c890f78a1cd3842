"""Makes the plan of a run: reads a few images, chooses settings, times a few steps, fits the run into its time."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_distill.configuration.files import run_files
from monai_distill.data.canvases import decoded_per_class, images_to_pack
from monai_distill.data.initial_images import refuse_small_classes
from monai_distill.engines.students.lr_choice import lr_candidates

from .cost import Workload, forecast
from .counting import Unit
from .facts import MachineFacts, Sample, read_sample
from .fitting import fitted, given_up, total
from .other_machine import Card, rates_on
from .plan import Plan, plain_values
from .request import Request, ceilings, longest
from .room import planned_room
from .rules import USEFUL, Choice, base_settings, effort_settings, family_of, following_settings
from .timing import forward_flops, timed_rates, timing_parser

__all__ = ["make_plan"]

MARGIN = 0.85  # share of the requested time that is planned; the cost model does not know everything
NARROWEST = 8
QUICK = 2e11  # a run of fewer operations takes less time than its timing
KNOBS = ("students", "full_students", "full_steps", "validation_students")  # settings that are a field of Workload


def make_plan(
    request: Request, *, quick: bool = True, card: Card | None = None, objects: Mapping[str, Any] | None = None
) -> Plan:
    """Read a few images, choose the settings, time a few steps, and fit the run into its time.

    Args:
        request: the run.
        quick: whether to skip the timing of a run that takes hardly longer itself.
        card: a GPU of another machine, for which to choose settings and estimate costs; None for this machine.
        objects: parts of the configuration that only Python can give, such as a dataset.

    Raises:
        ValueError: for settings or data that cannot be used, or a time in which nothing can be done.
    """
    values = request.composed({})
    parser = timing_parser(values, None, "plan")
    parser.update(dict(objects or {}))
    device = torch.device(parser.get_parsed_content("device"))
    machine = MachineFacts.here(device, values["output_dir"])
    section, fit = parser.get_parsed_content("dataset"), parser.get_parsed_content("data#fit")
    name = str(parser.get_parsed_content("dataset_name"))
    sample = read_sample(name, section, fit, device)
    if request.guaranteed:
        return Plan(request, sample.facts, machine, {}, note="A run with --epsilon is not timed beforehand.")
    if card is not None:
        machine = card.machine(machine.disk)
    planner = _Planner(request, sample, machine, str(values["output_dir"]), card)
    return planner.planned(quick)


class _Planner:
    """Chooses settings and times them, at smaller and smaller widths."""

    def __init__(self, request: Request, sample: Sample, machine: MachineFacts, folder: str, card: Card | None) -> None:
        self.request, self.sample, self.machine, self.card = request, sample, machine, card
        self.folder = folder
        self.files = run_files(request.dataset, request.network, request.method)
        self.family = family_of(self.files)
        self.effort = ceilings(request)
        self.limits: dict[str, Any] = {}
        self.base: dict[str, Choice] = {}
        if request.decides and self.effort is not None:
            self.base = base_settings(self.files, sample.facts, request.images_per_class)
            count, training = request.images_per_class, sample.facts.training
            self.limits = effort_settings(self.effort, self.files, machine, count, training)

    def planned(self, quick: bool) -> Plan:
        """The plan."""
        request, width = self.request, int(self.limits.get("width", 0))
        while True:
            ceiling = self._settings(width, None)
            values = request.composed(plain_values(ceiling))
            parser = timing_parser(values, self.sample.banks, "plan")
            self._refuse_small_classes(parser)
            full = self._workload(parser)
            if quick and request.minutes is None and self._is_quick(parser, full):
                note = "A run this small is not timed beforehand."
                return self._plan(ceiling, note=note)
            rates = timed_rates(values, self.sample.banks, count=self.card is not None)
            if self.card is not None:
                rates = rates_on(self.card, rates)
            cost = functools.partial(forecast, facts=self.sample.facts, rates=rates)
            if not request.decides:
                return self._plan({}, [], cost(full))
            most = longest(self.family, request)
            fit = fitted(full, cost, self.seconds, clock=request.clock, fixed=request.settings, most=most)
            late = total(cost(fit), request.clock) > self.seconds
            short = late or fit.iterations < min(USEFUL[self.family], full.iterations)
            if not short or width // 2 < NARROWEST or "width" in request.settings:
                break
            width //= 2
        lost = given_up(full, fit)
        if width < self.limits["width"]:
            lost = [f"width {width} of {self.limits['width']}", *lost]
        note = self._late(cost(fit), lost) if late else ""
        return self._plan(self._settings(width, fit), lost, cost(fit), note)

    def _refuse_small_classes(self, parser: ConfigParser) -> None:
        """Refuse a start from more real images than a class has, as the run would."""
        if parser.get_parsed_content("initial_images") != "noise":
            banks, decode = self.sample.banks, parser.get_parsed_content("decode")
            count = images_to_pack(decode, self.request.images_per_class, len(banks.image_shape) - 1)
            refuse_small_classes(self.sample.facts.counts, banks.class_names, count)

    @property
    def seconds(self) -> float:
        """Seconds that the run may take, with a margin."""
        minutes = self.request.minutes or (self.effort.minutes if self.effort else 0)
        return 60 * minutes * MARGIN

    def _late(self, parts: Mapping[str, Unit], lost: Sequence[str]) -> str:
        """The note on a run that takes too long; one with a time is refused.

        Raises:
            ValueError: with the time that the smallest run takes.
        """
        if self.request.minutes is None:
            return "The run takes longer than this effort aims at, with as little as makes sense."
        needed = total(parts, self.request.clock) / 60 / MARGIN
        raise ValueError(
            f"Expected at least {needed:.1f} minutes for this run, got {self.request.minutes:g}: even with "
            f"{', '.join(lost)} it takes that long here. Give more --minutes, smaller images (--image_size), "
            "fewer --images_per_class, or a method without experts (--method dm)."
        )

    def _settings(self, width: int, fit: Workload | None) -> dict[str, Choice]:
        """The chosen settings; ``fit`` replaces the sizes of the effort."""
        if not self.request.decides:
            return {}
        why = self.request.aim
        of_time = why if fit is None else f"{why}, fitted to the time"
        limits = self.limits
        iterations = int(limits.get("iterations", 0)) if fit is None else fit.iterations
        every = int(limits["validate_every"]) if fit is None else fit.validate_every
        settings = {**self.base, "width": Choice(width, why if width == limits["width"] else of_time)}
        for name in KNOBS:
            settings[name] = Choice(limits[name] if fit is None else getattr(fit, name), of_time)
        if self.family == "gradient":
            networks = int(limits["networks"]) if fit is None else max(1, iterations // self._outer_steps())
            settings["networks"] = Choice(networks, of_time)
            iterations = networks * self._outer_steps()
        else:
            settings["iterations"] = Choice(iterations, of_time)
        if self.family == "trajectory":
            settings["experts"] = Choice(limits["experts"] if fit is None else fit.experts, of_time)
        every = min(every, iterations)
        count = -(-iterations // every)
        settings["validate_every"] = Choice(every, f"{count} validation{'s' * (count > 1)}")
        settings |= following_settings(self.files, plain_values(settings), iterations)
        return {name: choice for name, choice in settings.items() if name not in self.request.settings}

    def _outer_steps(self) -> int:
        return int(timing_parser(self.request.composed({}), None, "plan").get_parsed_content("outer_steps"))

    def _workload(self, parser: ConfigParser) -> Workload:
        names = [field.name for field in dataclasses.fields(Workload) if field.name != "plateau"] + [
            *("validate_every", "expert_train_epochs", "difficulty_networks", "student_schedule"),
        ]
        known = {name: parser.get_parsed_content(name) for name in names if name in parser.config}
        decode, axes = parser.get_parsed_content("decode"), len(self.sample.banks.image_shape) - 1
        known["images_per_class"] = decoded_per_class(decode, self.request.images_per_class, axes)
        known["controls"] = 1 if decode.is_identity else 3  # with canvases, and with as many images as they show
        lrs, student_lr = parser.get_parsed_content("scorecard").lrs, float(parser.get_parsed_content("student_lr"))
        learned = self.family == "trajectory"
        known["candidates"] = 1 + len(lrs) if learned else len(lr_candidates(student_lr, lrs))
        known["iterations"] = parser.get_parsed_content("planned_iterations")
        known["validate_every"] = parser.get_parsed_content("train#trainer#epoch_length")
        return Workload.of(known)

    def _is_quick(self, parser: ConfigParser, work: Workload) -> bool:
        """Whether the run needs so few operations that timing is not worth it."""
        shape, size = self.sample.banks.image_shape, work.images_per_class * len(self.sample.facts.counts)
        once = 3 * forward_flops(parser.get_parsed_content("network"), shape, parser.get_parsed_content("device"))
        batch = min(size, 256)
        students = work.validations * work.validation_students * work.validation_steps * batch
        students += work.scored_students * work.evaluation_steps * batch + work.full_students * work.full_steps * 256
        inner = int(parser.get_parsed_content("student_steps")) * 5 if "student_steps" in parser.config else 1
        real = int(parser.get_parsed_content("batch_per_class")) if "batch_per_class" in parser.config else 0
        matched = work.iterations * (inner * size + real * len(self.sample.facts.counts))
        experts = work.experts * work.expert_epochs * self.sample.facts.training
        return once * (students + matched + experts) < QUICK

    def _plan(
        self,
        settings: Mapping[str, Choice],
        lost: Sequence[str] = (),
        parts: Mapping[str, Unit] | None = None,
        note: str = "",
    ) -> Plan:
        parser = timing_parser(self.request.composed(plain_values(settings)), self.sample.banks, "plan")
        room = planned_room(parser, self.sample, self.folder, self.card)
        if self.card is not None:
            note = f"{note} Estimated from operations counted on this CPU; nothing was measured on such a card.".strip()
        return Plan(self.request, self.sample.facts, self.machine, settings, lost, parts or {}, note, room)
