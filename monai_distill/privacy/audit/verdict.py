"""The result of an audit in words: void or not, what was caught, and what that does not prove."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["qualifies", "statement", "why_void"]

SAFE_STARTS = ("noise", "public")  # initial images that contain no training image
RATE = "0.01"  # false-positive rate at which a membership attack must have a figure
NO_MEMBERSHIP = ("copies", "attribute ")  # prefixes of attacks that do not test membership


def why_void(attacks: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return why the controls make this audit void; None if they do not.

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


def statement(audit: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """One paragraph for the report: which attacks failed or succeeded, with what power, and what that does not prove.

    Args:
        audit: content of ``audit.json`` without the statement.
        manifest: of the run's set, with its initial images and its claimed tier.
    """
    if audit["void"]:
        return f"This audit is void: {audit['why_void']} It proves nothing about the released set."
    attacks = audit["attacks"]
    able = [name for name, attack in attacks.items() if not attack["void"]]
    caught = [name for name in able if attacks[name]["caught"]]
    sentences = [_power(audit)]
    if caught:
        caught.sort(key=lambda name: -attacks[name]["deviations"])
        others = f"; also caught by {', '.join(caught[1:])}" if caught[1:] else ""
        sentences.append(f"Members were found: {_caught(caught[0], attacks[caught[0]])}{others}.")
    failed = [name for name in able if name not in caught]
    if failed:
        sentences.append(f"Failed at this power: {', '.join(failed)}.")
    blind = [name for name in attacks if attacks[name]["void"]]
    if blind:
        sentences.append(f"Void, because they missed their positive control: {', '.join(blind)}.")
    sentences += [*_settings(audit), *_epsilon(audit), _tier(audit, manifest)]
    sentences.append("That an attack failed here does not show that every attack fails.")
    return " ".join(sentences)


def _power(audit: Mapping[str, Any]) -> str:
    controls = [attack["positive_control"] for attack in audit["attacks"].values()]
    rates = [control["tpr_at_fpr"].get("0.01") for control in controls if control["seen"]]
    shown = [rate["value"] for rate in rates if rate]
    counts = audit["candidates"]
    text = (
        f"{len(rates)} of {len(controls)} attacks caught their positive control, with {audit['shadows']} shadows and "
        f"{counts['audited']} of {counts['images']} training images (unit: {audit['unit']})."
    )
    if not shown:
        return text
    return f"{text} The best of them found {max(shown):.1%} of the positive control's members at 1% false positives."


def _caught(name: str, attack: Mapping[str, Any]) -> str:
    if "groups" not in attack:  # the copy check has a share and no rates
        return f"{name} ({attack['auc']:.0%} of released images are most similar to a member; 50% is chance)"
    groups = {"all images": attack, **attack["groups"]}
    where = [group for group, figures in groups.items() if figures["seen"] and not group.startswith("class ")]
    rates = attack["tpr_at_fpr"]
    shown = "".join(
        f"; {rates[r]['value']:.2%} ({rates[r]['low']:.2%} to {rates[r]['high']:.2%}) at {float(r):.1%} false positives"
        for r in sorted(rates)
    )
    return f"{name} ({', '.join(where)}; area {attack['auc']:.3f}{shown})"


def _settings(audit: Mapping[str, Any]) -> list[str]:
    if not audit["shadow_settings"]:
        return []
    changed = ", ".join(f"{name} {value}" for name, value in audit["shadow_settings"].items())
    return [f"The shadows used other settings than the run ({changed}): the released set may leak more or less."]


def _epsilon(audit: Mapping[str, Any]) -> list[str]:
    bound = audit["epsilon"]
    if bound is None:
        return [
            "There is no bound on epsilon, because canaries or 4 shadows are missing: a claimed epsilon was not tested."
        ]
    guesses = (
        f"{bound['correct']} of {bound['guesses']} guesses about {bound['canaries']} canaries in one run were correct"
    )
    if audit["claim_refuted"]:
        required = f"which requires an epsilon of at least {bound['value']:.2f} (95% confidence)"
        return [f"The claimed epsilon {bound['claimed']:g} is refuted: {guesses}, {required}."]
    if not bound["value"]:
        return [f"{guesses}: no evidence about epsilon (up to {bound['ceiling']:.1f} could have been shown)."]
    limit = f"95% confidence; up to {bound['ceiling']:.1f} could have been shown"
    return [f"{guesses}: epsilon is at least {bound['value']:.2f} ({limit})."]


def _tier(audit: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    claimed = (manifest.get("privacy") or {}).get("tier", "T0")
    start = manifest.get("initial_images", "unknown")
    if claimed == "T2":
        return "The run claims tier T2; its guarantee rests on its ledger, not on this audit."
    if audit["qualifies_for"] == "T1":
        return f"With initial images from {start} and this audit the run qualifies for tier T1 (audited, no guarantee)."
    if start not in SAFE_STARTS:
        return f"The run stays at tier T0: its initial images are {start}, not noise or public."
    if _copied(audit):
        return "The run stays at tier T0: released images are more similar to training images than to others."
    if audit["shadow_settings"]:
        return "The run stays at tier T0: its shadows used other settings, so that another job was attacked."
    if _powerless(audit):
        return (
            "The run stays at tier T0: no membership attack both caught its positive control and has a rate at 1% "
            "false positives, so that its failure would be evidence. Ask for more --shadows."
        )
    above = ", ".join(_above_gate(audit))
    return f"The run stays at tier T0: {above} above 0.5% at 0.1% or 3% at 1% false positives, with 95% confidence."


def qualifies(audit: Mapping[str, Any], manifest: Mapping[str, Any]) -> str | None:
    """Return the tier that this audit supports for a run at T0, or None.

    An attack that could not succeed is no evidence. At least one membership attack must have caught its positive
    control and have a rate at 1% false positives; the copy check alone does not suffice. Shadows with other settings
    than the run do not suffice either: with one iteration, for example, nothing was learned that could leak.

    Example:
        >>> pixels = {"void": False, "caught": False, "tpr_at_fpr": {"0.01": {"value": 0.01, "low": 0.0, "high": 0.02}}}
        >>> seen = {"void": False, "attacks": {"pixels": pixels}, "shadow_settings": {}}
        >>> seen |= {"released_set": {"seen": False}}
        >>> qualifies(seen, {"initial_images": "noise"}), qualifies(seen, {"initial_images": "real"})
        ('T1', None)
        >>> qualifies({**seen, "attacks": {"copies": pixels}}, {"initial_images": "noise"})
    """
    claimed = (manifest.get("privacy") or {}).get("tier", "T0")
    fits = claimed == "T0" and manifest.get("initial_images") in SAFE_STARTS
    prevented = _copied(audit) or _above_gate(audit) or _powerless(audit) or audit["void"] or audit["shadow_settings"]
    return "T1" if fits and not prevented else None


def _powerless(audit: Mapping[str, Any]) -> bool:
    """Whether no membership attack was able to succeed."""
    membership = [attack for name, attack in audit["attacks"].items() if not name.startswith(NO_MEMBERSHIP)]
    return not any(not attack["void"] and RATE in attack["tpr_at_fpr"] for attack in membership)


def _copied(audit: Mapping[str, Any]) -> bool:
    return bool(audit["attacks"].get("copies", {}).get("caught", False) or audit["released_set"]["seen"])


def _above_gate(audit: Mapping[str, Any]) -> list[str]:
    return [name for name, attack in audit["attacks"].items() if not attack.get("within_gate", True)]
