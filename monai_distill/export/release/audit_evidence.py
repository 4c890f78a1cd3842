"""What an audit says for and against a release, attack by attack."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["against_audited", "findings", "released_audit", "rounded"]

SAFE_STARTS = ("noise", "public")
# an attack has succeeded when even the lower end of its interval is above: false-positive rate -> true-positive rate
GATE = {0.001: 0.005, 0.01: 0.03}
RATE = "0.01"
NO_MEMBERSHIP = ("copies", "attribute ")
FIGURES = (
    "auc",
    "tpr_at_fpr",
    "not_given",
    "n_in",
    "n_out",
    "n",
    "low",
    "high",
    "seen",
    "void",
    "caught",
    "within_gate",
)
TITLES = {
    "failed": "found no member",
    "showed": "told members from others, below the rates that count as success",
    "blind": "missed the members of its control, so that it has no say",
}


def against_audited(manifest: Mapping[str, Any], audit: Mapping[str, Any] | None) -> list[str]:
    """What keeps a set from tier T1, in words; empty when nothing does.

    Args:
        manifest: of the run.
        audit: ``audit.json`` of the run, when there is one.
    """
    why, start = [], manifest.get("initial_images", "unknown")
    if start not in SAFE_STARTS:
        why.append(f"initial images: {start}, whose traces stay visible (noise or public images are needed)")
    if audit is None:
        return [*why, "no audit.json: run `monai-distill audit RUN`"]
    if audit["void"]:
        return [*why, f"the audit is void: {audit.get('why_void')}"]
    if audit.get("set_sha256") not in (None, manifest.get("sha256")):
        return [*why, "the audit is of another set: run `monai-distill audit RUN` anew"]
    if audit.get("shadow_settings"):
        why.append("the audit's shadows ran with other settings than the run, so that another job was attacked")
    able = {name: attack for name, attack in audit["attacks"].items() if not attack.get("void")}
    if not able:
        why.append("no attack of the audit has a say")
    elif not any(_could_fail(name, attack) for name, attack in able.items()):
        why.append("no attack on membership has a say and a rate at 1% false alarms: audit again with more --shadows")
    why += [f"the attack {power(name, attack)} succeeded" for name, attack in able.items() if _succeeded(attack)]
    resembles = able.get("copies", {}).get("caught") or audit.get("released_set", {}).get("seen")
    if resembles:
        why.append("released images resemble training images more than others")
    if not why and audit.get("qualifies_for", "T1") != "T1":
        why.append("the audit says that the run does not qualify: see its statement")
    return why


def findings(audit: Mapping[str, Any]) -> dict[str, list[str]]:
    """The attacks in words, under what came of them; attacks that showed something are never among the failed."""
    sorted_out: dict[str, list[str]] = {title: [] for title in TITLES.values()}
    for name, attack in audit["attacks"].items():
        kind = "blind" if attack.get("void") else "showed" if attack.get("caught") else "failed"
        sorted_out[TITLES[kind]].append(power(name, attack))
    return {title: attacks for title, attacks in sorted_out.items() if attacks}


def power(name: str, attack: Mapping[str, Any]) -> str:
    """An attack in words: its AUC and its true-positive rates with their intervals, and those of its control."""
    control = attack.get("positive_control") or {}
    seen = "; ".join(_figures(control))
    return f"{name} ({'; '.join(_figures(attack)) or 'no figure'}{f'; on the control {seen}' if seen else ''})"


def released_audit(audit: Mapping[str, Any]) -> dict[str, Any]:
    """The part of ``audit.json`` that may leave: figures, no pairs of images, no positions, no count of the source.

    Where all images are attacked, the number of scores is a multiple of theirs: it is told to two digits.
    """
    kept = {key: audit.get(key) for key in ("void", "why_void", "shadows", "unit", "epsilon_lower_bound")}
    return {**kept, "attacks": {name: _kept(attack) for name, attack in audit["attacks"].items()}}


def _kept(attack: Mapping[str, Any]) -> dict[str, Any]:
    figures = {key: attack[key] for key in FIGURES if key in attack}
    figures |= {key: rounded(attack[key]) for key in ("n_in", "n_out") if attack.get(key)}
    if "not_given" in figures:  # "needs so many scores, there are so many"
        figures["not_given"] = {rate: why.split(",")[0] for rate, why in attack["not_given"].items()}
    inner = {key: _kept(attack[key]) for key in ("positive_control", "negative_control") if attack.get(key)}
    groups = {name: _kept(group) for name, group in attack.get("groups", {}).items()}
    return {**figures, **inner, **({"groups": groups} if groups else {})}


def _could_fail(name: str, attack: Mapping[str, Any]) -> bool:
    """Whether it asks who was in, at a rate that was measured: the copy check alone says nothing of membership."""
    return not name.startswith(NO_MEMBERSHIP) and RATE in (attack.get("tpr_at_fpr") or {})


def _figures(attack: Mapping[str, Any]) -> Iterator[str]:
    if attack.get("auc") is not None:
        yield f"AUC {attack['auc']:.3f}"
    for fpr, rate in (attack.get("tpr_at_fpr") or {}).items():
        yield f"TPR {rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}] at {float(fpr):.1%} FPR"


def _succeeded(attack: Mapping[str, Any]) -> bool:
    rates = attack.get("tpr_at_fpr") or {}
    return attack.get("within_gate") is False or any(
        rate["low"] > GATE.get(float(fpr), 1.0) for fpr, rate in rates.items()
    )


def rounded(count: int) -> int:
    """To two digits: the exact number of patients can itself be what is to be protected.

    Example:
        >>> rounded(4708)
        4700
    """
    return round(count, 2 - len(str(count)))
