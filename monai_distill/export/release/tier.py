"""What a release may claim: nothing, an audit that found nothing, or differential privacy with its figures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .audit_evidence import SAFE_STARTS, against_audited, findings

__all__ = ["ReleaseTier"]

NAMES = {"T0": "no claim", "T1": "audited", "T2": "differentially private"}
SLACK = 1e-6  # of an accountant's rounding
NOTHING = (
    "No claim is made. The set is derived from the training images, and traces of them may be visible or recoverable. "
    "For use inside the institution that holds those images."
)
WAY_OUT = "Pass --no_claim to export it at tier T0: a folder that says that nothing is promised, for internal use."


@dataclass(frozen=True)
class ReleaseTier:
    """The tier of a release and the one sentence that it promises; made by :meth:`of`.

    T0 claims nothing. T1: noise or public initial images, and an audit of this set that is not void and in which no
    attack succeeded (the lower end of its 95% interval above a true-positive rate of 3% at 1% false positives, or 0.5%
    at 0.1%), though one on membership could have: it caught its control, has a rate at 1% false positives, and was
    made on the run's own settings. T2: noise or public initial images, and a ledger of the delta and unit of the
    manifest that spent no more than its epsilon.

    Args:
        name: ``"T0"``, ``"T1"`` or ``"T2"``.
        statement: what is promised.
        why: what kept the set from a higher tier; empty at T2.
        unit: at T2, whose presence is protected: ``"patient"`` or ``"image"``.
        epsilon: at T2.
        delta: at T2.

    Example:
        >>> ReleaseTier.of({"initial_images": "real"}, None, None).name
        'T0'
    """

    name: str
    statement: str
    why: tuple[str, ...] = field(default=())
    unit: str | None = None
    epsilon: float | None = None
    delta: float | None = None

    @property
    def title(self) -> str:
        """Such as ``T1 (audited)``."""
        return f"{self.name} ({NAMES[self.name]})"

    @classmethod
    def of(
        cls, manifest: Mapping[str, Any], audit: Mapping[str, Any] | None, ledger: Mapping[str, Any] | None
    ) -> ReleaseTier:
        """The highest tier that the evidence allows.

        Args:
            manifest: of the run.
            audit: ``audit.json`` of the run, when there is one.
            ledger: ``ledger.json`` of the run, when there is one.

        Raises:
            ValueError: when the manifest speaks of T2 and the ledger does not bear it out, or the audit refutes it.
        """
        if (manifest.get("privacy") or {}).get("tier") == "T2":
            return _guaranteed(manifest, audit, ledger)
        why = against_audited(manifest, audit)
        if why or audit is None:
            return cls("T0", NOTHING, tuple(why))
        outcome = ". ".join(f"An attack that {kind}: {', '.join(found)}" for kind, found in findings(audit).items())
        said = (
            f"Attacked with {audit['shadows']} shadow sets. {outcome}. No guarantee: that attacks failed does not show "
        )
        return cls("T1", f"{said}that no attack succeeds.", ("no differential privacy",))

    def require(self, no_claim: bool) -> None:
        """Refuse a set of which nothing can be promised, unless that is wanted.

        Raises:
            ValueError: at T0 without ``no_claim``.
        """
        if self.name == "T0" and not no_claim:
            raise ValueError(f"No claim can be made for this set: {'; '.join(self.why)}. {WAY_OUT}")

    def config(self) -> dict[str, Any]:
        """As ``manifest.json`` keeps it under ``privacy``."""
        return {
            "tier": self.name,
            "unit": self.unit,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "statement": self.statement,
        }


def bounds(epsilon: float, delta: float) -> dict[str, float]:
    """The largest true-positive rate of any membership attack at two false-positive rates."""
    limits = {}
    for fpr in (0.001, 0.01):
        grown = math.exp(min(epsilon, 700.0)) * fpr + delta
        limits[str(fpr)] = min(1.0, grown, 1 - math.exp(-epsilon) * (1 - delta - fpr))
    return limits


def _guaranteed(
    manifest: Mapping[str, Any], audit: Mapping[str, Any] | None, ledger: Mapping[str, Any] | None
) -> ReleaseTier:
    said, start = manifest["privacy"], manifest.get("initial_images")
    if not ledger or not ledger.get("events") or not ledger.get("accountant"):
        raise ValueError(
            "The manifest speaks of T2, but no ledger.json with events and accountant is there. Distil anew."
        )
    if start not in SAFE_STARTS:
        raise ValueError(
            f"The manifest speaks of T2, but its initial images are {start}. Distil from noise or public ones."
        )
    wrong = disagreement(said, ledger)
    if wrong:
        raise ValueError(f"{wrong} The two are of different runs: run the distillation anew.")
    epsilon, delta, unit = float(said["epsilon"]), float(said["delta"]), str(said["unit"])
    lower = (audit or {}).get("epsilon_lower_bound")
    if (audit or {}).get("claim_refuted") or (lower is not None and lower > epsilon):
        raise ValueError(
            f"The audit shows that epsilon is at least {lower}, the manifest claims {epsilon}: the mechanism is broken "
            "and nothing of this run may be released."
        )
    weaker = "" if unit == "patient" else " (weaker than a patient: nothing is said of patients with several images)"
    statement = (
        f"Differentially private with epsilon {epsilon:g}, delta {delta:g}; unit: one {unit}{weaker}; accountant: "
        f"{ledger['accountant']}. The guarantee covers this unit and mechanism under the assumptions listed, and is no "
        "legal determination."
    )
    return ReleaseTier("T2", statement, (), unit, epsilon, delta)


def disagreement(said: Mapping[str, Any], ledger: Mapping[str, Any]) -> str:
    """How a promise and its ledger disagree; empty when they do not. A ledger may have spent less than is promised.

    Args:
        said: ``epsilon``, ``delta`` and ``unit`` as promised.
        ledger: with what was spent.
    """
    for key in ("delta", "unit", "epsilon"):
        promised, spent = said.get(key), ledger.get(key)
        if promised is None or spent is None or (spent > promised + SLACK if key == "epsilon" else spent != promised):
            return f"Expected the {key} of the manifest in ledger.json, got {promised} and {spent}."
    if not (0 < said["epsilon"] < math.inf and 0 < said["delta"] < 1 and said["unit"] in ("patient", "image")):
        return f"Expected epsilon > 0, 0 < delta < 1 and a unit, got {[said[k] for k in ('epsilon', 'delta', 'unit')]}."
    return ""
