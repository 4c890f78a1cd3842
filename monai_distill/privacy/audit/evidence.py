"""From the kept shadows to figures: every attack on the release and on both controls, in every group of images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from .attack_figures import attack_figures
from .calibration import SOME_SHADOWS, calibrated
from .canary_bound import canary_bound, correct_guesses
from .candidates import Candidates

__all__ = ["attack_evidence", "epsilon_evidence", "scores_of", "within_gate"]

GATE = {"0.001": 0.005, "0.01": 0.03}  # a rate surely above this is a leak to stop for
SHARES = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02)  # of the canaries that are guessed


def within_gate(figures: Mapping[str, Any]) -> bool:
    """Whether no true positive rate is surely above the gate: 0.5 percent at 0.1 percent false positives, 3 at 1.

    Example:
        >>> within_gate({"tpr_at_fpr": {"0.01": {"value": 0.05, "low": 0.04, "high": 0.06}}})
        False
    """
    rates = figures["tpr_at_fpr"]
    return all(rates[rate]["low"] <= limit for rate, limit in GATE.items() if rate in rates)


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
    """One attack's figures on images with their own label, per group, and on the controls.

    ``caught``: it tells members from others by more than chance allows, in any group that is asked about (all,
    mislabelled, outliers; classes are shown only). ``void``: it caught nothing and missed the positive control too, so
    that it says nothing.
    """
    units = candidates.units[candidates.audited].numpy()
    odd = candidates.mislabelled[candidates.audited].numpy()
    outliers = candidates.outliers.numpy() & ~odd
    scores, members = scores_of(shadows, candidates, "release", attack, one_sided)
    groups = {"mislabelled": odd, "outliers": outliers}
    classes = {
        f"class {name}": ~odd & (candidates.true_labels[candidates.audited] == label).numpy()
        for label, name in enumerate(candidates.bank.class_names)
    }
    figures = attack_figures(scores[:, ~odd], members[:, ~odd], units[~odd])
    split = {
        name: attack_figures(scores[:, rows], members[:, rows], units[rows])
        for name, rows in {**groups, **classes}.items()
    }
    controls = {}
    for name in ("positive", "negative"):
        own, inside = scores_of(shadows, candidates, name, attack, one_sided)
        controls[f"{name}_control"] = attack_figures(own, inside, units)
    asked = [figures, *(split[name] for name in groups)]
    caught = any(each["seen"] for each in asked)
    online = not one_sided and len(shadows) >= SOME_SHADOWS
    return {
        **figures,
        "calibration": "online: with and without the image" if online else "offline: without the image",
        "groups": split,
        **controls,
        "void": not (caught or controls["positive_control"]["seen"]),
        "caught": caught,
        "within_gate": all(within_gate(each) for each in [*asked, *split.values()]),
    }


def epsilon_evidence(
    shadows: Sequence[Mapping[str, Tensor]], candidates: Candidates, attacks: Mapping[str, bool], delta: float
) -> dict[str, Any] | None:
    """Lower bound on epsilon from the mislabelled canaries of the first shadow, which nothing was chosen on.

    The attack and the number of guesses are those that are right most surely on the other shadows, whose scores are
    calibrated without the first: nothing of the run that is judged, who was in it least of all, has a part in them.

    Args:
        shadows: as kept.
        candidates: as drawn.
        attacks: whether each is one-sided.
        delta: of the claim.

    Returns:
        None without canaries, or with fewer than 4 shadows, of which the others would be too few to choose on.
    """
    odd = candidates.mislabelled[candidates.audited].numpy()
    canaries = int(odd.sum())
    if not canaries or len(shadows) < 4:
        return None
    guesses = sorted({max(1, int(canaries * share)) for share in SHARES}, reverse=True)

    def of_canaries(kept: Sequence[Mapping[str, Tensor]], name: str) -> Any:
        scores, members = scores_of(kept, candidates, "release", name, attacks[name])
        return scores[:, odd], members[:, odd]

    others = {name: of_canaries(shadows[1:], name) for name in attacks}

    def deviations(name: str, made: int) -> float:
        scores, members = others[name]
        correct = np.mean([correct_guesses(*run, made) for run in zip(scores, members, strict=True)])
        return float((correct - made / 2) / np.sqrt(made / 4))

    attack, made = max(((name, made) for name in others for made in guesses), key=lambda pair: deviations(*pair))
    scores, members = of_canaries(shadows, attack)
    truth = np.arange(canaries) % 2 == 0
    return {
        "value": canary_bound(scores[0], members[0], delta=delta, guesses=made),
        "ceiling": canary_bound(truth.astype(np.float64), truth, delta=delta),
        "delta": delta,
        "confidence": 0.95,
        "canaries": canaries,
        "guesses": made,
        "correct": correct_guesses(scores[0], members[0], made),
        "attack": attack,
    }
