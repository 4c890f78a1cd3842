"""The privacy tier of a set, stamped only as far as its files bear it out."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import NamedTuple

from .records import RunRecords
from .table import number

__all__ = ["PrivacyStamp"]

LABELS = {"T0": "no privacy claim", "T1": "audited, no guarantee", "T2": "differential privacy"}
BACKED_BY = {
    "T1": "an audit.json that is not void",
    "T2": "a ledger.json with the same epsilon and delta, a unit and an accountant",
}
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

    T1 needs an audit that is not void; T2 epsilon, delta, unit and accountant, in the ledger as in the manifest. A
    claim without them is stamped T0 and told in ``refused``.

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
        if claimed not in LABELS or (claimed == "T1" and not _audited(records)):
            return _no_claim(claimed)
        if claimed != "T2":
            statement = claim.get("statement")
            return cls(claimed, LABELS[claimed], (MEANS[claimed], *([str(statement)] if statement else ())), "")
        ledger, unit = records.ledger, claim.get("unit")
        figures = [ledger.get("epsilon"), ledger.get("delta"), unit, ledger.get("accountant")]
        same = all(claim.get(name) == ledger.get(name) for name in ("epsilon", "delta", "unit"))
        if None in figures or not same:
            return _no_claim(claimed)
        epsilon, delta, _, accountant = figures
        label = (
            f"{LABELS['T2']}: epsilon {_plain(epsilon)}, delta {_plain(delta)}, unit {unit}, accountant {accountant}"
        )
        statement = claim.get("statement")
        return cls("T2", label, (MEANS["T2"], *([str(statement)] if statement else ())), "")


def _audited(records: RunRecords) -> bool:
    return bool(records.audit) and not records.audit.get("void", True)


def _no_claim(claimed: str) -> PrivacyStamp:
    needed = BACKED_BY.get(claimed, "a tier that this program knows (T0, T1, T2)")
    refused = f"The manifest claims tier {claimed}, but the run folder lacks {needed}: stamped T0."
    return PrivacyStamp("T0", LABELS["T0"], (MEANS["T0"],), refused)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else number(value)
