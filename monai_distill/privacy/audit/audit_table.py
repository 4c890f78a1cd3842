"""``audit.json`` as a table that a terminal or a report can show."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["audit_table"]

HEAD = ("attack", "area", "TPR at 0.1% FPR", "TPR at 1% FPR", "positive control", "negative control", "verdict")


def audit_table(audit: Mapping[str, Any]) -> str:
    """A Markdown table of the attacks, then the statement.

    Rows are the attacks, and below each the groups in which it saw more than chance; of the classes the one that shows
    most (``audit.json`` has them all). The controls' cells hold their area and whether they were caught.

    Example:
        >>> control = {"auc": 0.5, "tpr_at_fpr": {}, "seen": False}
        >>> attack = {**control, "positive_control": {**control, "seen": True}, "negative_control": control}
        >>> attack |= {"caught": False, "void": False}
        >>> print(audit_table({"attacks": {"pixels": attack}, "void": False, "statement": "No."}).splitlines()[2])
        | pixels | 0.500 | -               | -             | 0.500 caught     | 0.500 unseen     | failed  |
    """
    lines = [list(HEAD)]
    for name, attack in audit["attacks"].items():
        verdict = "void" if attack["void"] else "caught" if attack["caught"] else "failed"
        controls = [_control(attack[f"{kind}_control"]) for kind in ("positive", "negative")]
        lines.append([name, *_figures(attack), *controls, verdict])
        groups = {} if attack["void"] else _shown(attack.get("groups", {}))
        lines += [[f"  {group}", *_figures(figures), "", "", ""] for group, figures in groups.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    if audit["void"]:
        text.insert(0, "VOID. What follows says nothing about the released set.")
    return "\n".join([*text, "", audit["statement"]])


def _shown(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    seen = {name: figures for name, figures in groups.items() if figures["seen"]}
    classes = sorted((name for name in seen if name.startswith("class ")), key=lambda name: -seen[name]["auc"])
    return {name: figures for name, figures in seen.items() if name not in classes[1:]}


def _figures(figures: Mapping[str, Any]) -> list[str]:
    return [_share(figures["auc"]), *(_rate(figures["tpr_at_fpr"].get(rate)) for rate in ("0.001", "0.01"))]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _rate(rate: Mapping[str, float] | None) -> str:
    return "-" if rate is None else f"{rate['value']:.2%} ({rate['low']:.2%} to {rate['high']:.2%})"


def _control(figures: Mapping[str, Any]) -> str:
    return f"{_share(figures['auc'])} {'caught' if figures['seen'] else 'unseen'}"
