"""Figures of an audit as evidence: whether an attack could succeed, whether it did, and whether the audit is void."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["GATE", "attack_reasons", "is_valid_attack", "measures_membership", "why_void", "within_gate"]

# false-positive rate -> true-positive rate; an attack succeeds if the lower end of its 95% interval is above
GATE = {"0.001": 0.005, "0.01": 0.03}
RATE = "0.01"  # false-positive rate at which a membership attack must have a figure
NO_MEMBERSHIP = ("copies", "attribute ")  # prefixes of attacks that do not test membership

Attack = Mapping[str, Any]


def within_gate(figures: Attack) -> bool:
    """Whether no interval of a true-positive rate lies above the gate: 0.5% at 0.1% false positives, 3% at 1%.

    Example:
        >>> within_gate({"tpr_at_fpr": {"0.01": {"value": 0.05, "low": 0.04, "high": 0.06}}})
        False
    """
    rates = figures.get("tpr_at_fpr") or {}
    return all(rates[rate]["low"] <= limit for rate, limit in GATE.items() if rate in rates)


def is_valid_attack(attack: Attack) -> bool:
    """Whether the attack found members somewhere: in the set, or in its positive control.

    An attack that found none in either could not have found a leak, so that its failure is no evidence.
    """
    return bool(attack.get("caught") or attack["positive_control"]["seen"])


def measures_membership(name: str, attack: Attack) -> bool:
    """Whether the attack tests membership and has a rate at 1% false positives."""
    return not name.startswith(NO_MEMBERSHIP) and RATE in (attack.get("tpr_at_fpr") or {})


def why_void(attacks: Mapping[str, Attack]) -> str | None:
    """Return why the controls make an audit void; None if they do not.

    Example:
        >>> blind = {"seen": False}
        >>> why_void({"pixels": {"positive_control": blind, "negative_control": blind}})[:37]
        'no attack caught the positive control'
    """
    if not any(attack["positive_control"]["seen"] for attack in attacks.values()):
        return (
            "no attack caught the positive control (unchanged training images): with this number of shadows these "
            "attacks could not have found a leak. Ask for more --shadows."
        )
    wrong = sorted(name for name, attack in attacks.items() if attack["negative_control"]["seen"])
    if wrong:
        return (
            f"{', '.join(wrong)} found members in the negative control (images that are not in the training set), so "
            "that their other findings are no evidence. Look for images that are in two sections."
        )
    return None


def attack_reasons(audit: Mapping[str, Any]) -> Iterator[str]:
    """Reasons in an audit's figures against tier T1, one clause each.

    Flags that the audit derived from its figures are derived again here.
    """
    attacks = audit["attacks"]
    void = "the audit is marked void" if audit["void"] else why_void(attacks)
    if void is not None:
        yield f"the audit is void: {why_void(attacks) or void}"
        return
    valid = {name: attack for name, attack in attacks.items() if is_valid_attack(attack)}
    if not any(measures_membership(name, attack) for name, attack in valid.items()):
        yield (
            "no membership attack both caught its positive control and has a rate at 1% false positives, so that no "
            "failure is evidence: audit again with more --shadows"
        )
    for name, attack in valid.items():
        groups = [attack, *attack.get("groups", {}).values()]
        if attack.get("within_gate") is False or not all(within_gate(figures) for figures in groups):
            yield f"the attack {name} succeeded: above 0.5% at 0.1% or 3% at 1% false positives, with 95% confidence"
    if "copies" not in attacks:
        yield "the audit has no copy check"
    elif attacks["copies"].get("caught") or audit["released_set"]["seen"]:
        yield "released images are more similar to training images than to others"
    for name, figures in audit["released_set"].get("attacks", {}).items():
        if not figures["void"] and not within_gate(figures):
            yield f"the attack {name} on the released set itself succeeded: above 0.5% at 0.1% or 3% at 1%"
    if audit["released_set"]["copied"]:
        yield (
            f"{audit['released_set']['copied']} of the released images are more similar to a training image than any "
            "image that was not used"
        )
