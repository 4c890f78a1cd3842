"""Scores of a distilled set with networks other than the one that it was distilled with."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.lr_choice import lr_candidates
from monai_distill.engines.students.score_rows import Row, ScoreRows
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.metrics.score_record import Cell, Chart, Comparison, Metric, ProtocolResult, ScoreRow, Table, Use
from monai_distill.metrics.score_tables import METRIC_TITLES, apart, percent
from monai_distill.networks.factories import factory_config
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.validation import require_positive_int

from .architecture_space import usable_networks
from .scorecard import Scorecard

__all__ = ["CrossArchitecture"]

COMPARED: tuple[Metric, ...] = ("accuracy", "balanced_accuracy")
LR_CHOICE = (
    "balanced accuracy on validation of one student per candidate, for every architecture and for both sets alike"
)
Rows = Mapping[str, ScoreRow]  # by architecture


class CrossArchitecture:
    """Trains students of several architectures on the distilled set and on random real subsets of its size.

    References:
        Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929.

    Deviations:
        - The learned learning rate belongs to the network that it was learned with. Every architecture therefore gets,
          for the distilled and for the random sets, the one of the learned and the given learning rates that is best on
          validation (balanced accuracy of one student; the next best if a scored student diverges).
        - Every distilled figure has a random one next to it, because an architecture that learns from any images is no
          evidence for a set.

    Architectures that do not fit the images are left out with a warning and named in the result.

    Args:
        scorecard: the data, the seed and the cache; sets that share its folder train the random rows once.
        architectures: a factory by name, as ``_mode_: callable`` makes it.
        protocol: how students are trained.
        students: fresh networks per architecture and set.
        lrs: candidates next to the learned learning rate.

    Raises:
        ValueError: if there is no student, no architecture or no learning rate.

    Example:
        >>> import functools, torch
        >>> from monai_distill.data import SplitBanks, random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks import FlatNetwork
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> kind = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, depth=1)
        >>> kinds = {"narrow": functools.partial(kind, width=2), "wide": functools.partial(kind, width=8)}
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> card = Scorecard(data, FlatNetwork(kinds["wide"]), protocol)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> CrossArchitecture(card, kinds, protocol, students=2).run(synthetic)["networks"]
        ['narrow', 'wide']
    """

    def __init__(
        self,
        scorecard: Scorecard,
        architectures: Mapping[str, Callable[[], nn.Module]],
        protocol: StudentTraining,
        *,
        students: int = 5,
        lrs: Sequence[float] = (0.001, 0.01, 0.1),
    ) -> None:
        require_positive_int(students=students)
        if not architectures or not lrs:
            raise ValueError(
                f"Expected at least 1 architecture and 1 learning rate, got {list(architectures)} and {list(lrs)}."
            )
        self.scorecard = scorecard
        self.architectures = dict(architectures)
        self.protocol = protocol
        self.students = students
        self.lrs = tuple(lrs)

    def run(self, synthetic: SyntheticDataset) -> ProtocolResult:
        """Score every architecture on the test images.

        Returns:
            ``figures``: ``distilled`` and ``random`` (architecture -> metric -> summary; learning rate, parameters) and
            ``protocol``.

        Raises:
            ValueError: if no architecture fits the images.
            StudentDivergedError: if students of an architecture diverge at every learning rate.
        """
        card = self.scorecard
        networks, skipped = usable_networks(self.architectures, card.data.training.device, card.network.memory.budget)
        images, targets, learned = synthetic.training_set()
        candidates = lr_candidates(learned, self.lrs)
        distilled: dict[str, ScoreRow] = {}
        random: dict[str, ScoreRow] = {}
        with open_progress_bar(0, "cross-architecture", "step") as bar:
            for name, network in networks.items():
                rows = ScoreRows(
                    card.data, network, students=self.students, seed=card.seed, cache=card.cache, on_step=bar.update
                )
                steps = rows.tuned_steps(self.protocol, len(candidates))
                bar.total = len(networks) * (steps + rows.control_steps(self.protocol, len(candidates)))
                row = rows.tuned(images, targets, self.protocol, candidates)
                distilled[name] = self._scores(row, network.size)
                row = rows.control(
                    "random", [lambda _, trial: card.random_like(synthetic, trial)], 0, self.protocol, candidates
                )
                random[name] = self._scores(row, network.size)
        protocol = {
            "students": self.students,
            "lrs": candidates,
            "lr_choice": LR_CHOICE,
            "training": self.protocol.config(),
            "architectures": {name: factory_config(self.architectures[name]) for name in networks},
            "skipped": skipped,
        }
        return {
            "title": "Other architectures",
            "figures": {"distilled": distilled, "random": random, "protocol": protocol},
            "paragraphs": [f"Not scored: {', '.join(skipped)}."] if skipped else [],
            "tables": [_table(distilled, random)],
            "charts": [_chart(distilled, random)],
            "comparisons": [_comparison(metric, distilled, random) for metric in COMPARED],
            "uses": _uses(distilled, random),
            "networks": list(networks),
        }

    def _scores(self, row: Row, parameters: int) -> ScoreRow:
        scores = row.scores(self.scorecard.data.test.labels)
        return {**scores, "lr_validation": dict(row.validation), "parameters": parameters}


def _table(distilled: Rows, random: Rows) -> Table:
    lines: list[list[Cell]] = []
    for name in distilled:
        for kind, row in (("distilled", distilled[name]), ("random real", random[name])):
            lines.append([name, kind, *(row[metric] for metric in METRIC_TITLES), f"{row['lr']:.3g}"])
    return {
        "title": "Architectures, trained on the distilled images and on as many random real images",
        "header": ["architecture", "trained on", *METRIC_TITLES.values(), "learning rate"],
        "rows": lines,
    }


def _chart(distilled: Rows, random: Rows) -> Chart:
    kinds = {"distilled": distilled, "random": random}
    columns = [f"{METRIC_TITLES[metric]},\n{kind}" for metric in COMPARED for kind in kinds]
    values = [[rows[name][metric]["mean"] for metric in COMPARED for rows in kinds.values()] for name in distilled]
    words = "; ".join(f"{name} {percent(row['balanced_accuracy']['mean'])}" for name, row in distilled.items())
    return {
        "kind": "heat_map",
        "rows": list(distilled),
        "columns": columns,
        "values": values,
        "alt": f"Scores by architecture. Balanced accuracy on the distilled set: {words}. All numbers: table below.",
        "caption": "Mean score of every architecture (row) by its training set (column).",
    }


def _comparison(metric: Metric, distilled: Rows, random: Rows) -> Comparison:
    return {
        "title": f"{METRIC_TITLES[metric]} of other networks",
        "distilled": {name: row[metric] for name, row in distilled.items()},
        "random": {name: row[metric] for name, row in random.items()},
        "heat_map": True,
    }


def _uses(distilled: Rows, random: Rows) -> list[Use]:
    chosen: Metric = "balanced_accuracy"
    better = [name for name, row in distilled.items() if apart(row[chosen], random[name][chosen]) == 1]
    others = [name for name in distilled if name not in better]
    uses: list[Use] = []
    if better:
        uses.append({"text": f"Training these architectures, as measured: {', '.join(better)}.", "better": True})
    if others:
        text = f"Training {', '.join(others)}: not shown to be better than random real images."
        uses.append({"text": text, "better": False})
    return uses
