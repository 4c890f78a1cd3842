"""The privacy tier of a set: the one decision that report, release, audit and verification share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .audit_evidence import attack_reasons

__all__ = ["LARGEST_DELTA", "Tier", "is_of_this_set", "tier_of"]

Record = Mapping[str, Any]
SAFE_STARTS = ("noise",)  # initial images that contain no training image
UNITS = ("patient", "image")
ROUNDING = 1e-6  # of an accountant
LARGEST_DELTA = 0.01  # publishing one record in a hundred unchanged would satisfy a larger one


class Tier(NamedTuple):
    """The tier of a set.

    Attributes:
        name: ``"T0"`` (no claim), ``"T1"`` (audited) or ``"T2"`` (differentially private).
        reasons: why the set has no higher tier, one clause each; empty at T2. If the manifest claims a tier that its
            files do not support, the reasons against that tier.
        claimed: tier that the manifest claims; T0 if it claims none.
    """

    name: str
    reasons: tuple[str, ...]
    claimed: str = "T0"

    @property
    def refused(self) -> bool:
        """Whether the manifest claims a tier that its files do not support."""
        return self.claimed not in ("T0", self.name)


def tier_of(manifest: Record, audit: Record | None, ledger: Record | None) -> Tier:
    """Decide the tier of a set from its files.

    T2 requires initial images from noise, a ledger of this set with events and accountant, the same delta and unit in
    manifest and ledger, an epsilon of the ledger that is at most the manifest's, and no audit that refutes it. T1
    requires initial images from noise and an audit of this set, on the run's own settings, that is not void; at least
    one membership attack that could succeed; no attack that did; no copies. Everything else is T0. A manifest that
    claims T2 without support is T0, whatever its audit shows. A file that lacks a field supports nothing.

    Args:
        manifest: of the run or of the release.
        audit: content of ``audit.json``; None or empty without an audit.
        ledger: content of ``ledger.json``; None or empty without a ledger.

    Example:
        >>> tier_of({"initial_images": "real"}, None, None).name
        'T0'
    """
    claimed = str((manifest.get("privacy") or {}).get("tier", "T0"))
    if claimed not in ("T0", "T1", "T2"):
        return Tier("T0", (f"the tier {claimed!r} is unknown",), claimed)
    check = _against_t2(manifest, audit or {}, ledger or {}) if claimed == "T2" else _against_t1(manifest, audit or {})
    try:
        reasons = tuple(check)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reasons = (f"a file of the set is incomplete ({type(error).__name__}: {error})",)
    if reasons:
        return Tier("T0", reasons, claimed)
    return Tier("T2", (), claimed) if claimed == "T2" else Tier("T1", ("the set has no differential privacy",), claimed)


def is_of_this_set(evidence: Record, manifest: Record) -> bool:
    """Whether an audit or a ledger names the checksum of this set.

    The checksum of a release is that of its run's tensors, unless class numbers took the place of learned labels; then
    the checksum of the images decides.

    Args:
        evidence: an audit or a ledger.
        manifest: of the run or of the release.

    Example:
        >>> is_of_this_set({"set_sha256": "a", "images_sha256": "i"}, {"sha256": "a"})
        True
        >>> reduced = {"sha256": "b", "release": {"labels_reduced": True, "images_sha256": "i"}}
        >>> is_of_this_set({"set_sha256": "a", "images_sha256": "i"}, reduced)
        True
    """
    release = manifest.get("release") or {}
    reduced = bool(release.get("labels_reduced"))
    named, own = (
        (evidence.get("images_sha256"), release.get("images_sha256"))
        if reduced
        else (evidence.get("set_sha256"), manifest.get("sha256"))
    )
    return named is not None and named == own


def _against_start(manifest: Record) -> Iterator[str]:
    start = manifest.get("initial_images", "unknown")
    if start not in SAFE_STARTS:
        yield f"the initial images are {start}, and traces of real images stay visible; noise is required"


def _against_t1(manifest: Record, audit: Record) -> Iterator[str]:
    yield from _against_start(manifest)
    if not audit:
        yield "there is no audit of this set: run `monai-distill audit RUN`"
        return
    if not is_of_this_set(audit, manifest):
        yield "the audit is of another set: run `monai-distill audit RUN` again"
        return
    if audit["shadow_settings"]:
        yield "the audit's shadows used other settings than the run, so that another job was attacked"
    yield from attack_reasons(audit)


def _against_t2(manifest: Record, audit: Record, ledger: Record) -> Iterator[str]:
    yield from _against_start(manifest)
    if not ledger.get("events") or not ledger.get("accountant"):
        yield "there is no ledger with events and accountant: run the distillation again"
        return
    if not is_of_this_set(ledger, manifest):
        yield "the ledger is of another set: the images were changed, or the ledger is that of another run"
    claim = manifest["privacy"]
    epsilon, delta, unit = claim["epsilon"], claim["delta"], claim["unit"]
    if not (_is_number(epsilon) and epsilon > 0 and _is_number(delta) and 0 < delta < 1 and unit in UNITS):
        yield (
            f"Expected epsilon above 0, delta between 0 and 1 and the unit patient or image, got {epsilon}, {delta} "
            f"and {unit}"
        )
        return
    if delta > LARGEST_DELTA:
        yield f"delta {delta:g} is above {LARGEST_DELTA:g}: publishing that share of the records would satisfy it"
    for name in ("delta", "unit"):
        if ledger[name] != claim[name]:
            yield f"the {name} of the manifest is {claim[name]}, the {name} of the ledger is {ledger[name]}"
    if not (_is_number(ledger["epsilon"]) and 0 <= ledger["epsilon"] <= epsilon + ROUNDING):
        yield f"the manifest claims epsilon {epsilon}, the ledger spent {ledger['epsilon']}"
    lower = audit.get("epsilon_lower_bound")
    if audit.get("claim_refuted") or (lower is not None and not lower <= epsilon):
        yield (
            f"the audit shows that epsilon is at least {lower}, the manifest claims {epsilon}: the mechanism is "
            "broken, and nothing of this run may be released"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
