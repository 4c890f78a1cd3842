"""A plan as lines of text."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
import textwrap

from monai_distill.configuration.run_forecast import room_sentence

from .fitting import total
from .plan import Plan

__all__ = ["duration", "plan_text"]

WIDTH = 110


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best.

    Example:
        >>> duration(42.4), duration(150.0), duration(9000.0), duration(400000.0)
        ('42 s', '2.5 min', '2.5 h', '4.6 days')
    """
    for limit, unit, name in ((90.0, 1.0, "s"), (5400.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}" if unit == 1 else f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400:.1f} days"


def plan_text(plan: Plan, *, reasons: bool = False, now: datetime.datetime | None = None) -> str:
    """The plan for a reader: data, machine, settings, what was given up, forecast.

    Args:
        plan: the plan.
        reasons: one line for every setting, with its reason; otherwise one paragraph.
        now: when the run starts; None for the present time.
    """
    lines = [*_paragraph("Data", _data(plan)), *_paragraph("Machine", _machine(plan))]
    if plan.settings and reasons:
        lines.append(f"{'Settings':<10}{_title(plan)}")
        lines += [f"          {name} {choice.value}: {choice.reason}" for name, choice in plan.settings.items()]
    else:
        chosen = ", ".join(f"{name} {choice.value}" for name, choice in plan.settings.items())
        lines += _paragraph("Settings", f"{_title(plan)}: {chosen}" if chosen else _title(plan))
    if plan.given_up:
        more = "more --minutes" if plan.request.minutes else "--minutes N, or a higher --effort"
        lines += _paragraph("Given up", f"{', '.join(plan.given_up)}; for more: {more}")
    if plan.parts:
        lines += _paragraph("Forecast", _forecast(plan, now))
    if plan.room is not None:
        lines += _paragraph("Room", room_sentence(plan.room, plan.machine.device))
    if plan.note:
        lines += _paragraph("Note", plan.note)
    return "\n".join(lines)


def _paragraph(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{head:<10}", subsequent_indent=" " * 10)


def _data(plan: Plan) -> str:
    data = plan.data
    least, most = min(data.counts), max(data.counts)
    each = f"{least}" if least == most else f"{least} to {most}"
    shape = f"{' x '.join(str(side) for side in data.shape[1:])}, {data.shape[0]} channel" + "s" * (data.shape[0] > 1)
    return (
        f"{data.name}: {data.training} training images in {len(data.counts)} classes of {each}, {data.validation} "
        f"validation, {data.test} test; {shape}"
    )


def _machine(plan: Plan) -> str:
    machine = plan.machine
    threads = f", {machine.threads} of {machine.cores} cores" if machine.device == "cpu" else ""
    gib = 2**30
    return (
        f"{machine.device} ({machine.name}){threads}, {machine.memory / gib:.1f} GiB of memory, "
        f"{machine.disk / gib:.0f} GiB of disk free"
    )


def _title(plan: Plan) -> str:
    request = plan.request
    size = f"{request.images_per_class} image{'s' * (request.images_per_class > 1)} per class"
    if request.decides:
        time = f", {request.minutes:g} minutes" if request.minutes is not None and request.effort else ""
        hint = (
            "" if request.effort or request.minutes else " (no preset knows this data set; run --minutes N for another)"
        )
        return f"{request.method}, {size}, {request.aim}{time}{hint}"
    source = request.preset_of or ("published" if request.effort else request.dataset)
    return f"{request.method}, {size}, preset of {source}"


def _forecast(plan: Plan, now: datetime.datetime | None) -> str:
    seconds = total(plan.parts)
    start = datetime.datetime.now() if now is None else now
    end = start + datetime.timedelta(seconds=seconds)
    parts = [f"{name} {duration(unit.wall)}" for name, unit in plan.parts.items() if unit.wall >= 0.5]
    when = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%a %H:%M}" if seconds < 5e5 else f"{end:%Y-%m-%d}"
    busy = _busy(plan)
    return f"{', '.join(parts)}; in all {duration(seconds)}, ends about {when}{busy}"


def _busy(plan: Plan) -> str:
    """A word about a machine on which others compute, too: CPU time is less than the time that passes."""
    wall, cpu = total(plan.parts), total(plan.parts, "cpu")
    if plan.machine.device != "cpu" or plan.machine.threads > 1 or wall < 1.3 * cpu:
        return ""
    return f" (the machine is busy: {duration(cpu)} of it is CPU time)"
