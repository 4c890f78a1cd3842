"""What is promised of a release, on what evidence, and what is not: JSON for programs, Markdown for people."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from monai_distill import __version__

from .audit_evidence import findings
from .license import Owner
from .tier import ReleaseTier, bounds

__all__ = ["privacy_report", "report_markdown"]

SCHEMA = 1
NON_CLAIMS = (
    "Distillation by itself protects nobody: the images are derived from those of patients.",
    "That an attack failed does not show that no attack succeeds.",
    "Nothing here is a legal determination, by HIPAA, the GDPR or any other law. It is evidence for those who decide.",
    "Text drawn into an image is not searched for, nor is a person recognised from the image itself.",
)
THREATS = (
    "A recipient has the whole folder, the code, the network and every setting, public data of the same kind, and the "
    "record of a candidate; wants to tell whether the candidate was among the training images, to infer an attribute, "
    "or to reconstruct or link an image."
)
SEARCHED = "patients, source files, absolute paths, machine and user, EXIF, pickles, DICOM names and identifiers"
GAPS = (
    "floating-point noise is not exact Gaussian noise",
    "side channels and whatever happened to the images before this program read them are outside",
    "the scores are measured on held-out real images, which no guarantee covers",
    "releases of the same patients add up: keep a ledger per site",
    "taken as known: class names, image size, settings, and which images were the training section",
)
IDENTIFIERS = {
    "A names": "searched for, as far as the table of the run holds patients",
    "B geographic subdivisions": "no field for them is written",
    "C dates": "only the date of the export is written",
    "D-F telephone, fax, e-mail": "none is written but what the owner's own texts hold",
    "G-M numbers (social security, record, plan, account, certificate, vehicle, device)": (
        "record numbers searched for, as far as the table holds them; DICOM identifiers searched for"
    ),
    "N-O web and network addresses": "only those of licenses and schemas; this machine's name searched for",
    "P biometric identifiers": "not assessed: an image can be one, and a synthetic image can resemble it",
    "Q full-face photographs and comparable images": "not assessed: head scans have to be defaced before distillation",
    "R any other unique characteristic": "see the adversarial testing below",
}


def privacy_report(
    manifest: Mapping[str, Any],
    tier: ReleaseTier,
    owner: Owner,
    *,
    audit: Mapping[str, Any] | None,
    ledger: Mapping[str, Any] | None,
    searched: Mapping[str, int],
    run_statement: str | None = None,
) -> dict[str, Any]:
    """The report as plain JSON values.

    Headings follow ISO/IEC 27559:2022; the part on HIPAA lists evidence for 45 CFR 164.514(b) and decides nothing.

    Args:
        manifest: of the release.
        tier: what is promised.
        owner: who answers for it.
        audit: of the run. At T2 its figures stay inside: computed on real images, they would be a release of their own.
        ledger: of the run, at T2.
        run_statement: what the run says of its guarantee, at T2.
        searched: about how many words the last scan looked for: ``words``, and ``weak`` ones only beside "patient";
            empty at T2, because they are as many as there are patients and files.
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
            "guarantee": _guarantee(tier, ledger, run_statement),
            "adversarial_testing": _tested(tier, audit),
            "singling_out_linkability_inference": _mapped(audit),
            "scan": {**searched, "for": SEARCHED, "result": "nothing found"},
        },
        "mitigation": _mitigation(manifest, tier),
        "governance": {
            "before_release": "tier, license, scan and scores of what the files hold were checked by the export",
            "after_release": "verify a received folder with `monai-distill verify DIR`",
            "review_by": today.replace(year=today.year + 1, day=min(today.day, 28)).isoformat(),
        },
        "hipaa_evidence_not_a_determination": IDENTIFIERS,
    }


def report_markdown(report: Mapping[str, Any]) -> str:
    """The same report to read; every heading and value of the JSON, in its order."""
    lines = [f"# Privacy report: {report['tier']['tier']}", "", report["tier"]["statement"], ""]
    for key, value in report.items():
        lines += [f"## {_title(key)}", "", *_rows(value), ""]
    return "\n".join(lines)


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
    return {"hipaa evidence not a determination": "HIPAA: evidence, not a determination"}.get(
        text, text[:1].upper() + text[1:]
    )


def _data(manifest: Mapping[str, Any]) -> dict[str, Any]:
    source = manifest["source"]
    return {
        "source": source["name"],
        "principals": "the patients whose images were distilled",
        "training_images_rounded": source["training_images_rounded"],
        "synthetic_images": manifest["images"]["count"],
        "initial_images": manifest.get("initial_images"),
        "labels": manifest["labels"],
        "warnings": manifest["release"]["warnings"],
    }


def _guarantee(tier: ReleaseTier, ledger: Mapping[str, Any] | None, run_statement: str | None) -> Any:
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
        "statement_of_the_run": run_statement,
        "largest_true_positive_rate_of_any_membership_attack": limits,
        "known_gaps": list(GAPS),
    }


def _tested(tier: ReleaseTier, audit: Mapping[str, Any] | None) -> Any:
    if audit is None:
        return "no attack was run"
    if tier.name == "T2":
        return "an audit was run; its figures are computed on real images and stay with the owner"
    if audit["void"]:
        return f"an audit was run and is void: {audit.get('why_void')}"
    return {"shadow_sets": audit["shadows"], **findings(audit)}


def _mapped(audit: Mapping[str, Any] | None) -> dict[str, str]:
    """The three questions of WP29 Opinion 05/2014 and which test speaks to them."""
    names = [] if audit is None or audit["void"] else list(audit["attacks"])

    def tested(*parts: str) -> str:
        own = [name for name in names if any(part in name.lower() for part in parts)]
        return f"tested by {', '.join(own)}" if own else "not tested"

    return {
        "singling_out": tested("pixel", "feature", "neighbour", "lira", "confidence", "gradient", "matching", "member"),
        "linkability": tested("copy", "link"),
        "inference": tested("attribute"),
    }


def _mitigation(manifest: Mapping[str, Any], tier: ReleaseTier) -> list[str]:
    done = [
        "files are written anew from plain tensors: no header, metadata or name of a source file is carried over",
        "seeds, checksums of the source and its exact counts are left out",
        "previews carry the word SYNTHETIC",
    ]
    if manifest.get("initial_images") in ("noise", "public"):
        done.append(f"initial images: {manifest['initial_images']}")
    if tier.name == "T2":
        done.append("noise was added to everything that was learned from real images, see the ledger")
    return done
