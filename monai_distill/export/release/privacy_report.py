"""The privacy report of a release: claim, evidence and limits, as JSON for programs and Markdown for people."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from monai_distill import __version__

from .audit_evidence import OUTCOMES, direct_findings, findings, released_audit
from .license import Owner
from .manifest import start
from .tier import ReleaseTier, bounds

__all__ = ["guarantee", "next_review", "privacy_report", "report_markdown"]

SCHEMA = 2
NON_CLAIMS = (
    "Distillation alone protects nobody: the synthetic images are derived from the training images.",
    "A failed attack does not show that every attack fails.",
    "Nothing here is a legal determination (HIPAA, GDPR or any other law). It is evidence for those who decide.",
    "Text inside an image is not searched for. Persons are not recognized from the image itself.",
)


THREATS = (
    "The attacker has the whole folder, the code, the network, every setting, public data of the same kind, and the "
    "record of a candidate. The attacker wants to know whether the candidate is among the training images, to infer an "
    "attribute of the candidate, or to reconstruct or link an image."
)
SEARCHED = (
    "names of patients and source files, absolute paths, names of the machine and its user, EXIF data, pickles, DICOM "
    "names and identifiers"
)
GAPS = (
    "Floating-point noise is not exact Gaussian noise.",
    "Side channels, and processing of the images before this program read them, are not covered.",
    "The scores are measured on held-out real images. No guarantee covers those images.",
    "Releases about the same patients add up. Use one ledger per site.",
    "The guarantee treats as public: class names, image size, the kind of stored values, settings, and a given split.",
    "It also treats as public that every class has an image.",
)
UNIT_GAPS = {
    "patient": "A patient is what the owner's data name so. One person under two names counts as two.",
    "image": "A patient with several images is protected less than one image.",
}
FIGURES = (
    "AUC 0.5 is chance. TPR is the share of members that the attack finds while it wrongly accuses the given share of "
    "others (FPR); the same share is chance. Brackets: 95% intervals. The known leak is a set of training images."
)
TESTED_AT_T2 = (
    "No attack was run.",
    "An audit was run. Its figures are computed on real images and stay with the owner.",
)
WEAK_FROM, WEAK = 0.5, ("At this epsilon the bound on membership attacks is high: it excludes few of them.",)
TITLES = {
    "hipaa evidence not a determination": "HIPAA: evidence, not a determination",
    "not claimed": "Limits of every release",
    "singling out linkability inference": "Singling out, linkability, inference",
    "words": "Known words",
    "weak": "Of these, short words (searched only next to a word like patient)",
}
IDENTIFIERS = {
    "A names": "searched for, if the table of the run lists patients",
    "B geographic subdivisions": "the export writes no such field",
    "C dates": "the export writes only its own date and that of the next review",
    "D-F telephone, fax, e-mail": "the export writes none; the owner's texts can hold them",
    "G-M numbers (social security, record, plan, account, certificate, vehicle, device)": (
        "record numbers are searched for, if the table of the run lists them; DICOM identifiers are searched for"
    ),
    "N-O web and network addresses": (
        "the export writes only addresses of licenses and schemas; the name of its machine is searched for"
    ),
    "P biometric identifiers": "not assessed: an image can be one, and a synthetic image can resemble it",
    "Q full-face photographs and comparable images": "not assessed: deface head scans before distillation",
    "R any other unique characteristic": "see the adversarial testing above",
}


def privacy_report(
    manifest: Mapping[str, Any],
    tier: ReleaseTier,
    owner: Owner,
    *,
    audit: Mapping[str, Any] | None,
    ledger: Mapping[str, Any] | None,
    searched: Mapping[str, int],
) -> dict[str, Any]:
    """The report as plain JSON values.

    The headings follow ISO/IEC 27559:2022. The part on HIPAA lists evidence for 45 CFR 164.514(b) and decides nothing.

    Args:
        manifest: of the release.
        tier: of the release.
        owner: who is responsible.
        audit: of the run. At T2 its figures are left out: they come from real images and would be another release.
        ledger: of the run, at T2.
        searched: rounded numbers of words in the last scan: ``words``, and of these ``weak`` ones, which are found only
            next to a word like "patient". Empty at T2, because they follow the number of patients and files.
    """
    today = datetime.date.today()
    return {
        "schema_version": SCHEMA,
        "generator": f"monai_distill {__version__}",
        "date": today.isoformat(),
        "published_by": owner.publisher,
        "tier": tier.config(),
        "against_a_higher_tier": list(tier.why),
        "not_claimed": list(NON_CLAIMS),
        "context_assessment": {"recipient": owner.recipient, "terms": "see LICENSE", "threats": THREATS},
        "data_assessment": _data(manifest),
        "identifiability_assessment": {
            "guarantee": guarantee(tier, ledger),
            "adversarial_testing": _tested(tier, audit),
            "singling_out_linkability_inference": _opinion_questions(tier, audit),
            "scan": {**searched, "for": SEARCHED, "result": "nothing found"},
        },
        "mitigation": _mitigation(manifest, tier),
        "governance": {
            "before_release": "The export checked tier, license and scan, and scored every trainable file.",
            "after_release": "The recipient can check the folder with `monai-distill verify DIR`.",
            "review_by": next_review(today).isoformat(),
        },
        "hipaa_evidence_not_a_determination": IDENTIFIERS,
    }


def report_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown: every heading and value of the JSON, in its order; the claim stands once, at the top."""
    lines = [f"# Privacy report: {report['tier']['tier']}", "", report["tier"]["statement"], ""]
    figures = {key: value for key, value in report["tier"].items() if key != "statement"}
    for key, value in {**report, "tier": figures}.items():
        lines += [f"## {_title(key)}", "", *_rows(value), ""]
    return "\n".join(lines)


