"""What a release may claim: nothing, an audit that found nothing, or differential privacy with its figures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ReleaseTier"]

NAMES = {"T0": "no claim", "T1": "audited", "T2": "differentially private"}
# an attack has succeeded when even the lower end of its interval is above: false-positive rate -> true-positive rate
SUCCESS = {0.001: 0.005, 0.01: 0.03}
NOTHING = (
    "No claim is made. The set is derived from the training images, and traces of them may be visible or recoverable. "
    "For use inside the institution that holds those images."
)
WAY_OUT = "Pass --no_claim to export it at tier T0: a folder that says that nothing is promised, for internal use."


@dataclass(frozen=True)
class ReleaseTier:
    """The tier of a release and the one sentence that it promises; made by :meth:`of`.

    T0 claims nothing. T1: noise or public initial images, and an audit that is not void and in which no attack
    succeeded (an attack succeeds when the lower end of its 95% interval is above a true-positive rate of 3% at 1% false
    positives, or of 0.5% at 0.1%). T2: a ledger whose epsilon, delta and unit are those of the manifest.

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
            return _guaranteed(manifest["privacy"], audit, ledger)
        why = _against_audited(manifest, audit)
        if why or audit is None:
            return cls("T0", NOTHING, tuple(why))
        attacks = ", ".join(power(name, attack) for name, attack in audit["attacks"].items())
        said = (
            f"These attacks were run against {audit['shadows']} shadow sets and found no member at this power: "
            f"{attacks}. No guarantee: that they failed does not show that no attack succeeds."
        )
        return cls("T1", said, ("no differential privacy",))

    def config(self) -> dict[str, Any]:
        """As ``manifest.json`` keeps it under ``privacy``."""
        return {
            "tier": self.name,
            "unit": self.unit,
            "epsilon": self.epsilon,
            "delta": self.delta,
            "statement": self.statement,
        }


def power(name: str, attack: Mapping[str, Any]) -> str:
    """An attack in words: its AUC and its true-positive rates with their intervals."""
    rates = [
        f"TPR {rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}] at {float(fpr):.1%} FPR"
        for fpr, rate in attack.get("tpr_at_fpr", {}).items()
    ]
    return f"{name} (AUC {attack['auc']:.3f}{''.join(f'; {rate}' for rate in rates)})"


def bounds(epsilon: float, delta: float) -> dict[str, float]:
    """The largest true-positive rate of any membership attack at two false-positive rates."""
    limits = {}
    for fpr in (0.001, 0.01):
        grown = math.exp(min(epsilon, 700.0)) * fpr + delta
        limits[str(fpr)] = min(1.0, grown, 1 - math.exp(-epsilon) * (1 - delta - fpr))
    return limits


def _against_audited(manifest: Mapping[str, Any], audit: Mapping[str, Any] | None) -> list[str]:
    why = []
    start = manifest.get("initial_images", "unknown")
    if start not in ("noise", "public"):
        why.append(f"initial images: {start}, whose traces stay visible (noise or public images are needed)")
    if audit is None:
        why.append("no audit.json: run `monai-distill audit RUN`")
    elif audit["void"]:
        why.append(f"the audit is void: {audit.get('why_void')}")
    elif not audit["attacks"]:
        why.append("the audit ran no attack")
    else:
        why += [
            f"the attack {power(name, attack)} succeeded"
            for name, attack in audit["attacks"].items()
            if any(rate["low"] > SUCCESS.get(float(f), 1.0) for f, rate in attack.get("tpr_at_fpr", {}).items())
        ]
    return why


def _guaranteed(
    said: Mapping[str, Any], audit: Mapping[str, Any] | None, ledger: Mapping[str, Any] | None
) -> ReleaseTier:
    if not ledger or not ledger.get("events"):
        raise ValueError(
            "The manifest speaks of T2, but there is no ledger.json with events. Run the distillation anew."
        )
    for key in ("epsilon", "delta", "unit"):
        if said.get(key) is None or said[key] != ledger.get(key):
            raise ValueError(
                f"Expected the {key} of the manifest in ledger.json, got {said.get(key)} and {ledger.get(key)}. "
                "The two are of different runs: run the distillation anew."
            )
    epsilon, delta, unit = float(said["epsilon"]), float(said["delta"]), str(said["unit"])
    if not (0 < epsilon < math.inf and 0 < delta < 1) or unit not in ("patient", "image"):
        raise ValueError(f"Expected epsilon > 0, 0 < delta < 1 and a unit, got {epsilon}, {delta} and {unit!r}.")
    lower = (audit or {}).get("epsilon_lower_bound")
    if lower is not None and lower > epsilon:
        raise ValueError(
            f"The audit shows that epsilon is at least {lower}, the ledger claims {epsilon}: the mechanism is broken. "
            "Nothing of this run may be released."
        )
    weaker = "" if unit == "patient" else " (weaker than a patient: nothing is said of patients with several images)"
    statement = (
        f"Differentially private with epsilon {epsilon:g}, delta {delta:g}; unit: one {unit}{weaker}; accountant: "
        f"{ledger.get('accountant')}. The guarantee covers this unit and mechanism under the assumptions listed, and "
        "is no legal determination."
    )
    return ReleaseTier("T2", statement, (), unit, epsilon, delta)
