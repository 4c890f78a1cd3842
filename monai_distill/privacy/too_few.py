"""Too few records for the noise: refused by what is public, warned of by what was told, never by an exact count."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Sequence

__all__ = ["refuse_few", "warn_of_few"]


def refuse_few(public_records: int | None, needed: int, classes: int, unit: str, advice: str) -> None:
    """Do nothing when ``public_records`` can be enough.

    An exact count decides nothing here: whoever knew all records but one could tell from the release alone, because it
    is there, that the last one makes up the number.

    Args:
        public_records: a round number of all records that may be told; None is refused, because nothing else can tell
            before the budget is spent that it would be spent for nothing.
        needed: of every class.
        classes: how many there are.
        unit: what a record is, for the words.
        advice: the way out.

    Raises:
        ValueError: when they cannot be enough, or are not given.

    Example:
        >>> refuse_few(100, 60, 2, "image", "Collect more.")
        Traceback (most recent call last):
        ValueError: Expected at least 60 images in every class, so that the noise leaves something to see; \
public_records is 100 for 2 classes. Collect more.
    """
    if public_records is None:
        raise ValueError(
            f"Expected public_records, a round number of training {unit}s that may be told to anyone, got None. By it "
            "a data set too small for its epsilon is refused before anything is told. Give --public_records N."
        )
    if public_records < needed * classes:
        raise ValueError(
            f"Expected at least {needed} {unit}s in every class, so that the noise leaves something to see; "
            f"public_records is {public_records} for {classes} classes. {advice}"
        )


def warn_of_few(counts: Sequence[float], needed: int, class_names: Sequence[str], unit: str) -> None:
    """Warn of classes that were told, with noise, to have fewer than ``needed`` records.

    Example:
        >>> warn_of_few([61.2, 75.0], 60, ["a", "b"], "image")
    """
    told = zip(class_names, counts, strict=True)
    few = [f"{name} about {max(count, 0):.0f}" for name, count in told if count < needed]
    if few:
        warnings.warn(
            f"Expected at least {needed} {unit}s in every class, so that the noise leaves something to see; told were "
            f"{', '.join(few)}. Of these classes little but noise will be in the images.",
            stacklevel=2,
        )
