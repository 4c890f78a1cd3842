"""Figures of every attack on the release and on both controls, in every group of images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from monai_distill.claims.audit_evidence import within_gate

from .attack_figures import attack_figures
from .calibration import SOME_SHADOWS, calibrated
from .canary_bound import canary_bound, correct_guesses
from .candidates import Candidates

__all__ = ["attack_evidence", "epsilon_evidence", "scores_of"]

SHARES = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02)  # of the canaries for which a guess is made


def scores_of(
    shadows: Sequence[Mapping[str, Tensor]], candidates: Candidates, release: str, attack: str, one_sided: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Calibrated scores and memberships [shadows, audited] of one attack on one kind of release."""
    statistics = np.stack([shadow[f"{release}.{attack}"].double().numpy() for shadow in shadows])
    members = np.stack([shadow["members"][candidates.audited].bool().numpy() for shadow in shadows])
    return calibrated(statistics, members, one_sided=one_sided), members


def attack_evidence(
    shadows: Sequence[Mapping[str, Tensor]], candidates: Candidates, attack: str, one_sided: bool
) -> dict[str, Any]:
    """Figures of one attack on images with their true label, per group, and on the controls.

    ``caught`` is True if the attack found members beyond chance among all images, canaries or outliers; classes are
    reported only. ``void`` is True if it found no members and missed the positive control too, so that its failure
    proves nothing.
    """
    units = candidates.units[candidates.audited].numpy()
    canary = candidates.mislabelled[candidates.audited].numpy()
    outliers = candidates.outliers.numpy() & ~canary
    scores, members = scores_of(shadows, candidates, "release", attack, one_sided)
    groups = {"mislabelled": canary, "outliers": outliers}
    classes = {
        f"class {name}": ~canary & (candidates.true_labels[candidates.audited] == label).numpy()
        for label, name in enumerate(candidates.bank.class_names)
    }
    figures = attack_figures(scores[:, ~canary], members[:, ~canary], units[~canary])
    split = {
        name: attack_figures(scores[:, rows], members[:, rows], units[rows])
        for name, rows in {**groups, **classes}.items()
    }
    controls = {}
    for name in ("positive", "negative"):
        control_scores, control_members = scores_of(shadows, candidates, name, attack, one_sided)
        controls[f"{name}_control"] = attack_figures(control_scores, control_members, units)
    tested = [figures, *(split[name] for name in groups)]
    caught = any(each["seen"] for each in tested)
    online = not one_sided and len(shadows) >= SOME_SHADOWS
    return {
        **figures,
        "calibration": "online: with and without the image" if online else "offline: without the image",
        "groups": split,
        **controls,
        "void": not (caught or controls["positive_control"]["seen"]),
        "caught": caught,
        "within_gate": all(within_gate(each) for each in [*tested, *split.values()]),
    }


def epsilon_evidence(
    shadows: Sequence[Mapping[str, Tensor]], candidates: Candidates, attacks: Mapping[str, bool], delta: float
) -> dict[str, Any] | None:
    """Lower bound on epsilon from the canaries of the first shadow.

    Attack and number of guesses are chosen on the other shadows only, so the choice is independent of the evaluated
    shadow.

    Args:
        shadows: tensors of every shadow.
        candidates: attacked images.
        attacks: by name, whether the attack is one-sided.
        delta: of the claim.

    Returns:
        None without canaries, or with fewer than 4 shadows, which would leave too few to choose on.
    """
    canary = candidates.mislabelled[candidates.audited].numpy()
    canaries = int(canary.sum())
    if not canaries or len(shadows) < 4:
        return None
    guesses = sorted({max(1, int(canaries * share)) for share in SHARES}, reverse=True)

    def of_canaries(chosen: Sequence[Mapping[str, Tensor]], name: str) -> Any:
        scores, members = scores_of(chosen, candidates, "release", name, attacks[name])
        return scores[:, canary], members[:, canary]

    others = {name: of_canaries(shadows[1:], name) for name in attacks}

    def deviations(name: str, count: int) -> float:
        scores, members = others[name]
        correct = np.mean([correct_guesses(*run, count) for run in zip(scores, members, strict=True)])
        return float((correct - count / 2) / np.sqrt(count / 4))

    attack, count = max(((name, count) for name in others for count in guesses), key=lambda pair: deviations(*pair))
    scores, members = of_canaries(shadows, attack)
    truth = np.arange(canaries) % 2 == 0
    return {
        "value": canary_bound(scores[0], members[0], delta=delta, guesses=count),
        "ceiling": canary_bound(truth.astype(np.float64), truth, delta=delta),
        "delta": delta,
        "confidence": 0.95,
        "canaries": canaries,
        "guesses": count,
        "correct": correct_guesses(scores[0], members[0], count),
        "attack": attack,
    }
