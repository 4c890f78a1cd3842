"""Figures per group, and a bound on epsilon that is independent of how it was chosen."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from torch import Tensor

from monai_distill.privacy.audit.candidates import Candidates
from monai_distill.privacy.audit.evidence import attack_evidence, epsilon_evidence


def shadows(candidates: Candidates, leaking: Tensor, lift: float, count: int = 30) -> list[dict[str, Tensor]]:
    """Statistics that reveal members among ``leaking`` audited images, and all members in the positive control."""
    tensors = []
    for shadow in range(count):
        noise = torch.randn(3, len(candidates.audited), generator=torch.Generator().manual_seed(shadow))
        inside = candidates.members(shadow)
        members = inside[candidates.audited]
        tensors.append(
            {
                "members": inside,
                "release.a": noise[0] + lift * (members & leaking),
                "positive.a": noise[1] + 3.0 * members,
                "negative.a": noise[2],
            }
        )
    return tensors


def test_a_leak_of_canaries_only_is_caught_in_their_group(candidates: Candidates) -> None:
    canaries = candidates.mislabelled[candidates.audited]
    found = attack_evidence(shadows(candidates, canaries, 5.0), candidates, "a", one_sided=False)
    assert (found["caught"], found["void"], found["seen"]) == (True, False, False)
    assert found["groups"]["mislabelled"]["auc"] > 0.99
    assert not found["groups"]["outliers"]["seen"]
    assert not found["negative_control"]["seen"]
    natural = int(((candidates.true_labels == 0) & ~candidates.mislabelled).sum())
    assert found["groups"]["class a"]["n_in"] + found["groups"]["class a"]["n_out"] == 30 * natural


def test_an_attack_that_catches_nothing_and_misses_the_control_is_void(candidates: Candidates) -> None:
    everyone = torch.ones(len(candidates.audited), dtype=torch.bool)
    for lift, void in ((0.0, True), (5.0, False)):
        kept = [shadow | {"positive.a": shadow["negative.a"]} for shadow in shadows(candidates, everyone, lift)]
        assert attack_evidence(kept, candidates, "a", one_sided=False)["void"] is void


def test_noise_is_not_caught(candidates: Candidates) -> None:
    everyone = torch.ones(len(candidates.audited), dtype=torch.bool)
    found = attack_evidence(shadows(candidates, everyone, 0.0), candidates, "a", one_sided=True)
    assert not found["caught"]
    assert found["within_gate"]


def test_the_bound_comes_from_the_first_shadow_alone(candidates: Candidates) -> None:
    everyone = torch.ones(len(candidates.audited), dtype=torch.bool)
    kept = shadows(candidates, everyone, 8.0)
    leaking = epsilon_evidence(kept, candidates, {"a": False}, 1e-5)
    assert leaking is not None
    assert leaking["correct"] >= leaking["guesses"] - 2  # coins rarely give exact halves
    assert 1.0 < leaking["value"] <= leaking["ceiling"]
    kept[0]["release.a"] = torch.randn(len(everyone), generator=torch.Generator().manual_seed(999))
    silent = epsilon_evidence(kept, candidates, {"a": False}, 1e-5)
    assert silent is not None
    assert silent["value"] < 0.5


def test_the_choice_of_attack_is_independent_of_the_evaluated_shadow(candidates: Candidates) -> None:
    everyone = torch.ones(len(candidates.audited), dtype=torch.bool)
    kept = shadows(candidates, everyone, 2.0, 8)
    chosen = []
    for members in (kept[0]["members"], ~kept[0]["members"]):
        first = {**kept[0], "members": members, "release.a": 1e6 * (members[candidates.audited].float() - 0.5)}
        found = epsilon_evidence([first, *kept[1:]], candidates, {"a": True}, 1e-5)
        assert found is not None
        chosen.append((found["attack"], found["guesses"]))
    assert chosen[0] == chosen[1]
    assert epsilon_evidence(kept[:3], candidates, {"a": True}, 1e-5) is None  # too few shadows to choose on


def test_there_is_no_bound_without_canaries(candidates: Candidates) -> None:
    none = Candidates(
        candidates.bank, candidates.units, "image", candidates.bank.labels, candidates.audited, candidates.outliers
    )
    assert epsilon_evidence(shadows(none, torch.zeros(150, dtype=torch.bool), 0, 3), none, {"a": True}, 1e-5) is None
