"""The sections of the set's scores, its making, its source and its versions."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_distill.metrics.score_record import Table
from monai_distill.metrics.score_tables import all_rows, row_title

from .charts import curve_pictures, score_chart
from .page_elements import NOTHING, Section, number, settings_table
from .privacy_stamp import PrivacyStamp
from .records import RunRecords
from .score_rows import score_table_section

__all__ = ["how_section", "score_section", "source_section", "versions_section"]

SECTIONS = ("training", "validation", "test")
MADE = ("method", "images_per_class", "initial_images", "network", "augmentation", "preprocessing")
SHOWN_SEPARATELY = ("files", "counts", "license", "citation")


def score_section(records: RunRecords) -> Section:
    """The score table with its controls, and a chart of it."""
    scores = records.scores
    rows = [(row_title(name), row.get("balanced_accuracy")) for name, row in all_rows(scores).items()]
    drawn = [(title, value) for title, value in rows if value and value["mean"] is not None]
    chance = 1 / len(records.synthetic.class_names)
    pictures = [score_chart(drawn, chance, "balanced accuracy")] if drawn else []
    but = " but that of DP-SGD" if "dp_sgd" in scores else ""
    explanation = (
        f"Every row{but} was trained by the protocol below. All were tested on the same images, which nothing before "
        "had used. Balanced accuracy: the share of images predicted correctly in each class, averaged over the classes."
    )
    return Section("Scores", [explanation], pictures, [score_table_section(scores)])


def how_section(records: RunRecords) -> Section:
    """Method, network, settings and the curves of the run."""
    manifest = records.manifest
    chosen = manifest.get("chosen_iteration")
    settings = dict(manifest.get("settings", {}))
    method = {"settings of the method": settings.pop("method")} if "method" in settings else {}
    made = {name: manifest[name] for name in MADE if manifest.get(name) is not None}
    selected = "last" if str(manifest.get("protocol", {}).get("selection")).startswith("none") else "selected"
    chosen_set = {
        f"{selected} iteration": chosen,
        "learning rate of the set": manifest.get("student_lr"),
        "labels": manifest["labels"],
    }
    tables = [settings_table("How it was distilled", {**made, **settings, **method, **chosen_set})]
    if manifest.get("protocol"):
        tables.append(settings_table("How it was scored", _without_repeats(manifest)))
    if records.scores.get("cost"):
        tables.append(settings_table("What it cost", records.scores["cost"]))
    curves = curve_pictures(records.history, chosen)
    paragraphs = [f"The dotted line marks the {selected} iteration."] if curves and chosen else []
    return Section("How it was made", paragraphs, curves, tables)


def _without_repeats(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The protocol; an augmentation that equals that of the distillation is not repeated."""
    same = {"augmentation": "as above"}
    return {
        name: {**part, **same} if isinstance(part, Mapping) and _augmented_alike(part, manifest) else part
        for name, part in manifest["protocol"].items()
    }


def _augmented_alike(part: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    return "augmentation" in part and part["augmentation"] == manifest.get("augmentation")


def source_section(records: RunRecords, stamp: PrivacyStamp) -> Section:
    """The real images behind the set: their origin, number and terms."""
    source = records.source
    described = {name: value for name, value in source.items() if name not in SHOWN_SEPARATELY}
    paragraphs = [f"{name.capitalize()}: {source[name]}." for name in ("license", "citation") if source.get(name)]
    tables = [settings_table("Source", {**described, "files": source.get("files", {})})]
    # at T2 the exact number of training images of a class is protected as well (add or remove one)
    sections = [name for name in SECTIONS if records.counts(name) and (stamp.tier != "T2" or name == "test")]
    if sections:
        names = records.synthetic.class_names
        rows = [[str(name), *(_at(records.counts(s), place) for s in sections)] for place, name in enumerate(names)]
        rows.append(["all", *(number(sum(records.counts(section))) for section in sections)])
        real: Table = {"title": "Real images of every class", "header": ["class", *sections], "rows": rows}
        tables.insert(0, real)
    return Section("The source", paragraphs, tables=tables)


def _at(counts: list[int], place: int) -> str:
    return number(counts[place]) if place < len(counts) else NOTHING


def versions_section(records: RunRecords) -> Section:
    """Versions and seeds that a repetition needs."""
    manifest: Mapping[str, Any] = records.manifest
    seeds = {f"seed, {name}" if name == "run" else name: value for name, value in manifest.get("seeds", {}).items()}
    content = {**seeds, **manifest.get("versions", {}), "SHA-256 of the set": manifest.get("sha256")}
    return Section("Versions and seeds", tables=[settings_table("Needed to repeat the run", content)])
