"""The privacy tier of a set in the words of the report."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

from monai_distill.claims.tier import tier_of

from .page_elements import number
from .records import RunRecords

__all__ = ["PrivacyStamp"]

LABELS = {"T0": "no privacy claim", "T1": "audited, no guarantee", "T2": "differential privacy"}
FIGURES = ("epsilon", "delta", "unit")
MEANS = {
    "T0": ("No privacy claim is made for this set. It is derived from real images. Treat it like those images."),
    "T1": (
        "Repetitions of the job, and the set itself, were attacked; the results are below. There is no guarantee: a "
        "failed attack does not show that every attack fails."
    ),
    "T2": (
        "The guarantee covers only the stated unit, mechanism, epsilon and delta, under the assumptions of the ledger. "
        "It is not a legal determination."
    ),
}


class PrivacyStamp(NamedTuple):
    """The tier in words; :func:`~monai_distill.claims.tier_of` decides.

    Attributes:
        tier: ``"T0"``, ``"T1"`` or ``"T2"``.
        label: its meaning.
        paragraphs: explanation.
        refused: why the files do not support the tier that the manifest claims; empty if they do.

    Example:
        >>> PrivacyStamp("T0", "no privacy claim", (), "").tier
        'T0'
    """

    tier: str
    label: str
    paragraphs: tuple[str, ...]
    refused: str

    @classmethod
    def of(cls, records: RunRecords) -> PrivacyStamp:
        """Stamp of a run."""
        claim = records.manifest.get("privacy") or {}
        tier = tier_of(records.manifest, records.audit, records.ledger)
        if tier.refused:
            reasons = "; ".join(tier.reasons)
            refused = f"The manifest claims tier {tier.claimed}, but the run's files do not support that: {reasons}."
            return cls("T0", LABELS["T0"], (MEANS["T0"],), refused)
        label = LABELS[tier.name]
        if tier.name == "T2":
            figures = ", ".join(f"{name} {_plain(claim[name])}" for name in FIGURES)
            label = f"{label}: {figures}, accountant {records.ledger['accountant']}"
        statement = claim.get("statement")
        return cls(tier.name, label, (MEANS[tier.name], *([str(statement)] if statement else ())), "")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else number(value)
