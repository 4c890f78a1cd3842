"""Writing the report of a run: one file that opens anywhere, without a network."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from monai_distill.runtime.atomic_file import atomic_write

from .audit_section import privacy_section
from .cautions import cautions
from .class_pictures import ClassPictures
from .clinical_section import clinical_section
from .page_elements import spread
from .privacy_stamp import PrivacyStamp
from .protocol_sections import protocol_sections
from .records import RunRecords
from .run_sections import how_section, score_section, source_section, versions_section
from .usage_statement import UsageStatement

__all__ = ["save_report"]

FROM_REAL = (
    "They began as real training images and were changed step by step: they may still show those images, so keep this "
    "page where those may be seen."
)
FROM_NOISE = "They are computed, not photographed: no real image is on this page."
TEMPLATE = "report.html.jinja"


def save_report(folder: str | Path) -> Path:
    """Write ``report.html`` of a finished run from the files of its folder alone.

    What was distilled and how, the synthetic images (no real one beside them), the scores beside their controls, the
    privacy tier, what the set can and cannot be used for, warnings, versions and seeds. The same files give the same
    bytes.

    Args:
        folder: with ``synthetic.safetensors``, ``manifest.json`` and ``scores.json``; ``history.json``,
            ``audit.json`` and ``ledger.json`` are read when they are there.

    Returns:
        The file.

    Raises:
        RuntimeError: when the set or its scores are missing, or a file is damaged or cannot be written.

    Example:
        >>> import json, tempfile, torch
        >>> from monai_distill.data import SyntheticDataset
        >>> folder, value = Path(tempfile.mkdtemp()), {"mean": 0.9, "std": 0.1}
        >>> _ = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]).save(folder)
        >>> scores = {"distilled": {"accuracy": value, "balanced_accuracy": value}, "prior": {"accuracy": 0.5}}
        >>> _ = (folder / "scores.json").write_text(json.dumps(scores))
        >>> save_report(folder).name
        'report.html'
    """
    folder = Path(folder)
    # autoescape for every name: class names and paths come from the user's disk
    environment = Environment(
        loader=PackageLoader("monai_distill.export.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = spread
    page = environment.get_template(TEMPLATE).render(_content(RunRecords.read(folder)))
    file = folder / "report.html"
    atomic_write(file, page.encode())
    return file


def _content(records: RunRecords) -> dict[str, Any]:
    stamp = PrivacyStamp.of(records)
    manifest, clinical = records.manifest, records.scores.get("clinical")
    sections = [score_section(records)]
    if clinical:
        sections.append(clinical_section(clinical, records.synthetic.class_names))
    sections += protocol_sections(records.scores)
    sections += [how_section(records), source_section(records, stamp), versions_section(records)]
    warned = cautions(records, stamp.tier)
    return {
        "name": str(records.source.get("name", manifest.get("dataset", "a data set"))),
        "method": str(manifest.get("method", "unknown method")),
        "images_per_class": records.images_per_class,
        "stamp": stamp,
        "words": UsageStatement.of(records, stamp.tier),
        "privacy": privacy_section(records, stamp),
        "cautions": [stamp.refused, *warned] if stamp.refused else warned,
        "beginning": FROM_REAL if records.started_real else FROM_NOISE,
        "classes": ClassPictures.of(records),
        "sections": sections,
    }
