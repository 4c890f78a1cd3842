"""The section on privacy: tier, attacks and ledger."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_distill.metrics.score_record import Table

from .page_elements import NOTHING, Section, number, settings_table
from .privacy_stamp import PrivacyStamp
from .records import RunRecords

__all__ = ["privacy_section"]


def privacy_section(records: RunRecords, stamp: PrivacyStamp) -> Section:
    """The meaning of the stamp and the figures behind it.

    Example:
        >>> import torch
        >>> from monai_distill.data import SyntheticDataset
        >>> data = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> records = RunRecords(data, {}, {}, {}, {})
        >>> privacy_section(records, PrivacyStamp.of(records)).paragraphs[0]
        'Tier T0: no privacy claim.'
    """
    audit, ledger = records.audit, records.ledger
    paragraphs = [f"Tier {stamp.tier}: {stamp.label}.", *stamp.paragraphs]
    tables = []
    if audit:
        state = "void, so its figures mean nothing" if audit.get("void") else "valid"
        bound = number(audit.get("epsilon_lower_bound"))
        paragraphs.append(
            f"Audit with {number(audit.get('shadows'))} shadow runs: {state}. Lower bound on epsilon: {bound}."
        )
        paragraphs += [str(audit["statement"])] if audit.get("statement") else []
        tables.append(_attacks(audit.get("attacks", {})))
    else:
        paragraphs.append("No attack was run on this set.")
    if ledger:
        shown = {name: value for name, value in ledger.items() if name != "events"}
        events = ledger.get("events", [])
        tables.append(settings_table("Ledger of the accountant", {**shown, "noisy releases": len(events)}))
    return Section("Privacy", paragraphs, tables=tables)


def _attacks(attacks: Mapping[str, Any]) -> Table:
    rates = list(dict.fromkeys(rate for attack in attacks.values() for rate in attack.get("tpr_at_fpr", {})))
    rows = []
    for name, attack in attacks.items():
        cells = [_rate(attack.get("tpr_at_fpr", {}).get(rate)) for rate in rates]
        controls = [_control(attack.get(f"{kind}_control")) for kind in ("positive", "negative")]
        rows.append([name.replace("_", " "), number(attack.get("auc")), *cells, *controls, _verdict(attack)])
    head = ["attack", "AUC", *(f"found at {100 * float(rate):g}% false positives" for rate in rates)]
    caption = "Attacks: share of training images found at a share of false positives, 95% interval (AUC 0.5: chance)"
    header = [*head, "AUC, known leak", "AUC, no leak", "result"]
    return {"title": caption, "header": header, "rows": rows}


def _verdict(attack: Mapping[str, Any]) -> str:
    if attack.get("void"):
        return "does not count: missed the known leak"
    return "above chance" if attack.get("caught") else "not above chance"


def _rate(rate: Any) -> str:
    if not isinstance(rate, Mapping):
        return number(rate)
    return f"{number(rate.get('value'))}\n{number(rate.get('low'))} to {number(rate.get('high'))}"


def _control(control: Any) -> str:
    if isinstance(control, Mapping):
        return number(control.get("auc", control.get("value")))
    return NOTHING if control is None else number(control)
