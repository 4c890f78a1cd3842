"""The form of a ledger: values that a run writes, apart from their truth."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["ledger_form_problems"]

ACCOUNTANT = re.compile(r"dp-accounting [\w.+-]{1,40}, privacy loss distribution")
PURPOSE = re.compile(r"prototypes|class sums and counts|DP-SGD of network \d{1,4}")
RUN = re.compile(r"[0-9a-f]{16}")
EVENT = {"mechanism", "purpose", "noise_multiplier", "rate", "steps"}
FIELDS = {
    *("events", "released", "epsilon", "delta", "unit", "set_sha256", "neighbors", "accountant"),
    *("epsilon_by_renyi_cross_check", "budget", "true_positive_rate_at_most"),
}
OPTIONAL = {"run", "images_sha256"}
ROUNDING = 1e-6


def ledger_form_problems(
    ledger: Mapping[str, Any], claim: Mapping[str, Any], bounds: Mapping[str, float]
) -> Iterator[str]:
    """Every part of a released ledger that no run writes: a text that could be read as a promise, or a wrong bound.

    Args:
        ledger: content of ``dp_ledger.json``.
        claim: ``privacy`` of the manifest, with epsilon, delta and unit.
        bounds: largest true-positive rate by false-positive rate, which follows from the claim.

    Example:
        >>> next(ledger_form_problems({"accountant": "certified"}, {}, {}))
        "the accountant is 'certified', expected dp-accounting and its version"
    """
    accountant = str(ledger.get("accountant"))
    if not ACCOUNTANT.fullmatch(accountant):
        yield f"the accountant is {accountant[:60]!r}, expected dp-accounting and its version"
    if wrong := (set(ledger) - OPTIONAL) ^ FIELDS:
        yield f"its entries are not those of a run: {', '.join(sorted(wrong))[:80]}"
        return
    if "run" in ledger and not RUN.fullmatch(str(ledger["run"])):
        yield f"its run is {str(ledger['run'])[:60]!r}, expected 16 hexadecimal digits"
    neighbors = f"one {claim['unit']} added or removed"
    if ledger["neighbors"] != neighbors:
        yield f"its neighbors are {str(ledger['neighbors'])[:60]!r}, expected {neighbors!r}"
    yield from _event_problems(ledger)
    yield from _figure_problems(ledger, claim, bounds)


def _event_problems(ledger: Mapping[str, Any]) -> Iterator[str]:
    purposes = [str(event.get("purpose")) for event in ledger["events"]]
    for event, purpose in zip(ledger["events"], purposes, strict=True):
        kind = "gaussian" if event.get("rate") == 1 else "poisson subsampled gaussian"
        if set(event) != EVENT or not PURPOSE.fullmatch(purpose) or event["mechanism"] != kind:
            yield f"it has an event that no run writes: {purpose[:60]!r}"
    if len(set(purposes)) < len(purposes) or not set(ledger["released"]) <= set(purposes):
        yield "an event is listed twice, or a released result has no event"


def _figure_problems(ledger: Mapping[str, Any], claim: Mapping[str, Any], bounds: Mapping[str, float]) -> Iterator[str]:
    if ledger["budget"] != {"epsilon": claim["epsilon"], "delta": claim["delta"]}:
        yield "its budget is not the epsilon and delta of the claim"
    rates = ledger["true_positive_rate_at_most"]
    if set(rates) != set(bounds) or any(not abs(rates[fpr] - bounds[fpr]) < ROUNDING for fpr in bounds):
        yield "its bounds on attacks do not follow from epsilon and delta"
    if not ledger["epsilon_by_renyi_cross_check"] > 0.9 * ledger["epsilon"]:  # the Renyi bound is the looser one
        yield "its cross-check is below the epsilon that was spent"
