"""Figures per group, and a bound on epsilon that nothing of its own run has chosen."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_distill.privacy.audit import Candidates
from monai_distill.privacy.audit.evidence import attack_evidence, epsilon_evidence, within_gate


def shadows(candidates: Candidates, who: Tensor, lift: float, count: int = 30) -> list[dict[str, Tensor]]:
    """Statistics that show the membership of ``who`` of the audited, and of everybody in the positive control."""
    kept = []
    for shadow in range(count):
        noise = torch.randn(3, len(candidates.audited), generator=torch.Generator().manual_seed(shadow))
        inside = candidates.members(shadow)
        own = inside[candidates.audited]
        kept.append(
            {
                "members": inside,
                "release.a": noise[0] + lift * (own & who),
                "positive.a": noise[1] + 3.0 * own,
                "negative.a": noise[2],
            }
        )
    return kept


def test_a_leak_of_canaries_alone_is_caught_in_their_group(candidates: Candidates) -> None:
    odd = candidates.mislabelled[candidates.audited]
    found = attack_evidence(shadows(candidates, odd, 5.0), candidates, "a", one_sided=False)
    assert (found["caught"], found["void"], found["seen"]) == (True, False, False)
    assert found["groups"]["mislabelled"]["auc"] > 0.99
    assert not found["groups"]["outliers"]["seen"]
    assert not found["negative_control"]["seen"]
    natural = int(((candidates.true_labels == 0) & ~candidates.mislabelled).sum())
    assert found["groups"]["class a"]["n_in"] + found["groups"]["class a"]["n_out"] == 30 * natural


def test_who_catches_nothing_and_misses_the_control_says_nothing(candidates: Candidates) -> None:
    everybody = torch.ones(len(candidates.audited), dtype=torch.bool)
    for lift, void in ((0.0, True), (5.0, False)):
        kept = [shadow | {"positive.a": shadow["negative.a"]} for shadow in shadows(candidates, everybody, lift)]
        assert attack_evidence(kept, candidates, "a", one_sided=False)["void"] is void


def test_noise_is_not_caught(candidates: Candidates) -> None:
    everybody = torch.ones(len(candidates.audited), dtype=torch.bool)
    found = attack_evidence(shadows(candidates, everybody, 0.0), candidates, "a", one_sided=True)
    assert not found["caught"]
    assert found["within_gate"]


def test_the_bound_comes_from_the_first_shadow_alone(candidates: Candidates) -> None:
    everybody = torch.ones(len(candidates.audited), dtype=torch.bool)
    kept = shadows(candidates, everybody, 8.0)
    open_book = epsilon_evidence(kept, candidates, {"a": False}, 1e-5)
    assert open_book is not None
    assert open_book["correct"] >= open_book["guesses"] - 2  # coins seldom fall to exact halves
    assert 1.0 < open_book["value"] <= open_book["ceiling"]
    kept[0]["release.a"] = torch.randn(len(everybody), generator=torch.Generator().manual_seed(999))
    closed = epsilon_evidence(kept, candidates, {"a": False}, 1e-5)
    assert closed is not None
    assert closed["value"] < 0.5


def test_the_choice_of_attack_owes_nothing_to_the_run_that_is_judged(candidates: Candidates) -> None:
    everybody = torch.ones(len(candidates.audited), dtype=torch.bool)
    kept = shadows(candidates, everybody, 2.0, 8)
    chosen = []
    for who_was_in in (kept[0]["members"], ~kept[0]["members"]):
        first = {**kept[0], "members": who_was_in, "release.a": 1e6 * (who_was_in[candidates.audited].float() - 0.5)}
        found = epsilon_evidence([first, *kept[1:]], candidates, {"a": True}, 1e-5)
        assert found is not None
        chosen.append((found["attack"], found["guesses"]))
    assert chosen[0] == chosen[1]
    assert epsilon_evidence(kept[:3], candidates, {"a": True}, 1e-5) is None  # nothing left to choose on


def test_there_is_no_bound_without_canaries(candidates: Candidates) -> None:
    none = Candidates(
        candidates.bank, candidates.units, "image", candidates.bank.labels, candidates.audited, candidates.outliers
    )
    assert epsilon_evidence(shadows(none, torch.zeros(150, dtype=torch.bool), 0, 3), none, {"a": True}, 1e-5) is None


@pytest.mark.parametrize(("low", "within"), [(0.029, True), (0.031, False)])
def test_the_gate_is_on_the_lower_end(low: float, within: bool) -> None:
    assert within_gate({"tpr_at_fpr": {"0.01": {"value": 0.5, "low": low, "high": 0.9}}}) is within
