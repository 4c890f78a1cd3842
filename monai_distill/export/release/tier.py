"""The tier of a release: no claim, audited, or differentially private with its figures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .audit_evidence import SAFE_STARTS, findings, reasons_against_t1

__all__ = ["ReleaseTier"]

NAMES = {"T0": "no claim", "T1": "audited", "T2": "differentially private"}
SLACK = 1e-6  # rounding of an accountant
NO_CLAIM = (
    "No claim is made. The set is derived from the training images. Traces of them may be visible or recoverable. "
    "Use it only inside the institution that holds those images."
)
ADVICE = "Pass --no_claim to export it at tier T0, for internal use: the folder then says that nothing is claimed."


@dataclass(frozen=True)
class ReleaseTier:
    """The tier of a release and the statement that goes with it; made by :meth:`of`.

    T0 claims nothing. T1 requires initial images from noise and a valid audit of this set. No attack may succeed: an
    attack succeeds if the lower end of its 95% interval is above a true-positive rate of 3% at 1% false positives, or
    0.5% at 0.1%. At least one attack on membership must have found its known leak, must have a rate at 1% false
    positives, and must have used the settings of the run. T2 requires initial images from noise, and a ledger with the
    delta and unit of the manifest that spent at most its epsilon.

    Args:
        name: ``"T0"``, ``"T1"`` or ``"T2"``.
        statement: the claim in words.
        why: reasons against a higher tier; empty at T2.
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
        """Name and meaning, such as ``T1 (audited)``."""
        return f"{self.name} ({NAMES[self.name]})"

    @classmethod
    def of(
        cls, manifest: Mapping[str, Any], audit: Mapping[str, Any] | None, ledger: Mapping[str, Any] | None
    ) -> ReleaseTier:
        """The highest tier that the evidence allows.

        Args:
            manifest: of the run.
            audit: content of ``audit.json``; None without an audit.
            ledger: content of ``ledger.json``; None without a ledger.

        Raises:
            ValueError: if the manifest claims T2 and the ledger does not support it, or the audit refutes it.
        """
        if (manifest.get("privacy") or {}).get("tier") == "T2":
            return _guaranteed(manifest, audit, ledger)
        why = reasons_against_t1(manifest, audit)
        if why or audit is None:
            return cls("T0", NO_CLAIM, tuple(why))
        outcomes = " ".join(f"Attack that {outcome}: {', '.join(found)}." for outcome, found in findings(audit).items())
        statement = (
            f"The set was attacked with {audit['shadows']} shadow sets. {outcomes} This is no guarantee: a failed "
            "attack does not show that every attack fails."
        )
        return cls("T1", statement, ("the set has no differential privacy",))

    def require(self, no_claim: bool) -> None:
        """Refuse a set at tier T0 unless ``no_claim`` is set.

        Raises:
            ValueError: at T0 without ``no_claim``.
        """
        if self.name == "T0" and not no_claim:
            raise ValueError(f"No claim can be made for this set: {'; '.join(self.why)}. {ADVICE}")

    def config(self) -> dict[str, Any]:
        """The value of ``privacy`` in ``manifest.json``."""
        return {
            "tier": self.name,
            "unit": self.unit,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "statement": self.statement,
        }


def bounds(epsilon: float, delta: float) -> dict[str, float]:
    """Largest true-positive rate of any membership attack, by false-positive rate."""
    limits = {}
    for fpr in (0.001, 0.01):
        grown = math.exp(min(epsilon, 700.0)) * fpr + delta
        limits[str(fpr)] = min(1.0, grown, 1 - math.exp(-epsilon) * (1 - delta - fpr))
    return limits


def _guaranteed(
    manifest: Mapping[str, Any], audit: Mapping[str, Any] | None, ledger: Mapping[str, Any] | None
) -> ReleaseTier:
    claim, start = manifest["privacy"], manifest.get("initial_images")
    if not ledger or not ledger.get("events") or not ledger.get("accountant"):
        raise ValueError(
            "The manifest claims T2, but there is no ledger.json with events and accountant. Run the distillation "
            "again."
        )
    if start not in SAFE_STARTS:
        raise ValueError(f"The manifest claims T2, but its initial images are {start}. Distill with noise.")
    difference = disagreement(claim, ledger)
    if difference:
        raise ValueError(f"{difference} The two belong to different runs: run the distillation again.")
    epsilon, delta, unit = float(claim["epsilon"]), float(claim["delta"]), str(claim["unit"])
    lower = (audit or {}).get("epsilon_lower_bound")
    if (audit or {}).get("claim_refuted") or (lower is not None and lower > epsilon):
        raise ValueError(
            f"The audit shows that epsilon is at least {lower}, the manifest claims {epsilon}. The mechanism is "
            "broken: nothing of this run may be released."
        )
    weaker = " An image is a weaker unit than a patient: patients with several images are not covered."
    statement = (
        f"Differentially private with epsilon {epsilon:g} and delta {delta:g}. Unit: one {unit}. Accountant: "
        f"{ledger['accountant']}.{'' if unit == 'patient' else weaker} The guarantee covers this unit and this "
        "mechanism under the listed assumptions. It is not a legal determination."
    )
    return ReleaseTier("T2", statement, (), unit, epsilon, delta)


def disagreement(claim: Mapping[str, Any], ledger: Mapping[str, Any]) -> str:
    """How a claim differs from its ledger; empty if they agree. A ledger may have spent less than the claim.

    Args:
        claim: ``epsilon``, ``delta`` and ``unit`` as claimed.
        ledger: ``epsilon``, ``delta`` and ``unit`` as spent.
    """
    for key in ("delta", "unit", "epsilon"):
        claimed, spent = claim.get(key), ledger.get(key)
        if claimed is None or spent is None or (spent > claimed + SLACK if key == "epsilon" else spent != claimed):
            return f"Expected the {key} of the manifest in ledger.json, got {claimed} and {spent}."
    if not (0 < claim["epsilon"] < math.inf and 0 < claim["delta"] < 1 and claim["unit"] in ("patient", "image")):
        figures = [claim[key] for key in ("epsilon", "delta", "unit")]
        return f"Expected epsilon > 0, 0 < delta < 1 and the unit patient or image, got {figures}."
    return ""
