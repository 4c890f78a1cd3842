"""The privacy tier of a set, stamped only if its files support it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .page_elements import number
from .records import RunRecords

__all__ = ["PrivacyStamp"]

LABELS = {"T0": "no privacy claim", "T1": "audited, no guarantee", "T2": "differential privacy"}
REQUIRED = {
    "T1": "initial images from noise and an audit that this set passed",
    "T2": "initial images from noise and a ledger of the same delta and unit, within epsilon and not refuted",
}
FIGURES = ("epsilon", "delta", "unit")
SLACK = 1e-6  # rounding of an accountant
MEANS = {
    "T0": ("No privacy claim is made for this set. It is derived from real images. Treat it like those images."),
    "T1": (
        "The set was attacked; the results are below. There is no guarantee: a failed attack does not show that every "
        "attack fails."
    ),
    "T2": (
        "The guarantee covers only the stated unit, mechanism, epsilon and delta, under the assumptions of the ledger. "
        "It is not a legal determination."
    ),
}


class PrivacyStamp(NamedTuple):
    """Tier, its meaning, and the reason if a claim of the manifest is refused.

    T1 requires a valid audit of this set that says that the set qualifies. T2 requires epsilon, delta and unit in the
    manifest, a ledger with its accountant that spent at most that, and no audit that refutes it. Both require initial
    images that are not real. Any other claim is stamped T0, and ``refused`` gives the reason. A set without a claim is
    T1 if its audit says that it qualifies.

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
        claimed = str(claim.get("tier", "T0"))
        if claimed == "T0" and records.audit.get("qualifies_for") == "T1" and _supported("T1", claim, records):
            claimed = "T1"
        if claimed != "T0" and not _supported(claimed, claim, records):
            needed = REQUIRED.get(claimed, "a known tier (T0, T1, T2)")
            refused = f"The manifest claims tier {claimed}, but the run does not have {needed}. The report stamps T0."
            return cls("T0", LABELS["T0"], (MEANS["T0"],), refused)
        label = LABELS[claimed]
        if claimed == "T2":
            figures = ", ".join(f"{name} {_plain(claim[name])}" for name in FIGURES)
            label = f"{label}: {figures}, accountant {records.ledger['accountant']}"
        statement = claim.get("statement")
        return cls(claimed, label, (MEANS[claimed], *([str(statement)] if statement else ())), "")


def _supported(claimed: str, claim: Mapping[str, Any], records: RunRecords) -> bool:
    if records.started_real:
        return False
    if claimed == "T1":
        return records.audit.get("qualifies_for") == "T1" and not records.audit["void"] and records.audited_this_set
    return claimed == "T2" and _within(claim, records.ledger) and not _refuted(claim, records.audit)


def _within(claim: Mapping[str, Any], ledger: Mapping[str, Any]) -> bool:
    known = all(row.get(name) is not None for row in (claim, ledger) for name in FIGURES) and ledger.get("accountant")
    if not known or any(claim[name] != ledger[name] for name in ("delta", "unit")):
        return False
    return bool(ledger["epsilon"] <= claim["epsilon"] + SLACK)  # the claim is the budget, the ledger has the spent part


def _refuted(claim: Mapping[str, Any], audit: Mapping[str, Any]) -> bool:
    bound = audit.get("epsilon_lower_bound")
    return bool(audit.get("claim_refuted")) or (bound is not None and bound > claim["epsilon"])


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else number(value)
