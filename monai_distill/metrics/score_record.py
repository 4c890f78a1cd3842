"""The record of scores: the JSON content of ``scores.json`` as types."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "Cell",
    "Chart",
    "ClinicalScores",
    "Comparison",
    "Cost",
    "Metric",
    "Prior",
    "ProtocolResult",
    "RunScores",
    "ScoreRow",
    "Summary",
    "Table",
    "Use",
]

Metric = Literal["accuracy", "balanced_accuracy", "macro_f1", "auroc"]


class Summary(TypedDict):
    """Mean, sample standard deviation, 95% interval of the mean and one value per network; None where undefined."""

    mean: float | None
    std: float | None
    interval95: list[float] | None
    values: list[float | None]


class ScoreRow(TypedDict, total=False):
    """One row of a score table: the metrics of networks with the same training, and how their settings were chosen."""

    accuracy: Summary
    balanced_accuracy: Summary
    macro_f1: Summary
    auroc: Summary
    lr: float
    lr_validation: dict[str, float]  # balanced accuracy on validation by learning rate, the best first
    variant: int  # of a control that has several
    parameters: int  # of the network
    images: int  # of a subgroup


class Prior(TypedDict):
    """The score of always answering the most frequent training class."""

    accuracy: float


class Cost(TypedDict):
    """Seconds by part of the run, and the peak memory; CPU seconds and the plan's forecast where they were recorded."""

    seconds: dict[str, float]
    peak_memory_mib: float
    memory_of: str
    cpu_seconds: NotRequired[dict[str, float]]
    forecast: NotRequired[dict[str, Any]]


class ClinicalScores(TypedDict, total=False):
    """Scores by class and by group of patients; lists are in class order."""

    classes: list[str]
    images: list[int]
    sensitivity: list[Summary]
    specificity: list[Summary]
    auroc: list[Summary]
    confusion: list[list[float]]
    calibration: dict[str, Summary]
    auroc_bootstrap: dict[str, Any]
    subgroups: dict[str, dict[str, ScoreRow]]
    controls: dict[str, ClinicalScores]


# training set -> group -> scores
GroupScores = dict[str, dict[str, ScoreRow]]
Cell = str | float | int | None | Summary


class Table(TypedDict):
    """A table before it is rendered as Markdown or HTML. The first cell of a row is the heading of the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: NotRequired[bool]  # cells hold text and are left-aligned


class Chart(TypedDict, total=False):
    """A chart before it is drawn.

    ``heat_map``: ``values`` [rows][columns] from 0 to 1. ``lines``: ``values`` [rows][steps], the rows being lines and
    ``label`` the vertical axis.
    """

    kind: Literal["heat_map", "lines"]
    rows: list[str]
    columns: list[str]
    values: list[list[float | None]]
    label: str
    alt: str  # the content in words
    caption: str


class Comparison(TypedDict):
    """The figures that place a set next to the sets of other methods: cells by column, and those of random images."""

    title: str
    distilled: dict[str, Cell]
    random: dict[str, Cell]
    heat_map: bool  # the cells are summaries of scores and are drawn as well


class Use(TypedDict):
    """A use of the set that a protocol measured."""

    text: str  # one sentence
    better: bool  # whether the set did better than as many random real images


class ProtocolResult(TypedDict, total=False):
    """The result of a protocol: figures for programs, and tables, charts and sentences for readers.

    Reports and tables loop over these results and know no protocol by name.
    """

    title: str  # heading of its section
    figures: dict[str, Any]
    paragraphs: list[str]
    tables: list[Table]
    charts: list[Chart]
    comparisons: list[Comparison]
    uses: list[Use]
    networks: list[str]  # the architectures that were scored, when these are more than the run's own
    scores: RunScores  # joins the run's own scores


class RunScores(TypedDict, total=False):
    """The content of ``scores.json``."""

    dataset: str
    method: str
    images_per_class: int
    distilled: ScoreRow
    dp_sgd: ScoreRow
    random: ScoreRow
    full: ScoreRow
    prior: Prior
    controls: dict[str, ScoreRow]
    clinical: ClinicalScores
    groups: dict[str, GroupScores]  # by column
    cost: Cost
    protocols: dict[str, ProtocolResult]
