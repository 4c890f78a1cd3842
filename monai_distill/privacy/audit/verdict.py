"""The result of an audit in words: void or not, what was caught, and what that does not prove."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_distill.claims.tier import tier_of

__all__ = ["statement"]


def statement(audit: Mapping[str, Any], manifest: Mapping[str, Any], ledger: Mapping[str, Any] | None = None) -> str:
    """One paragraph for the report: which attacks failed or succeeded, with what power, and what that does not prove.

    Args:
        audit: content of ``audit.json`` without the statement.
        manifest: of the run's set, with its initial images and its claimed tier.
        ledger: content of ``ledger.json``; None without a ledger.
    """
    if audit["void"]:
        return f"This audit is void: {audit['why_void']} It proves nothing about the released set."
    attacks = audit["attacks"]
    able = [name for name, attack in attacks.items() if not attack["void"]]
    caught = [name for name in able if attacks[name]["caught"]]
    sentences = ["Attacks on shadows of this job:", _power(audit)]
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
    sentences += [
        _released_set(audit),
        *_released_attacks(audit),
        *_settings(audit),
        *_epsilon(audit),
        _tier(audit, manifest, ledger or {}),
    ]
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


def _released_set(audit: Mapping[str, Any]) -> str:
    released = audit["released_set"]
    if not released["seen"] and not released["copied"]:
        found = f"no image is more similar to a training image than the most similar of {released['references']} others"
        return f"The released set itself: {found}."
    share = f"{released['auc'] or 0:.0%} of the images are most similar to a training image (50% is chance)"
    copied = f"{released['copied']} are more similar to one than the most similar of {released['references']} others"
    return f"The released set itself: {share}, and {copied}."


def _released_attacks(audit: Mapping[str, Any]) -> list[str]:
    attacks = audit["released_set"].get("attacks", {})
    counted = {name: figures for name, figures in attacks.items() if not figures["void"]}
    caught = [f"{name} (area {figures['auc']:.3f})" for name, figures in counted.items() if figures["caught"]]
    sentences = []
    if caught:
        sentences.append(f"Attacked directly, it gives members away beyond chance: {', '.join(caught)}.")
    elif counted:
        sentences.append(
            f"Attacked directly, without shadows to calibrate: none of {len(counted)} attacks separates its training "
            "images from test images beyond chance."
        )
    blind = [name for name in attacks if name not in counted]
    if blind:
        sentences.append(
            f"Direct attacks that do not count, because they separate the sections of the data without the set: "
            f"{', '.join(blind)}."
        )
    return sentences


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


def _tier(audit: Mapping[str, Any], manifest: Mapping[str, Any], ledger: Mapping[str, Any]) -> str:
    tier = tier_of(manifest, audit, ledger)
    if tier.claimed == "T2":
        refused = f" It is refused: {'; '.join(tier.reasons)}." if tier.refused else ""
        return f"The run claims tier T2; its guarantee rests on its ledger, not on this audit.{refused}"
    if tier.name == "T1":
        start = manifest.get("initial_images")
        return f"With initial images from {start} and this audit the run qualifies for tier T1 (audited, no guarantee)."
    return f"The run stays at tier T0: {'; '.join(tier.reasons)}."
