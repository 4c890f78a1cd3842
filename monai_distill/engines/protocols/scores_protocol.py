"""The extended scorecard: more controls, scores without soft labels and augmentation, and clinical scores."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.score_rows import Control, Row, ScoreRows
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.metrics.clinical import clinical_scores
from monai_distill.metrics.robust import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)
from monai_distill.metrics.score_record import Cell, ClinicalScores, Metric, ProtocolResult, RunScores, ScoreRow
from monai_distill.metrics.score_tables import metric_table
from monai_distill.runtime.progress import open_progress_bar

from .scorecard import Scorecard

__all__ = ["ScoresProtocol"]

SOFT = "soft_label_random"
COMPARED: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")
TITLES = {
    "hlr": "hard label recovery",
    "ior": "improvement over random",
    "ior_without_augmentation": "improvement over random, without augmentation",
    "lrs": "label robust score",
    "ars": "augmentation robust score",
}
EXPLANATION = (
    "After DD-Ranking, as fractions. Hard label recovery: full minus distilled, with hard labels (lower is better). "
    "Improvement over random: distilled minus random, each by its own protocol (higher is better). The label and the "
    "augmentation robust score lie between 0 and 1 (higher is better)."
)
ROBUST_ROWS = {
    "hard": "distilled images, hard labels",
    "rival": "random real images, labels of the same kind",
    "distilled_plain": "distilled images, without augmentation",
    "rival_plain": "random real images, labels of the same kind, without augmentation",
}


class ScoresProtocol:
    """The scorecard's rows, more controls, robust and clinical scores; cached rows are not trained again.

    The robust scores follow DD-Ranking (see :func:`~monai_distill.metrics.robust.label_robust_score`). A set with
    learned labels is compared with random images that have the soft labels of a teacher. Its hard-label row trains on
    its class numbers, with a learning rate chosen on validation, as for a control.

    References:
        Li et al., DD-Ranking, 2025, https://arxiv.org/abs/2505.13300.

    Args:
        scorecard: the scorecard that the set was scored with.
        controls: the variants of every control by name; ``soft_label_random`` is needed for sets with learned labels.
        chosen: names of the controls that get a row; by default all.
        weight: weight of the first part of LRS and of ARS.
        resamples: number of bootstrap resamples.

    Raises:
        ValueError: if a chosen control does not exist, or the scorecard has no row of all training images.

    Example:
        >>> from monai_distill.data import SplitBanks, random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks import FlatNetwork
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> import torch
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> card = Scorecard(data, network, StudentTraining(SiameseAugment(()), steps=2), students=2, full_students=2)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> sorted(ScoresProtocol(card, {}, resamples=10).run(synthetic)["scores"])
        ['clinical', 'controls', 'distilled', 'full', 'prior', 'random']
    """

    def __init__(
        self,
        scorecard: Scorecard,
        controls: Mapping[str, Sequence[Control]],
        *,
        chosen: Sequence[str] | None = None,
        weight: float = 0.5,
        resamples: int = 1000,
    ) -> None:
        names = list(controls) if chosen is None else list(dict.fromkeys(chosen))
        unknown = [name for name in names if name not in controls]
        if unknown:
            raise ValueError(f"Expected controls of {', '.join(controls)}, got {', '.join(unknown)}.")
        if not scorecard.full_students:
            raise ValueError("Expected a row of all training images to compare with, got full_students 0. Raise it.")
        self.scorecard = scorecard
        self.controls = dict(controls)
        self.chosen = names
        self.weight = weight
        self.resamples = resamples

    def run(self, synthetic: SyntheticDataset) -> ProtocolResult:
        """Score ``synthetic`` and its controls on the test images.

        Returns:
            ``scores``: the result of :meth:`Scorecard.run`; ``controls``: name -> metric -> summary, and the learning
            rate used; ``clinical``: :func:`~monai_distill.metrics.clinical.clinical_scores` of the set and, below
            ``controls``, of the random subset and of all training images. ``figures``: ``hlr``, ``ior``,
            ``lrs`` and ``ars`` from accuracies, the same from balanced accuracies, and the rows they need.

        Raises:
            ValueError: if the set has learned labels and no control has such labels.
        """
        if synthetic.soft and SOFT not in self.controls:
            raise ValueError(f"Expected the control {SOFT} for a set with learned labels, got {list(self.controls)}.")
        with open_progress_bar(self._steps(synthetic), "controls", "step") as bar:
            rows = self.scorecard.rows(bar.update)
            trained = self._rows(synthetic, rows)
            protocol = self.scorecard.protocol
            decoded = self.scorecard.decode_controls(synthetic, rows)
            controls = {name: self._row(name, synthetic, rows, protocol) for name in self.chosen}
        labels = self.scorecard.data.test.labels
        scores: RunScores = {
            "distilled": trained["distilled"].scores(labels),
            "random": trained["random"].scores(labels),
            "full": trained["full"].scores(labels),
            "prior": self.scorecard.prior(),
            "controls": {name: self._scores(name, row) for name, row in {**decoded, **controls}.items()},
            "clinical": self._clinical(trained),
        }
        return {"scores": scores, **_result(self._robust(trained, synthetic.soft))}

    def _rows(self, synthetic: SyntheticDataset, rows: ScoreRows) -> dict[str, Row]:
        """The rows that the robust scores compare; ``rival`` is the random set with the same kind of labels."""
        card, training_set = self.scorecard, synthetic.training_set()
        plain = card.protocol.without_augmentation()
        trained = {
            "distilled": rows.trained_on(training_set, card.protocol),
            "random": self._row("random", synthetic, rows, card.protocol),
            "full": card.full(rows),
            "distilled_plain": rows.trained_on(training_set, plain),
        }
        if not synthetic.soft:
            same = {"hard": trained["distilled"], "rival": trained["random"]}
            return {**trained, **same, "rival_plain": self._row("random", synthetic, rows, plain)}

        def hard(images_per_class: int, trial: int) -> tuple[Tensor, Tensor]:
            return training_set[0], synthetic.labels

        lrs = card.candidates(synthetic)
        return {
            **trained,
            "hard": rows.control("hard labels", [hard], card.size(synthetic), card.protocol, lrs),
            "rival": self._row(SOFT, synthetic, rows, card.protocol),
            "rival_plain": self._row(SOFT, synthetic, rows, plain),
        }

    def _row(self, name: str, synthetic: SyntheticDataset, rows: ScoreRows, protocol: StudentTraining) -> Row:
        card = self.scorecard
        variants = [card.random] if name == "random" else self.controls[name]
        return rows.control(name, variants, card.size(synthetic), protocol, card.candidates(synthetic))

    def _steps(self, synthetic: SyntheticDataset) -> int:
        """Student steps of all rows, for the progress bar."""
        card = self.scorecard
        robust = ["random", SOFT, SOFT] if synthetic.soft else ["random", "random"]
        variants = [len(self.controls.get(name, [None])) for name in (*robust, *self.chosen)]
        variants += [1] if synthetic.soft else []  # with hard labels
        variants += [] if synthetic.decode.is_identity else [1, 1]
        lrs = len(card.candidates(synthetic))
        controls = sum(card.rows().control_steps(card.protocol, number * lrs) for number in variants)
        return controls + 2 * card.students * card.protocol.steps + card.full_students * card.full_protocol.steps

    def _scores(self, name: str, row: Row) -> ScoreRow:
        scores = row.scores(self.scorecard.data.test.labels)
        return {**scores, "variant": row.variant} if len(self.controls.get(name, ())) > 1 else scores

    def _robust(self, trained: Mapping[str, Row], soft: bool) -> dict[str, Any]:
        labels = self.scorecard.data.test.labels
        rows = {name: row.scores(labels) for name, row in trained.items()}
        figures: dict[str, Any] = {}
        for metric in COMPARED:
            mean = {name: float(cast("float", row[metric]["mean"])) for name, row in rows.items()}
            hlr = hard_label_recovery(mean["full"], mean["hard"])
            ior = improvement_over_random(mean["distilled"], mean["rival"])
            plain = improvement_over_random(mean["distilled_plain"], mean["rival_plain"])
            figures[metric] = {
                "hlr": hlr,
                "ior": ior,
                "ior_without_augmentation": plain,
                "lrs": label_robust_score(hlr, ior, self.weight),
                "ars": augmentation_robust_score(ior, plain, self.weight),
            }
        return {
            **figures.pop("accuracy"),
            **figures,
            "weight": self.weight,
            "random_labels": "soft" if soft else "hard",
            "rows": {name: rows[name] for name in ROBUST_ROWS},
        }

    def _clinical(self, trained: Mapping[str, Row]) -> ClinicalScores:
        data, seed = self.scorecard.data, self.scorecard.seed

        def scores(name: str) -> ClinicalScores:
            return clinical_scores(
                trained[name].logits.softmax(dim=2),
                data.test.labels,
                data.class_names,
                columns=data.test_columns,
                resamples=self.resamples,
                seed=seed,
            )

        return {**scores("distilled"), "controls": {name: scores(name) for name in ("random", "full")}}


def _result(figures: dict[str, Any]) -> ProtocolResult:
    robust: list[list[Cell]] = [[TITLES[name], figures[name], figures["balanced_accuracy"][name]] for name in TITLES]
    rows = {ROBUST_ROWS[name]: row for name, row in figures["rows"].items()}
    return {
        "title": "Robust scores",
        "figures": figures,
        "paragraphs": [EXPLANATION],
        "tables": [
            {"title": "Robust scores", "header": ["score", "of accuracy", "of balanced accuracy"], "rows": robust},
            metric_table(rows, "The rows of the robust scores", "trained on"),
        ],
    }
