"""A forecast for a GPU that is not here, from operations and calls that are counted on the CPU."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

from .counting import Unit
from .facts import MachineFacts
from .timing import Rates

__all__ = ["CARDS", "Card", "rates_on"]

EFFICIENCY = 0.3  # of the peak that convolutions of this size reach: an assumption
LAUNCH = 1e-5  # seconds per call: an assumption, of eager PyTorch


@dataclasses.dataclass(frozen=True)
class Card:
    """A kind of GPU.

    Attributes:
        example: a card of this kind.
        gib: its memory in GiB.
        peak: floating-point operations per second in TF32, by its data sheet.

    Example:
        >>> CARDS["gpu24"].machine(2**40).device
        'cuda'
    """

    example: str
    gib: int
    peak: float

    def machine(self, disk: int) -> MachineFacts:
        """The facts of a machine with this card and ``disk`` free bytes."""
        return MachineFacts("cuda", self.example, self.gib * 2**30, 1, disk)


CARDS = {"gpu24": Card("RTX 3090, 24 GiB", 24, 35.6e12), "gpu80": Card("A100, 80 GiB", 80, 156e12)}


def rates_on(card: Card, rates: Rates) -> Rates:
    """The rates of a card, from the operations and calls of counted rates.

    A unit takes as long as its operations at a share of the card's peak, or its calls one after another, whichever is
    longer. Both numbers are assumptions: nothing was measured on the card.

    Example:
        >>> unit = Unit(1.0, 1.0, flops=0.3 * 35.6e12, calls=10)
        >>> round(rates_on(CARDS["gpu24"], Rates(None, unit, unit, unit, unit, 10)).iteration.wall, 3)
        1.0
    """

    def on(unit: Unit) -> Unit:
        seconds = max(unit.flops / (EFFICIENCY * card.peak), unit.calls * LAUNCH)
        return dataclasses.replace(unit, wall=seconds, cpu=seconds)

    return Rates(
        None if rates.expert_image is None else on(rates.expert_image),
        on(rates.iteration),
        on(rates.student_step),
        on(rates.full_step),
        on(rates.predict),
        rates.parameters,
    )
