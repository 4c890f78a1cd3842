"""The privacy tier of a set, stamped only as far as its files bear it out."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .page_elements import number
from .records import RunRecords

__all__ = ["PrivacyStamp"]

LABELS = {"T0": "no privacy claim", "T1": "audited, no guarantee", "T2": "differential privacy"}
BACKED_BY = {
    "T1": "a start without real images and an audit that this very set came through",
    "T2": "a start without real images and a ledger of the same delta and unit, within epsilon and not refuted",
}
FIGURES = ("epsilon", "delta", "unit")
SLACK = 1e-6  # of an accountant's rounding
MEANS = {
    "T0": (
        "A distilled data set is derived from the images that it was made from. No privacy claim is made for this one: "
        "treat it like those images."
    ),
    "T1": (
        "The set was attacked, and the outcome is given below. There is no guarantee: low attack success in this audit "
        "does not show that no attack succeeds."
    ),
    "T2": (
        "The guarantee covers only the stated unit, mechanism, epsilon and delta, under the ledger's assumptions. It "
        "is not a legal determination."
    ),
}


class PrivacyStamp(NamedTuple):
    """Tier, what it means, and what of the manifest's claim the other files do not bear out.

    T1 needs an audit of this set that is not void and says that the set qualifies; T2 epsilon, delta and unit in the
    manifest, a ledger that names its accountant and has spent no more than that, and no audit that refutes it; both
    images that did not start from real ones. A claim without is stamped T0 and told in ``refused``. A set without a
    claim is T1 when its audit says that it qualifies.

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
        """The stamp of a run."""
        claim = records.manifest.get("privacy") or {}
        claimed = str(claim.get("tier", "T0"))
        if claimed == "T0" and records.audit.get("qualifies_for") == "T1" and _borne_out("T1", claim, records):
            claimed = "T1"
        if claimed != "T0" and not _borne_out(claimed, claim, records):
            needed = BACKED_BY.get(claimed, "a tier that this program knows (T0, T1, T2)")
            refused = f"The manifest claims tier {claimed}, but the run lacks {needed}: stamped T0."
            return cls("T0", LABELS["T0"], (MEANS["T0"],), refused)
        label = LABELS[claimed]
        if claimed == "T2":
            figures = ", ".join(f"{name} {_plain(claim[name])}" for name in FIGURES)
            label = f"{label}: {figures}, accountant {records.ledger['accountant']}"
        statement = claim.get("statement")
        return cls(claimed, label, (MEANS[claimed], *([str(statement)] if statement else ())), "")


def _borne_out(claimed: str, claim: Mapping[str, Any], records: RunRecords) -> bool:
    if records.started_real:
        return False
    if claimed == "T1":  # what export asks for, too: not void, no copies, no attack beyond the gate
        return records.audit.get("qualifies_for") == "T1" and not records.audit["void"] and records.audited_this_set
    return claimed == "T2" and _within(claim, records.ledger) and not _refuted(claim, records.audit)


def _within(claim: Mapping[str, Any], ledger: Mapping[str, Any]) -> bool:
    known = all(row.get(name) is not None for row in (claim, ledger) for name in FIGURES) and ledger.get("accountant")
    if not known or any(claim[name] != ledger[name] for name in ("delta", "unit")):
        return False
    return bool(ledger["epsilon"] <= claim["epsilon"] + SLACK)  # the claim is the budget, the ledger what was spent


def _refuted(claim: Mapping[str, Any], audit: Mapping[str, Any]) -> bool:
    bound = audit.get("epsilon_lower_bound")
    return bool(audit.get("claim_refuted")) or (bound is not None and bound > claim["epsilon"])


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else number(value)
