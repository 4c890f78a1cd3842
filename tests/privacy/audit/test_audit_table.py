"""The table shows what is given, and says void first."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from monai_distill.privacy.audit.audit import audit_table

UNSEEN: dict[str, Any] = {"auc": 0.5, "tpr_at_fpr": {}, "seen": False}


def table(void: bool = False, **changes: Any) -> list[str]:
    rate = {"0.01": {"value": 0.0242, "low": 0.02, "high": 0.03}}
    attack = {**UNSEEN, "tpr_at_fpr": rate, "positive_control": {**UNSEEN, "seen": True}, "negative_control": UNSEEN}
    attack |= {"caught": False, "void": False, "groups": {"outliers": {**UNSEEN, "auc": 0.75, "seen": True}}, **changes}
    return audit_table({"attacks": {"pixels": attack}, "void": void, "statement": "Words."}).splitlines()


def test_rates_stand_with_their_intervals_and_what_is_not_given_is_a_dash() -> None:
    cells = [cell.strip() for cell in table()[2].split("|")[1:-1]]
    assert cells == ["pixels", "0.500", "-", "2.42% (2.00% to 3.00%)", "0.500 caught", "0.500 unseen", "failed"]


def test_groups_that_show_stand_below_their_attack() -> None:
    assert table()[3].startswith("|   outliers | 0.750 |")


def test_of_the_classes_the_one_that_shows_most() -> None:
    classes = {f"class {i}": {**UNSEEN, "auc": area, "seen": True} for i, area in enumerate((0.6, 0.9, 0.7))}
    lines = table(groups={"outliers": {**UNSEEN, "seen": True}, **classes})
    assert [line.split("|")[1].strip() for line in lines[3:5]] == ["outliers", "class 1"]
    assert "class 0" not in "\n".join(lines)


def test_a_void_attack_shows_no_groups_and_a_void_audit_says_so_first() -> None:
    lines = table(void=True)
    assert lines[0].startswith("VOID.")
    assert len(table(void=False, groups={})) == len(table()) - 1
    assert "| void " in "\n".join(audit_lines_of_a_blind_attack())


def audit_lines_of_a_blind_attack() -> list[str]:
    attack = {**UNSEEN, "positive_control": UNSEEN, "negative_control": UNSEEN, "caught": False, "void": True}
    return audit_table({"attacks": {"blind": attack}, "void": True, "statement": "Words."}).splitlines()
