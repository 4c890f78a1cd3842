"""The evidence of an audit for and against a release, attack by attack."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monai_distill.claims.audit_evidence import why_void

__all__ = ["direct_findings", "findings", "released_audit", "rounded"]

ATTRIBUTE = "attribute "  # followed by the name of a column, which stays with the owner
NO_MEMBERSHIP = ("copies", ATTRIBUTE)
FIGURES = (
    *("auc", "tpr_at_fpr", "not_given", "n_in", "n_out", "n", "low", "high", "seen", "void", "caught", "within_gate"),
)
# in the order of a report
OUTCOMES = {
    "chance": "found no member: the interval contains chance",
    "below_chance": "found members less often than chance",
    "above_chance": "found members more often than chance, below the limits of tier T1",
    "nothing": "found nothing and does not test membership",
    "no_rate": "measured no rate",
    "blind": "missed its known leak, so its result does not count",
}


def findings(audit: Mapping[str, Any]) -> dict[str, list[str]]:
    """Outcome -> the attacks that had it, each with its figures. "Found no member" requires an interval with chance."""
    by_outcome: dict[str, list[str]] = {text: [] for text in OUTCOMES.values()}
    for name, attack in _attacks(audit).items():
        by_outcome[OUTCOMES[_outcome(name, attack)]].append(described(name, attack))
    return {text: attacks for text, attacks in by_outcome.items() if attacks}


def direct_findings(audit: Mapping[str, Any]) -> list[str]:
    """Sentences on the set itself, of which no shadow is needed: copies, and attacks on its own training images.

    Example:
        >>> direct_findings({"released_set": {"copied": 0}})
        ['No image of the set is more similar to a training image than any image that was not used.']
    """
    released = audit.get("released_set") or {}
    if not released:
        return []
    copied = released.get("copied") or 0
    who = "No image of the set is" if not copied else f"Images of the set ({copied}) are"
    lines = [f"{who} more similar to a training image than any image that was not used."]
    counted = {name: attack for name, attack in released.get("attacks", {}).items() if not attack["void"]}
    caught = [name for name, attack in counted.items() if attack["caught"]]
    attacks = "Attacks on the set itself, without shadows,"
    if caught:
        lines.append(f"{attacks} found members beyond chance: {', '.join(caught)}.")
    elif counted:
        lines.append(f"{attacks} found no members beyond chance: {', '.join(counted)}.")
    if blind := [name for name in released.get("attacks", {}) if name not in counted]:
        why = "which separate training from test images without the set"
        lines.append(f"{attacks} {why}, so that their results do not count: {', '.join(blind)}.")
    return lines


def described(name: str, attack: Mapping[str, Any]) -> str:
    """An attack with its AUC and true-positive rates, their 95% intervals, and the same of its known leak."""
    leak = "; ".join(_figures(attack.get("positive_control") or {}))
    figures = "; ".join(_figures(attack)) or "no figure"
    return f"{name} ({figures}{f'; on the known leak {leak}' if leak else ''})"


def released_audit(audit: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``audit.json`` that may leave: figures and the hash of the audited set.

    Pairs of images, positions, names of columns and counts of the source stay. If all images are attacked, the number
    of scores is a multiple of the number of images, so it is rounded to two digits.
    """
    keys = ("void", "shadows", "unit", "epsilon_lower_bound", "claim_refuted", "set_sha256", "images_sha256")
    general: dict[str, Any] = {key: audit.get(key) for key in keys}
    attacks = {name: _released_attack(attack) for name, attack in _attacks(audit).items()}
    general["why_void"] = why_void(attacks)  # the run's text can name a column
    general |= {"shadow_settings": bool(audit.get("shadow_settings", True))}
    released = audit.get("released_set")
    if released is not None:
        general["released_set"] = {
            name: released[name] for name in ("seen", "copied", "references") if name in released
        }
        if "references" in released:
            general["released_set"]["references"] = rounded(released["references"])
        general["released_set"]["attacks"] = {
            name: {**_released_attack(attack), "control": _released_attack(attack["control"])}
            for name, attack in released.get("attacks", {}).items()
        }
    return {**general, "attacks": attacks}


def rounded(count: int) -> int:
    """Round to two digits, because the exact number of patients can itself be confidential.

    Example:
        >>> rounded(4708)
        4700
    """
    return round(count, 2 - len(str(count)))


def _attacks(audit: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The attacks by name; attacks on attributes are numbered, so that no name of a column leaves."""
    attributes = [name for name in audit["attacks"] if name.startswith(ATTRIBUTE)]
    numbered = {name: f"{ATTRIBUTE}{number}" for number, name in enumerate(attributes, 1)}
    return {numbered.get(name, name): attack for name, attack in audit["attacks"].items()}


def _released_attack(attack: Mapping[str, Any]) -> dict[str, Any]:
    figures = {key: attack[key] for key in FIGURES if key in attack}
    figures |= {key: rounded(attack[key]) for key in ("n_in", "n_out") if attack.get(key)}
    if "not_given" in figures:  # the reason continues with the exact number of scores
        figures["not_given"] = {rate: why.split(",")[0] for rate, why in attack["not_given"].items()}
    controls = ("positive_control", "negative_control")
    inner = {key: _released_attack(attack[key]) for key in controls if attack.get(key)}
    groups = {name: _released_attack(group) for name, group in attack.get("groups", {}).items()}
    return {**figures, **inner, **({"groups": groups} if groups else {})}


def _outcome(name: str, attack: Mapping[str, Any]) -> str:
    rates = attack.get("tpr_at_fpr") or {}
    if attack.get("void"):
        return "blind"
    if attack.get("caught") or any(rate["low"] > float(fpr) for fpr, rate in rates.items()):
        return "above_chance"
    if name.startswith(NO_MEMBERSHIP):
        return "nothing"
    if any(rate["high"] < float(fpr) for fpr, rate in rates.items()):
        return "below_chance"
    return "chance" if rates else "no_rate"


def _figures(attack: Mapping[str, Any]) -> Iterator[str]:
    if attack.get("auc") is not None:
        yield f"AUC {attack['auc']:.3f}"
    for fpr, rate in (attack.get("tpr_at_fpr") or {}).items():
        yield f"TPR {rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}] at {float(fpr):.1%} FPR"
