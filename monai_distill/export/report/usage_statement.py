"""What a set can and cannot be used for, in plain words, derived from its figures and from nothing else."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from monai_distill.metrics.score_record import Metric, Prior, RunScores, ScoreRow
from monai_distill.metrics.score_tables import apart, percent, row_title

from .records import RunRecords
from .score_rows import same_size_rows

__all__ = ["UsageStatement", "architecture_name"]

DECIDES: Metric = "balanced_accuracy"  # as in the selection: the classes of medical data are seldom balanced
VERDICTS = {
    1: "With a balanced accuracy of {own} it is clearly better than {rivals}: the gap exceeds both standard deviations "
    "together.",
    0: "With a balanced accuracy of {own} it is not shown to be better than {rivals}: the gap does not exceed both "
    "standard deviations together.",
    -1: "With a balanced accuracy of {own} it is clearly worse than {rivals}: those real images serve better.",
    None: "One network a row has no spread, so its {own} cannot be called better or worse than {rivals}.",
}
NOT_MEASURED = "Every use without figures on this page: not measured."


class UsageStatement(NamedTuple):
    """Sentences: what was found, what the set can be used for, what it cannot be used for.

    Example:
        >>> UsageStatement(["Found."], ["Training."], ["Diagnosis."]).cannot
        ['Diagnosis.']
    """

    found: list[str]
    can: list[str]
    cannot: list[str]

    @classmethod
    def of(cls, records: RunRecords, tier: str) -> UsageStatement:
        """Read the figures of a run; ``tier`` is the stamped one."""
        scores = records.scores
        distilled, chance = scores["distilled"], 1 / len(records.synthetic.class_names)
        useless = _no_better_than_guessing(distilled, scores.get("prior"), chance)
        verdicts = {
            name: apart(distilled.get(DECIDES), row.get(DECIDES)) for name, row in same_size_rows(scores).items()
        }
        found = [_size(records, tier), _result(records), *useless, *_beside_rivals(scores, verdicts)]
        network = architecture_name(records.manifest)
        uses = [use for result in scores.get("protocols", {}).values() for use in result.get("uses", [])]
        return cls(
            found,
            [
                *_training(distilled, network, bool(useless), verdicts.values()),
                *(use["text"] for use in uses if use["better"]),
                *_place(tier),
            ],
            [*_never(tier), *(use["text"] for use in uses if not use["better"]), NOT_MEASURED],
        )


def architecture_name(manifest: Mapping[str, Any]) -> str:
    """The network that was scored, as a word.

    Example:
        >>> architecture_name({"network": {"_target_": "monai_distill.networks.nets.convnet.ConvNet"}})
        'ConvNet'
    """
    return str(manifest.get("network", {}).get("_target_", "network")).rpartition(".")[2]


def _size(records: RunRecords, tier: str) -> str:
    count, classes, per_class = len(records.synthetic), len(records.synthetic.class_names), records.images_per_class
    # at T2 the exact number is protected itself
    training = 0 if tier == "T2" else sum(records.counts("training"))
    of = f", in the place of {training:,} training images" if training else ""
    images = "image" if per_class == 1 else "images"
    return f"The set holds {count} synthetic images, {per_class} {images} for each of {classes} classes{of}."


def _result(records: RunRecords) -> str:
    scores, network = records.scores, architecture_name(records.manifest)
    text = f"Trained on nothing else, {network} answers {_both(scores['distilled'])}."
    if "full" in scores:
        text += f" Trained on all training images it answers {_both(scores['full'])}."
        full, distilled = (
            row[DECIDES]["mean"] if DECIDES in row else None for row in (scores["full"], scores["distilled"])
        )
        if full is not None and distilled is not None and full < distilled:
            text += " That is less, so the networks on all images were trained too briefly to be the yardstick."
    if "prior" in scores:
        text += f" Always answering the most frequent class is correct for {percent(scores['prior']['accuracy'])}."
    return text


def _both(row: ScoreRow) -> str:
    accuracy = row["accuracy"]["mean"] if "accuracy" in row else None
    balanced = row[DECIDES]["mean"] if DECIDES in row else None
    text = f"{percent(accuracy)} of the test images correctly" if accuracy is not None else "an unknown part"
    return text if balanced is None else f"{text} ({percent(balanced)} when every class counts the same)"


def _no_better_than_guessing(distilled: ScoreRow, prior: Prior | None, chance: float) -> list[str]:
    sentences = []
    rivals: list[tuple[Metric, float | None, str]] = [
        ("accuracy", prior["accuracy"] if prior else None, "always answering the most frequent class"),
        (DECIDES, chance, "guessing, when every class counts the same"),
    ]
    for name, guess, rival in rivals:
        value = distilled.get(name)
        if value is None or value["mean"] is None or guess is None:
            continue
        if value["mean"] < guess:
            sentences.append(f"That is worse than {rival} ({percent(guess)}).")
        elif value["mean"] - (value["std"] or 0.0) <= guess:
            sentences.append(f"That is not clearly better than {rival} ({percent(guess)}).")
    return sentences


def _beside_rivals(scores: RunScores, verdicts: Mapping[str, int | None]) -> list[str]:
    if not verdicts:
        return ["No real images of the same number were scored beside it, so whether distilling helped is not known."]
    told, rows = [], same_size_rows(scores)
    for verdict, text in VERDICTS.items():
        names = [f"{row_title(name)} ({_mean(row)})" for name, row in rows.items() if verdicts[name] == verdict]
        if names:
            told.append(text.format(own=_mean(scores["distilled"]), rivals=" and than ".join(names)))
    return told


def _mean(row: ScoreRow) -> str:
    return percent(row[DECIDES]["mean"]) if DECIDES in row else percent(None)


def _training(distilled: ScoreRow, network: str, useless: bool, verdicts: Collection[int | None]) -> list[str]:
    if useless:
        return ["Trying out programs that read such a set: they need no good classifier."]
    if verdicts and all(verdict == 1 for verdict in verdicts):
        text = (
            f"Training {network} where time or storage forbids all images and a balanced accuracy of "
            f"{_mean(distilled)} is enough."
        )
    else:
        rival = "serve better" if -1 in verdicts else "are not shown to do worse"
        text = f"Training {network} quickly to {_mean(distilled)}; but real images, where they may be used, {rival}."
    return [text]


def _place(tier: str) -> list[str]:
    where = "Teaching and trying out methods"
    if tier == "T0":
        return [f"{where}, among people who may see the images that it was made from."]
    return [f"{where}, within what the privacy tier below and the license of the source allow."]


def _never(tier: str) -> list[str]:
    sentences = [
        "Any decision on a patient: neither the set nor a network trained on it was tested for that.",
        "Counting or describing: every class has as many images as was asked for, and they are no samples of patients.",
    ]
    if tier != "T2":
        sentences.append("Passing on as if no patient could be recognised in it.")
    return sentences
