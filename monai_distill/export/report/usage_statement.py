"""What a set can and cannot be used for, in plain words, derived from its figures alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from .page_elements import percent
from .records import RunRecords
from .score_rows import apart, same_size_rows

__all__ = ["UsageStatement", "architecture_name"]

DECISIVE = "balanced_accuracy"  # as in the selection: the classes of medical data are seldom balanced
SAME_NUMBER = {
    "random": "the same number of random real images",
    "herding": "the same number of real images selected by herding",
    "k_center": "the same number of real images selected by k-center",
    "soft_label_random": "the same number of random real images with soft labels",
}
VERDICTS = {
    1: "With a balanced accuracy of {score} it is clearly better than {rivals}: the difference is larger than the two "
    "standard deviations together.",
    0: "With a balanced accuracy of {score} it is not shown to be better than {rivals}: the difference is not larger "
    "than the two standard deviations together.",
    -1: "With a balanced accuracy of {score} it is clearly worse than {rivals}. Those real images work better.",
    None: "One network per row has no spread, so {score} cannot be called better or worse than {rivals}.",
}
Metrics = Mapping[str, Any]


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
        useless = _no_better_than_guessing(distilled, scores.get("prior", {}), chance)
        verdicts = {
            name: apart(distilled.get(DECISIVE), row.get(DECISIVE)) for name, (_, row) in same_size_rows(scores).items()
        }
        results = [_size(records, tier), _result(records), *useless, *_compared(scores, verdicts)]
        network = architecture_name(records.manifest)
        better, not_better = _architectures(scores)
        shown, not_shown = _further_uses(scores)
        return cls(
            results,
            [*_training(distilled, network, bool(useless), verdicts.values(), better), *shown, *_place(tier)],
            [*_never(tier), *_not_measured(scores, not_better), *not_shown],
        )


def architecture_name(manifest: Metrics) -> str:
    """Class name of the scored network.

    Example:
        >>> architecture_name({"network": {"_target_": "monai_distill.networks.nets.convnet.ConvNet"}})
        'ConvNet'
    """
    return str(manifest.get("network", {}).get("_target_", "network")).rpartition(".")[2]


def _size(records: RunRecords, tier: str) -> str:
    count, classes, per_class = len(records.synthetic), len(records.synthetic.class_names), records.images_per_class
    # at T2 the exact number is protected
    training = 0 if tier == "T2" else sum(records.counts("training"))
    of = f" They replace {training:,} training images." if training else ""
    images = "image" if per_class == 1 else "images"
    return f"The set has {count} synthetic images: {per_class} {images} for each of {classes} classes.{of}"


def _result(records: RunRecords) -> str:
    scores, network = records.scores, architecture_name(records.manifest)
    text = f"{network}, trained on this set alone, classifies {_both(scores['distilled'])}."
    if "full" in scores:
        text += f" Trained on all training images it classifies {_both(scores['full'])}."
        full, distilled = (scores[name].get(DECISIVE, {}).get("mean") for name in ("full", "distilled"))
        if full is not None and distilled is not None and full < distilled:
            text += " That is less, so the networks on all images were trained too briefly for a comparison."
    if "prior" in scores:
        text += (
            f" Always answering the most frequent class is correct for {percent(scores['prior']['accuracy'])} of them."
        )
    return text


def _both(metrics: Metrics) -> str:
    accuracy, balanced = (metrics.get(name, {}).get("mean") for name in ("accuracy", DECISIVE))
    text = f"{percent(accuracy)} of the test images correctly" if accuracy is not None else "an unknown share correctly"
    return text if balanced is None else f"{text} ({percent(balanced)} if every class counts the same)"


def _no_better_than_guessing(distilled: Metrics, prior: Metrics, chance: float) -> list[str]:
    sentences = []
    for name, guess, rival in (
        ("accuracy", prior.get("accuracy"), "always answering the most frequent class"),
        (DECISIVE, chance, "guessing, if every class counts the same"),
    ):
        value = distilled.get(name)
        if value is None or value["mean"] is None or guess is None:
            continue
        if value["mean"] < guess:
            sentences.append(f"That is worse than {rival} ({percent(guess)}).")
        elif value["mean"] - (value["std"] or 0.0) <= guess:
            sentences.append(f"That is not clearly better than {rival} ({percent(guess)}).")
    return sentences


def _compared(scores: Metrics, verdicts: Mapping[str, int | None]) -> list[str]:
    if not verdicts:
        return ["The same number of real images was not scored. So it is unknown whether distillation helped."]
    sentences, rows = [], same_size_rows(scores)
    for verdict, text in VERDICTS.items():
        names = [
            f"{SAME_NUMBER.get(name, title)} ({_mean(row)})"
            for name, (title, row) in rows.items()
            if verdicts[name] == verdict
        ]
        if names:
            sentences.append(text.format(score=_mean(scores["distilled"]), rivals=" and than ".join(names)))
    return sentences


def _mean(metrics: Metrics) -> str:
    mean = metrics.get(DECISIVE, {}).get("mean")
    return "unknown" if mean is None else percent(mean)


def _architectures(scores: Metrics) -> tuple[list[str], list[str]]:
    """Architectures on which the set is clearly better than random real images, and the others."""
    distilled, random = scores.get("cross_architecture", {}), scores.get("cross_architecture_random", {})
    better = [
        name for name, row in distilled.items() if apart(row.get(DECISIVE), random.get(name, {}).get(DECISIVE)) == 1
    ]
    return better, [name for name in distilled if name not in better]


def _training(
    distilled: Metrics, network: str, useless: bool, verdicts: Collection[int | None], better: Sequence[str]
) -> list[str]:
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
    return [text, *([f"Training these architectures, where it was measured: {', '.join(better)}."] if better else [])]


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


def _not_measured(scores: Metrics, not_better: Sequence[str]) -> list[str]:
    sentences = []
    if "cross_architecture" not in scores:
        sentences.append("Training other architectures: not measured.")
    elif not_better:
        sentences.append(f"Training {', '.join(not_better)}: not shown to be better than random real images.")
    if "nas" not in scores:
        sentences.append("Ranking architectures before a large training: not measured.")
    if "continual" not in scores:
        sentences.append("Remembering old classes while new ones are learned: not measured.")
    return sentences


def _further_uses(scores: Metrics) -> tuple[list[str], list[str]]:
    """Measured uses: those in which the set was better than random real images, and the others."""
    shown: list[str] = []
    not_shown: list[str] = []
    ranks = [scores.get("nas", {}).get(kind, {}).get("spearman") for kind in ("distilled", "random")]
    if None not in ranks:
        text = "Ranking architectures before a large training: rank correlation {:.2f}, random real images {:.2f}."
        (shown if ranks[0] > ranks[1] else not_shown).append(text.format(*ranks))
    steps = scores.get("continual", {}).get("steps", [])
    if steps:
        last = [steps[-1].get(kind, {}).get("accuracy") for kind in ("distilled", "random")]
        text = "Remembering old classes while new ones are learned: {} with the set, {} with random real images."
        ends = ["unknown" if not end or end["mean"] is None else percent(end["mean"]) for end in last]
        (shown if apart(*last) == 1 else not_shown).append(text.format(*ends))
    return shown, not_shown
