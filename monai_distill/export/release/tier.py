"""The tier of a release: no claim, audited, or differentially private with its figures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monai_distill.claims.tier import tier_of

from .audit_evidence import direct_findings, findings, released_audit

__all__ = ["ReleaseTier"]

NAMES = {"T0": "no claim", "T1": "audited", "T2": "differentially private"}
NO_CLAIM = (
    "No claim is made. The set is derived from the training images. Traces of them may be visible or recoverable. "
    "Use it only inside the institution that holds those images."
)
ADVICE = "Pass --no_claim to export it at tier T0, for internal use: the folder then says that nothing is claimed."


@dataclass(frozen=True)
class ReleaseTier:
    """The tier of a release and the statement that goes with it; made by :meth:`of`.

    :func:`~monai_distill.claims.tier_of` decides; this class puts the decision into words.

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
        # names of attributes are numbered there, and the recipient decides by the same figures
        tier = tier_of(manifest, None if audit is None else released_audit(audit), ledger)
        if tier.claimed == "T2" and tier.refused:
            raise ValueError(f"The manifest claims T2, but its files do not support that: {'; '.join(tier.reasons)}.")
        if tier.name == "T2" and ledger is not None:
            return _guaranteed(manifest, ledger)
        if tier.name == "T0" or audit is None:
            return cls("T0", NO_CLAIM, tier.reasons)
        outcomes = " ".join(f"Attack that {outcome}: {', '.join(found)}." for outcome, found in findings(audit).items())
        statement = (
            "The job was repeated on random halves of the training images, and the results were attacked "
            f"({audit['shadows']} shadow sets). {outcomes} {' '.join(direct_findings(audit))} This is no guarantee: a "
            "failed attack does not show that every attack fails."
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


def _guaranteed(manifest: Mapping[str, Any], ledger: Mapping[str, Any]) -> ReleaseTier:
    claim = manifest["privacy"]
    epsilon, delta, unit = float(claim["epsilon"]), float(claim["delta"]), str(claim["unit"])
    weaker = " An image is a weaker unit than a patient: a patient with several images is protected less."
    statement = (
        f"Differentially private with epsilon {epsilon:g} and delta {delta:g}. Unit: one {unit}. Accountant: "
        f"{ledger['accountant']}.{'' if unit == 'patient' else weaker} The guarantee covers this unit and this "
        "mechanism under the assumptions that privacy_report.md lists as known gaps. It is not a legal determination."
    )
    return ReleaseTier("T2", statement, (), unit, epsilon, delta)
