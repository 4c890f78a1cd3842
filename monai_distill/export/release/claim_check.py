"""The claim of a received folder, derived again from its evidence and compared with its texts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from monai_distill import __version__
from monai_distill.claims.tier import tier_of

from .audit_evidence import direct_findings, findings
from .card import data_card, notes_of
from .croissant import croissant
from .evidence_form import form_problems
from .license import Owner
from .privacy_report import TESTED_AT_T2, next_review, privacy_report, report_markdown
from .tier import NAMES, ReleaseTier, bounds

__all__ = ["Claim", "Cost"]

Cost = Callable[[Sequence[Mapping[str, Any]], float], float]
ROUNDING = 1e-3  # relative, between versions of the accountant
VERSION = r"\d{1,4}\.[\w.+-]{1,40}"
GENERATOR = re.compile(f"monai_distill {VERSION}")
# parts of croissant.json that the evidence does not give
FREE = {"datePublished": re.compile(r"\d{4}-\d\d-\d\d"), "version": re.compile(VERSION)}


class Claim(NamedTuple):
    """The claim of a release and its evidence.

    Attributes:
        folder: of the release.
        manifest: content of ``manifest.json``.
        report: content of ``privacy_report.json``.
        scores: content of ``scores.json``.
        audit: content of ``audit.json``; None without an audit.
        ledger: content of ``dp_ledger.json``; None without a ledger.
    """

    folder: Path
    manifest: Mapping[str, Any]
    report: Mapping[str, Any]
    scores: Mapping[str, Any]
    audit: Mapping[str, Any] | None
    ledger: Mapping[str, Any] | None

    @classmethod
    def read(cls, folder: Path) -> Claim:
        """Read the files."""
        names = ("manifest", "privacy_report", "scores", "audit", "dp_ledger")
        files = [folder / f"{name}.json" for name in names]
        contents: list[Any] = [json.loads(file.read_text()) if file.is_file() else None for file in files]
        return cls(folder, *contents)

    @staticmethod
    def listed_checksums(folder: Path) -> dict[str, str]:
        """File -> SHA-256 as ``croissant.json`` lists them."""
        listed = json.loads((folder / "croissant.json").read_text())["distribution"]
        return {entry["@id"]: entry["sha256"] for entry in listed}

    @property
    def tier(self) -> str:
        """The claimed tier."""
        return str(self.manifest["privacy"]["tier"])

    def problems(self, cost: Cost | None) -> Iterator[str]:
        """Every way in which the evidence does not support the claim, or a text differs from what the evidence gives.

        Args:
            cost: what events of a ledger cost at a delta; None skips the sum.
        """
        if self.tier not in NAMES:
            yield f"manifest.json: the tier {self.tier!r} is unknown."
            return
        missing = list(self._missing_evidence())
        if missing:
            yield from missing
            return
        if bool(self.manifest["release"].get("labels_reduced")) != ("hard_label_cost" in self.scores):
            yield "manifest.json and scores.json disagree on whether class numbers took the place of learned labels."
        yield from form_problems(self.manifest, self.scores, self.audit, self.ledger)
        tier = ReleaseTier.of(self.manifest, self.audit, self.ledger)
        if self.tier == "T2" and cost is not None:
            yield from self._cost_problems(cost)
        versions = f"written by {self.report.get('generator')}, checked by monai_distill {__version__}"
        for name in self._differing_texts(tier):
            yield f"{name} differs from what its evidence gives ({versions})."

    def spent(self, cost: Cost) -> float:
        """Epsilon that the events of the ledger cost."""
        ledger = self.ledger or {}
        return cost(ledger["events"], float(ledger["delta"]))

    def statements(self) -> list[str]:
        """The sender's claim, in sentences that follow from the evidence."""
        claim = self.manifest["privacy"]
        lines = [f"{self.tier} ({NAMES[self.tier]}): {claim['statement']}"]
        if self.tier == "T2":
            for fpr, limit in bounds(claim["epsilon"], claim["delta"]).items():
                lines.append(
                    f"Then no attack finds more than {limit:.2%} of the members at {float(fpr):.1%} false positives."
                )
        if self.tier == "T1":  # the statement has the same figures in one sentence
            audit = self.audit or {}
            lines = [f"T1 ({NAMES['T1']}): the job was attacked with {audit['shadows']} shadow sets, no guarantee."]
            for outcome, attacks in findings(audit).items():
                lines += [f"An attack {outcome}: {attack}." for attack in attacks]
            lines += direct_findings(audit)
        students = self.scores["students"]
        for name, row in self.scores["formats"].items():
            lines.append(f"Accuracy {row['accuracy']['mean']:.3f} for {students} networks trained on {name}.")
        source, license = self.manifest["source"], self.manifest["release"]["license"]
        made = f"Distilled by {self.manifest['method']} from {_words(source['name'])}"
        licenses = f"license of the source: {_words(source['license'])}; of this release: {_words(license)}"
        return [*lines, f"{made}; {licenses}."]

    def unverifiable(self) -> list[str]:
        """The claims that no recipient can check."""
        lines = ["Whether the set was distilled from the named source, split, method and initial images."]
        if self.tier == "T1":
            lines.append("Whether the audit attacked this set and measured these figures.")
        if self.tier == "T2":
            lines.append("Whether the ledger lists every result that was computed from training images.")
        if self.tier != "T0" and self.manifest["release"].get("labels_reduced"):
            lines.append("Whether the class numbers follow from the learned labels, which stay with the owner.")
        return [
            *lines,
            "Whether pixel values hide or resemble real images.",
            "The test scores. They need the real test images.",
            "Whether the settings, the network, the protocol and the versions in manifest.json are those of the run.",
            "Which names the sender's scan searched for.",
            "Whether the previews (png) show these images.",
            "The owner's words: title, publisher, recipient, citation, license and notes.",
        ]

    def _missing_evidence(self) -> Iterator[str]:
        tier, file = tier_of(self.manifest, self.audit, self.ledger), {"T1": "audit.json", "T2": "dp_ledger.json"}
        if tier.refused:
            yield from (f"{file[self.tier]} does not support the claim: {reason}." for reason in tier.reasons)

    def _cost_problems(self, cost: Cost) -> Iterator[str]:
        claimed = (self.ledger or {})["epsilon"]
        try:
            spent = self.spent(cost)
        except (KeyError, TypeError, ValueError) as error:
            yield f"dp_ledger.json has events that cannot be added up ({type(error).__name__}: {error})."
            return
        if spent > claimed * (1 + ROUNDING):
            yield f"dp_ledger.json says that epsilon {claimed:.4g} was spent, its events cost {spent:.4g}."

    def _differing_texts(self, tier: ReleaseTier) -> Iterator[str]:
        report, manifest = self.report, self.manifest
        if manifest["privacy"] != tier.config():
            yield "manifest.json (tier and statement)"
        owner = Owner(publisher=report["published_by"], recipient=report["context_assessment"]["recipient"])
        scan = report["identifiability_assessment"]["scan"]
        searched = {key: scan[key] for key in ("words", "weak") if isinstance(scan.get(key), int)}
        made = privacy_report(manifest, tier, owner, audit=self.audit, ledger=self.ledger, searched=searched)
        dated = {
            "date": report["date"],
            "governance": {**made["governance"], "review_by": report["governance"]["review_by"]},
        }
        tested = report["identifiability_assessment"]["adversarial_testing"]
        if self.tier == "T2":  # whether an audit was run is the sender's word
            made["identifiability_assessment"]["adversarial_testing"] = tested if tested in TESTED_AT_T2 else None
        dated["generator"] = report["generator"]
        if not _is_dated(report) or report != json.loads(json.dumps({**made, **dated})):
            yield "privacy_report.json"
        if (self.folder / "privacy_report.md").read_text() != report_markdown(report):
            yield "privacy_report.md"
        card, names = (self.folder / "DATA_CARD.md").read_text(), {path.name for path in self.folder.iterdir()}
        if card != data_card(manifest, self.scores, tier, owner, names, notes_of(card)):
            yield "DATA_CARD.md"
        metadata = json.loads((self.folder / "croissant.json").read_text())
        expected = json.loads(json.dumps(croissant(self.folder, manifest, tier, owner)))
        dates = all(form.fullmatch(str(metadata.get(key))) for key, form in FREE.items())
        if not dates or any(metadata.get(key) != expected.get(key) for key in {*metadata, *expected} - {*FREE}):
            yield "croissant.json"


def _words(text: str) -> str:
    """Words of the sender, in quotation marks that they cannot close."""
    return '"' + str(text).replace('"', "'").rstrip(".") + '"'


def _is_dated(report: Mapping[str, Any]) -> bool:
    """Whether the parts of the report that the evidence does not give are a day, the next one, and a version."""
    try:
        day, review = (date.fromisoformat(text) for text in (report["date"], report["governance"]["review_by"]))
    except (TypeError, ValueError):
        return False
    return GENERATOR.fullmatch(str(report["generator"])) is not None and review == next_review(day)
