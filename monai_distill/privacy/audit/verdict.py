"""What an audit says: void or not, what was caught, and one paragraph that promises nothing more."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["qualifies", "statement", "why_void"]

SAFE_STARTS = ("noise", "public")  # initial images that hold no training image
RATE = "0.01"  # false alarms at which some attack on membership must have a figure
NO_MEMBERSHIP = ("copies", "attribute ")  # how the names of attacks begin that do not ask who was in


def why_void(attacks: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Why the controls say that this audit could not have seen a leak, or sees one where none is; else None.

    Example:
        >>> blind = {"seen": False}
        >>> why_void({"pixels": {"positive_control": blind, "negative_control": blind}})[:40]
        'no attack caught the positive control (r'
    """
    if not any(attack["positive_control"]["seen"] for attack in attacks.values()):
        return (
            "no attack caught the positive control (real training images released as they are): these attacks, at this "
            "number of shadows, could not have seen any leak. Ask for more --shadows."
        )
    wrong = sorted(name for name, attack in attacks.items() if attack["negative_control"]["seen"])
    if wrong:
        return (
            f"{', '.join(wrong)} found members in the negative control (real images of nobody in the training set): "
            "what they find elsewhere is no evidence. Look for images that are in two sections."
        )
    return None


def statement(audit: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """One paragraph for the report: what was attacked, what failed at what power, what that does not mean.

    Args:
        audit: the content of ``audit.json`` but this.
        manifest: of the run's set: where its images began and which tier it claims.
    """
    if audit["void"]:
        return f"This audit is void: {audit['why_void']} It says nothing about the released set."
    attacks = audit["attacks"]
    able = [name for name, attack in attacks.items() if not attack["void"]]
    caught = [name for name in able if attacks[name]["caught"]]
    words = [_power(audit)]
    if caught:
        caught.sort(key=lambda name: -attacks[name]["deviations"])
        others = f"; also caught by {', '.join(caught[1:])}" if caught[1:] else ""
        words.append(f"Membership shows: {_caught(caught[0], attacks[caught[0]])}{others}.")
    failed = [name for name in able if name not in caught]
    if failed:
        words.append(f"Failed at this power: {', '.join(failed)}.")
    blind = [name for name in attacks if attacks[name]["void"]]
    if blind:
        words.append(f"Without a say, because they missed their positive control: {', '.join(blind)}.")
    words += [*_settings(audit), *_epsilon(audit), _tier(audit, manifest)]
    words.append("That an attack failed here does not show that every attack fails.")
    return " ".join(words)


def _power(audit: Mapping[str, Any]) -> str:
    controls = [attack["positive_control"] for attack in audit["attacks"].values()]
    rates = [control["tpr_at_fpr"].get("0.01") for control in controls if control["seen"]]
    shown = [rate["value"] for rate in rates if rate]
    counts = audit["candidates"]
    words = (
        f"{len(rates)} of {len(controls)} attacks caught their positive control, with {audit['shadows']} shadows and "
        f"{counts['audited']} of {counts['images']} training images (unit: {audit['unit']})."
    )
    if not shown:
        return words
    return f"{words} The best of them named {max(shown):.1%} of the positive control's members at 1% false alarms."


def _caught(name: str, attack: Mapping[str, Any]) -> str:
    if "groups" not in attack:  # the copy check has a share and no rates
        return f"{name} ({attack['auc']:.0%} of released images are most like a member; half is chance)"
    groups = {"all images": attack, **attack["groups"]}
    where = [group for group, figures in groups.items() if figures["seen"] and not group.startswith("class ")]
    rates = attack["tpr_at_fpr"]
    shown = "".join(
        f"; {rates[r]['value']:.2%} ({rates[r]['low']:.2%} to {rates[r]['high']:.2%}) at {float(r):.1%} false alarms"
        for r in sorted(rates)
    )
    return f"{name} ({', '.join(where)}; area {attack['auc']:.3f}{shown})"


def _settings(audit: Mapping[str, Any]) -> list[str]:
    if not audit["shadow_settings"]:
        return []
    changed = ", ".join(f"{name} {value}" for name, value in audit["shadow_settings"].items())
    return [f"The shadows ran with other settings than the run ({changed}): the run's own set may show more or less."]


def _epsilon(audit: Mapping[str, Any]) -> list[str]:
    bound = audit["epsilon"]
    if bound is None:
        return ["No bound on epsilon, for want of canaries or of 4 shadows: no claim of one was put to the test."]
    right = f"{bound['correct']} of {bound['guesses']} guesses about {bound['canaries']} canaries in one run were right"
    if audit["claim_refuted"]:
        needed = f"which takes an epsilon of at least {bound['value']:.2f} (95% confidence)"
        return [f"The claimed epsilon {bound['claimed']:g} is refuted: {right}, {needed}."]
    if not bound["value"]:
        return [f"{right}: no evidence about epsilon (up to {bound['ceiling']:.1f} could have been shown)."]
    limit = f"95% confidence; up to {bound['ceiling']:.1f} could have been shown"
    return [f"{right}: epsilon is at least {bound['value']:.2f} ({limit})."]


def _tier(audit: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    claimed = (manifest.get("privacy") or {}).get("tier", "T0")
    start = manifest.get("initial_images", "unknown")
    if claimed == "T2":
        return "The run claims tier T2; its guarantee is what its ledger says, not this audit."
    if audit["qualifies_for"] == "T1":
        return f"With initial images from {start} and this audit the run qualifies for tier T1 (audited, no guarantee)."
    if start not in SAFE_STARTS:
        return f"The run stays at tier T0: its initial images are {start}, not noise or public."
    if _copied(audit):
        return "The run stays at tier T0: released images resemble training images more than others."
    if audit["shadow_settings"]:
        return "The run stays at tier T0: its shadows ran with other settings, so that another job was attacked."
    if _powerless(audit):
        return (
            "The run stays at tier T0: no attack on membership both caught its positive control and has a rate at 1% "
            "false alarms, so that none could have failed. Ask for more --shadows."
        )
    above = ", ".join(_above_gate(audit))
    return f"The run stays at tier T0: {above} surely above 0.5% at 0.1% or 3% at 1% false alarms."


def qualifies(audit: Mapping[str, Any], manifest: Mapping[str, Any]) -> str | None:
    """The tier that a run at T0 may be stamped with on the strength of this audit, or None.

    An attack that could not have seen anything is no evidence: one at least that asks who was in must have caught its
    positive control and have a rate at 1% false alarms. The copy check alone is not enough. Nor are shadows that ran
    with other settings than the run: of one iteration, say, in which nothing was learned that could be seen.

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
    kept = _copied(audit) or _above_gate(audit) or _powerless(audit) or audit["void"] or audit["shadow_settings"]
    return "T1" if fits and not kept else None


def _powerless(audit: Mapping[str, Any]) -> bool:
    """Whether no attack on membership could have been seen to fail."""
    asking = [attack for name, attack in audit["attacks"].items() if not name.startswith(NO_MEMBERSHIP)]
    return not any(not attack["void"] and RATE in attack["tpr_at_fpr"] for attack in asking)


def _copied(audit: Mapping[str, Any]) -> bool:
    return bool(audit["attacks"].get("copies", {}).get("caught", False) or audit["released_set"]["seen"])


def _above_gate(audit: Mapping[str, Any]) -> list[str]:
    return [name for name, attack in audit["attacks"].items() if not attack.get("within_gate", True)]
