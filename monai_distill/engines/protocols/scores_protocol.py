"""The long score card: more controls, what is left without soft labels and augmentation, and what a clinician asks."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from tqdm import tqdm

from monai_distill.data import SyntheticDataset
from monai_distill.engines.students import Row, ScoreRows, StudentTraining
from monai_distill.engines.students.score_rows import Control
from monai_distill.metrics import (
    augmentation_robust_score,
    clinical_scores,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)

from .scorecard import Scorecard

__all__ = ["ScoresProtocol"]

SOFT = "soft_label_random"
METRICS = ("accuracy", "balanced_accuracy")


class ScoresProtocol:
    """The score card's rows, more controls, robust and clinical scores; what the card has kept is not trained again.

    The robust scores follow DD-Ranking (see :func:`~monai_distill.metrics.label_robust_score`). A set with learned
    labels is put beside random images with the labels of a teacher, which is the same kind of label; its hard-label
    row trains on its class numbers, with a learning rate chosen on validation like that of a control.

    References:
        Li et al., DD-Ranking, arXiv 2505.13300, 2025.

    Args:
        scorecard: the card that the set was scored with.
        controls: the variants of every control by name; ``soft_label_random`` is needed for sets with learned labels.
        chosen: names of the controls that get a row.
        weight: of the first part of LRS and of ARS.
        resamples: of the bootstrap.

    Raises:
        ValueError: for a chosen control that is not there, or a card without a row of all training images.

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
        >>> sorted(ScoresProtocol(card, {}, resamples=10).run(synthetic))
        ['clinical', 'controls', 'distilled', 'full', 'prior', 'random', 'robust']
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

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Score ``synthetic`` and its controls on the test images.

        Returns:
            What :meth:`Scorecard.run` returns. ``controls``: name -> metric -> mean, std, interval95, values; and the
            learning rate used. ``robust``: ``hlr``, ``ior``, ``lrs`` and ``ars`` from accuracies, the same from
            balanced accuracies, and the rows they need. ``clinical``: :func:`~monai_distill.metrics.clinical_scores`
            of the set and, below ``beside``, of the random subset and all training images.

        Raises:
            ValueError: when the set has learned labels and there is no control with such labels.
        """
        if synthetic.soft and SOFT not in self.controls:
            raise ValueError(f"Expected the control {SOFT} for a set with learned labels, got {list(self.controls)}.")
        with tqdm(total=self._steps(synthetic), desc="controls", unit="step", disable=None) as bar:
            rows = self.scorecard.rows(bar.update)
            found = self._rows(synthetic, rows)
            protocol = self.scorecard.protocol
            controls = {name: self._row(name, synthetic, rows, protocol) for name in self.chosen}
        labels = self.scorecard.data.test.labels
        return {
            **{name: found[name].scores(labels) for name in ("distilled", "random", "full")},
            "prior": self.scorecard.prior(),
            "controls": {name: self._scores(name, row) for name, row in controls.items()},
            "robust": self._robust(found, synthetic.soft),
            "clinical": self._clinical(found),
        }

    def _rows(self, synthetic: SyntheticDataset, rows: ScoreRows) -> dict[str, Row]:
        """What the robust scores compare; ``rival`` is the random set with the same kind of labels."""
        card, own = self.scorecard, synthetic.training_set()
        plain = card.protocol.without_augmentation()
        found = {
            "distilled": rows.trained_on(own, card.protocol),
            "random": self._row("random", synthetic, rows, card.protocol),
            "full": card.full(rows),
            "distilled_plain": rows.trained_on(own, plain),
        }
        if not synthetic.soft:
            same = {"hard": found["distilled"], "rival": found["random"]}
            return {**found, **same, "rival_plain": self._row("random", synthetic, rows, plain)}

        def hard(images_per_class: int, draw: int) -> tuple[Tensor, Tensor]:
            return own[0], synthetic.labels

        rates = card.candidates(synthetic)
        return {
            **found,
            "hard": rows.control("hard labels", [hard], card.size(synthetic), card.protocol, rates),
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
        rates = len(card.candidates(synthetic))
        controls = sum(card.rows().control_steps(card.protocol, number * rates) for number in variants)
        return controls + 2 * card.students * card.protocol.steps + card.full_students * card.full_protocol.steps

    def _scores(self, name: str, row: Row) -> dict[str, Any]:
        scores = row.scores(self.scorecard.data.test.labels)
        return {**scores, "variant": row.variant} if len(self.controls[name]) > 1 else scores

    def _robust(self, found: Mapping[str, Row], soft: bool) -> dict[str, Any]:
        labels = self.scorecard.data.test.labels
        rows = {name: row.scores(labels) for name, row in found.items()}
        result: dict[str, Any] = {}
        for metric in METRICS:
            mean = {name: float(row[metric]["mean"]) for name, row in rows.items()}
            hlr = hard_label_recovery(mean["full"], mean["hard"])
            ior = improvement_over_random(mean["distilled"], mean["rival"])
            plain = improvement_over_random(mean["distilled_plain"], mean["rival_plain"])
            result[metric] = {
                "hlr": hlr,
                "ior": ior,
                "ior_without_augmentation": plain,
                "lrs": label_robust_score(hlr, ior, self.weight),
                "ars": augmentation_robust_score(ior, plain, self.weight),
            }
        return {
            **result.pop("accuracy"),
            **result,
            "weight": self.weight,
            "random_labels": "soft" if soft else "hard",
            "rows": {name: rows[name] for name in ("hard", "rival", "distilled_plain", "rival_plain")},
        }

    def _clinical(self, found: Mapping[str, Row]) -> dict[str, Any]:
        data, seed = self.scorecard.data, self.scorecard.seed
        scores = {
            name: clinical_scores(
                found[name].probabilities,
                data.test.labels,
                data.class_names,
                columns=data.test_columns,
                resamples=self.resamples,
                seed=seed,
            )
            for name in ("distilled", "random", "full")
        }
        return {**scores.pop("distilled"), "beside": scores}
