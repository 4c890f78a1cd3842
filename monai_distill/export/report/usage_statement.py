"""The uses that a set supports and does not support, derived from its figures alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from monai_distill.metrics.score_record import Metric, Prior, RunScores, ScoreRow
from monai_distill.metrics.score_tables import apart, percent, row_title

from .records import RunRecords
from .score_rows import same_size_rows

__all__ = ["UsageStatement", "architecture_name"]

DECISIVE: Metric = "balanced_accuracy"  # as in the selection: the classes of medical data are seldom balanced
VERDICTS = {
    1: "With a balanced accuracy of {score} it is clearly better than {rivals}: the difference is larger than the two "
    "standard deviations together.",
    0: "With a balanced accuracy of {score} it is not shown to be better than {rivals}: the difference is not larger "
    "than the two standard deviations together.",
    -1: "With a balanced accuracy of {score} it is clearly worse than {rivals}. Those real images work better.",
    None: "One network per row has no spread, so {score} cannot be called better or worse than {rivals}.",
}
NOT_MEASURED = "Any use without figures on this page. It was not measured."


class UsageStatement(NamedTuple):
    """Sentences on the results of a set, its possible uses, and uses that are ruled out.

    Example:
        >>> UsageStatement(["Results."], ["Training."], ["Diagnosis."]).cannot
        ['Diagnosis.']
    """

    results: list[str]
    can: list[str]
    cannot: list[str]

    @classmethod
    def of(cls, records: RunRecords, tier: str) -> UsageStatement:
        """Derive the sentences from the figures of a run; ``tier`` is the stamped one."""
        scores = records.scores
        distilled, chance = scores["distilled"], 1 / len(records.synthetic.class_names)
        useless = _no_better_than_guessing(distilled, scores.get("prior"), chance)
        verdicts = {
            name: apart(distilled.get(DECISIVE), row.get(DECISIVE)) for name, row in same_size_rows(scores).items()
        }
        results = [_size(records, tier), _result(records), *useless, *_compared(scores, verdicts)]
        network = architecture_name(records.manifest)
        uses = [use for result in scores.get("protocols", {}).values() for use in result.get("uses", [])]
        return cls(
            results,
            [
                *_training(distilled, network, bool(useless), verdicts.values()),
                *(use["text"] for use in uses if use["better"]),
                *_place(tier),
            ],
            [*_never(tier), *(use["text"] for use in uses if not use["better"]), NOT_MEASURED],
        )


def architecture_name(manifest: Mapping[str, Any]) -> str:
    """Class name of the scored network.

    Example:
        >>> architecture_name({"network": {"_target_": "monai_distill.networks.nets.convnet.ConvNet"}})
        'ConvNet'
    """
    return str(manifest.get("network", {}).get("_target_", "network")).rpartition(".")[2]


def _size(records: RunRecords, tier: str) -> str:
    count, classes = len(records.synthetic.images), len(records.synthetic.class_names)
    per_class, effective = records.images_per_class, records.effective_per_class
    # at T2 the exact number is protected
    training = 0 if tier == "T2" else sum(records.counts("training"))
    of = f" They replace {training:,} training images." if training else ""
    images = "image" if per_class == 1 else "images"
    decoded = ""
    if effective != per_class:
        decoded = f" Each holds several smaller ones: training uses {effective} enlarged images of every class."
    return f"The set stores {count} synthetic images: {per_class} {images} for each of {classes} classes.{decoded}{of}"


def _result(records: RunRecords) -> str:
    scores, network = records.scores, architecture_name(records.manifest)
    text = f"{network}, trained on this set alone, classifies {_both(scores['distilled'])}."
    if "full" in scores:
        text += f" Trained on all training images it classifies {_both(scores['full'])}."
        full, distilled = (
            row[DECISIVE]["mean"] if DECISIVE in row else None for row in (scores["full"], scores["distilled"])
        )
        if full is not None and distilled is not None and full < distilled:
            text += " That is less, so the networks on all images were trained too briefly for a comparison."
    if "prior" in scores:
        text += f" Always answering the most frequent class is correct for {percent(scores['prior']['accuracy'])}."
    return text


def _both(row: ScoreRow) -> str:
    accuracy = row["accuracy"]["mean"] if "accuracy" in row else None
    balanced = row[DECISIVE]["mean"] if DECISIVE in row else None
    text = f"{percent(accuracy)} of the test images correctly" if accuracy is not None else "an unknown share correctly"
    return text if balanced is None else f"{text} ({percent(balanced)} if every class counts the same)"


def _no_better_than_guessing(distilled: ScoreRow, prior: Prior | None, chance: float) -> list[str]:
    sentences = []
    rivals: list[tuple[Metric, float | None, str]] = [
        ("accuracy", prior["accuracy"] if prior else None, "always answering the most frequent class"),
        (DECISIVE, chance, "guessing, if every class counts the same"),
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


def _compared(scores: RunScores, verdicts: Mapping[str, int | None]) -> list[str]:
    if not verdicts:
        return ["The same number of real images was not scored. So it is unknown whether distillation helped."]
    sentences, rows = [], same_size_rows(scores)
    for verdict, text in VERDICTS.items():
        names = [f"{row_title(name)} ({_mean(row)})" for name, row in rows.items() if verdicts[name] == verdict]
        if names:
            sentences.append(text.format(score=_mean(scores["distilled"]), rivals=" and than ".join(names)))
    return sentences


def _mean(row: ScoreRow) -> str:
    return percent(row[DECISIVE]["mean"]) if DECISIVE in row else percent(None)


def _training(distilled: ScoreRow, network: str, useless: bool, verdicts: Collection[int | None]) -> list[str]:
    if useless:
        return ["Testing programs that read such a set. They do not need a good classifier."]
    if verdicts and all(verdict == 1 for verdict in verdicts):
        text = (
            f"Training {network} if there is no time or storage for all images and a balanced accuracy of "
            f"{_mean(distilled)} is enough."
        )
    else:
        rival = "work better" if -1 in verdicts else "are not shown to be worse"
        text = f"Training {network} quickly to {_mean(distilled)}. Real images, if they may be used, {rival}."
    return [text]


def _place(tier: str) -> list[str]:
    use = "Teaching and testing methods"
    if tier == "T0":
        return [f"{use}, among people who may see the real images."]
    return [f"{use}, as far as the privacy tier below and the license of the source allow."]


def _never(tier: str) -> list[str]:
    sentences = [
        "Any decision about a patient. Neither the set nor a network trained on it was tested for that.",
        "Statistics of a population. The number of images per class is a setting, and the images are not samples.",
    ]
    if tier != "T2":
        sentences.append("Passing it on as if no patient could be recognized.")
    return sentences