def guarantee(tier: ReleaseTier, ledger: Mapping[str, Any] | None) -> Any:
    """Figures of the guarantee; they follow from the ledger alone, so ``verify`` makes them again and compares."""
    if tier.epsilon is None or tier.delta is None or ledger is None:
        return "none"
    limits = {f"at {float(f):.1%} false positives": limit for f, limit in bounds(tier.epsilon, tier.delta).items()}
    return {
        "epsilon": tier.epsilon,
        "delta": tier.delta,
        "unit": tier.unit,
        "accountant": ledger.get("accountant"),
        "events": len(ledger["events"]),
        "ledger": "dp_ledger.json",
        "largest_true_positive_rate_of_any_membership_attack": limits,
        "known_gaps": [*GAPS, UNIT_GAPS[tier.unit or "image"], *(WEAK if max(limits.values()) > WEAK_FROM else ())],
    }


def next_review(day: datetime.date) -> datetime.date:
    """The day of the next review, a year after the release.

    Example:
        >>> str(next_review(datetime.date(2026, 11, 30)))
        '2027-11-28'
    """
    return day.replace(year=day.year + 1, day=min(day.day, 28))


def _rows(value: Any, depth: int = 0) -> list[str]:
    indent = "  " * depth
    if isinstance(value, Mapping):
        rows = []
        for key, inner in value.items():
            nested = isinstance(inner, Mapping | list) and bool(inner)
            rows.append(f"{indent}- {_title(key)}:{'' if nested else f' {_plain(inner)}'}")
            rows += _rows(inner, depth + 1) if nested else []
        return rows
    if isinstance(value, list):
        return [f"{indent}- {_plain(item)}" for item in value] or ["none"]
    return [_plain(value)]


def _plain(value: Any) -> str:
    return "none" if value in (None, [], {}) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _title(key: str) -> str:
    text = key.replace("_", " ")
    return TITLES.get(text, text[:1].upper() + text[1:])


def _data(manifest: Mapping[str, Any]) -> dict[str, Any]:
    source = manifest["source"]
    return {
        "source": source["name"],
        "principals": "the persons whose images were distilled",
        "training_images_rounded": source["training_images_rounded"] or "not released",
        "synthetic_images": manifest["images"].get("decoded", manifest["images"]["count"]),
        "initial_images": start(manifest),
        "labels": manifest["labels"],
        "warnings": manifest["release"]["warnings"],
    }


def _tested(tier: ReleaseTier, audit: Mapping[str, Any] | None) -> Any:
    if audit is None:
        return TESTED_AT_T2[0]
    if tier.name == "T2":
        return TESTED_AT_T2[1]
    if audit["void"]:
        return f"An audit was run and is void: {released_audit(audit)['why_void']}"
    return {
        "shadow_sets": audit["shadows"],
        "figures": FIGURES,
        **findings(audit),
        "the_set_itself": direct_findings(audit),
    }


def _opinion_questions(tier: ReleaseTier, audit: Mapping[str, Any] | None) -> dict[str, str] | str:
    """The three questions of WP29 Opinion 05/2014 and the attacks that test them."""
    if tier.name == "T2":
        return "bounded by the guarantee, as its rates say; results of attacks, where any ran, stay with the owner"
    outcomes = {} if audit is None or audit["void"] else findings(audit)
    valid = [attack for outcome, attacks in outcomes.items() if outcome != OUTCOMES["blind"] for attack in attacks]
    names = [attack.partition(" (")[0] for attack in valid]

    def tested(*parts: str) -> str:
        tests = [name for name in names if any(part in name.lower() for part in parts)]
        return f"tested by {', '.join(tests)}" if tests else "not tested"

    return {
        "singling_out": tested("nearest", "feature", "lira", "confidence", "gradient", "matching", "member"),
        "linkability": tested("copy", "copies", "link"),
        "inference": tested("attribute"),
    }


def _mitigation(manifest: Mapping[str, Any], tier: ReleaseTier) -> list[str]:
    measures = [
        "Every file with images is written from plain tensors, with a new header. It has no name of a source file.",
        "The seeds of the run, checksums of the source and exact counts of the source are left out.",
    ]
    if "png" in manifest["release"]["formats"]:
        measures.append("Previews carry the word SYNTHETIC.")
    if manifest.get("initial_images") == "noise":
        measures.append(f"The initial images are {start(manifest)}.")
    if tier.name == "T2":
        measures.append("Noise was added to everything that was learned from training images; see the ledger.")
    if manifest["labels"] == "class numbers":
        measures.append("Labels are class numbers. Learned labels can carry more about single training images.")
    return measures
