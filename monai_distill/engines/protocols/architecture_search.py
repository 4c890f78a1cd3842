"""Architecture search by proxy: a distilled set ranks architectures in place of all data."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.lr_choice import lr_candidates, rank_by_validation
from monai_distill.engines.students.scoring import score_students, student_seeds
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.engines.students.students import checksum_once, training_job
from monai_distill.metrics.classification import SCORES
from monai_distill.metrics.rank_agreement import rank_agreement
from monai_distill.metrics.score_logits import summary
from monai_distill.metrics.score_record import Metric, ProtocolResult, ScoreRow
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .architecture_space import architecture_space, usable_networks
from .scorecard import Scorecard
from .search_result import search_result

__all__ = ["ArchitectureSearch"]

METRICS: tuple[Metric, ...] = tuple(SCORES)
RANKED_BY: Metric = "balanced_accuracy"


class _Proxy(NamedTuple):
    """A training set that ranks architectures: images and targets, protocol, learning rates to try."""

    data: tuple[Images, Tensor]
    protocol: StudentTraining
    lrs: Sequence[float]


class _Trained(NamedTuple):
    """One architecture on one set: the best learning rate and its scores; None if all diverge."""

    lr: float | None
    values: dict[Metric, list[float]]
    seconds: float

    @property
    def score(self) -> float | None:
        return None if self.lr is None else float(np.mean(self.values[RANKED_BY]))


class ArchitectureSearch:
    """Ranks a space of architectures by the distilled set, by a random real one of its size, and by all data.

    References:
        Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, https://arxiv.org/abs/2006.05929 (a space
        of ConvNets); Sajedi et al., DataDAM, ICCV 2023, https://arxiv.org/abs/2310.00093 (the tables).

    Deviations:
        - Rankings use balanced accuracy on validation. The test images see only the architectures that came first,
          trained on all data, at the end.
        - An architecture gets its best validation score over the learning rates. The distilled and the random set try
          the learned and the given ones, all data the given ones. An architecture that diverges at all of them is last.
        - There is one random subset.

    Combinations that do not fit the images are left out with a warning and named in the result. Times are measured
    seconds of training and validation; they hold for the machine and its load.

    Args:
        scorecard: the data, the seed and the cache.
        factory: builds a network from its arguments; ``space`` sets the varied ones.
        space: values by argument of ``factory``; all combinations are the space.
        protocol: how students of the two small sets are trained.
        full_protocol: how those of all data, the reference, are trained.
        students: fresh networks per architecture and set.
        lrs: candidates.
        top: share of the space within which rankings are compared again.

    Raises:
        ValueError: if there is no student, no learning rate, the space is empty, or ``top`` is not in (0, 1].

    Example:
        >>> import functools
        >>> from monai_distill.data import SplitBanks, random_subset
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> kind = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, depth=1)
        >>> quick = StudentTraining(SiameseAugment(()), steps=2)
        >>> card = Scorecard(data, FlatNetwork(kind), quick)
        >>> search = ArchitectureSearch(card, kind, {"width": [1, 2, 4]}, quick, quick)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> search.run(synthetic)["figures"]["architectures"]
        3
    """

    def __init__(
        self,
        scorecard: Scorecard,
        factory: Callable[..., nn.Module],
        space: Mapping[str, Sequence[Any]],
        protocol: StudentTraining,
        full_protocol: StudentTraining,
        *,
        students: int = 1,
        lrs: Sequence[float] = (0.01,),
        top: float = 0.2,
    ) -> None:
        require_positive_int(students=students)
        require_in_interval("(0, 1]", top=top)
        if not lrs or not math.prod(map(len, space.values())):
            raise ValueError(
                f"Expected at least 1 learning rate and values for every argument of the space, got {list(lrs)} and "
                f"{dict(space)}."
            )
        self.scorecard = scorecard
        self.space = {name: list(values) for name, values in space.items()}
        self.factories = architecture_space(factory, self.space)
        self.protocol = protocol
        self.full_protocol = full_protocol
        self.students = students
        self.lrs = tuple(lrs)
        self.top = top
        self._seeds = student_seeds(scorecard.seed, "architecture", students)

    def run(self, synthetic: SyntheticDataset) -> ProtocolResult:
        """Rank the space three times.

        Returns:
            ``figures``: by set the agreement with all data (Spearman, of all and of the top), the seconds it took, its
            pick and the score of that pick when trained on all data; ``time_saved``, a share of all data's seconds.

        Raises:
            ValueError: if fewer than three architectures fit the images.
        """
        data = self.scorecard.data
        networks, skipped = usable_networks(self.factories, data.training.device, self.scorecard.network.memory.budget)
        if len(networks) < 3:
            raise ValueError(
                f"Expected three architectures to rank, got {list(networks)}; others do not fit: {skipped}."
            )
        images, targets, learned = synthetic.training_set()
        lrs = lr_candidates(learned, self.lrs)
        proxies = {
            "distilled": _Proxy((images, targets), self.protocol, lrs),
            "random": _Proxy(self.scorecard.random_like(synthetic, 0), self.protocol, lrs),
            "full": _Proxy((data.training.images, data.training.labels), self.full_protocol, [*self.lrs]),
        }
        total = len(networks) * sum(self._steps(proxy) for proxy in proxies.values())
        with open_progress_bar(total, "architectures", "step") as bar:
            rows = {
                kind: {name: self._trained(proxy, net, data.validation, bar) for name, net in networks.items()}
                for kind, proxy in proxies.items()
            }
            compared = self._compared(networks, rows, proxies["full"], bar)
        figures = {
            "architectures": len(networks),
            "space": self.space,
            "skipped": skipped,
            "ranked_by": f"{RANKED_BY} on validation, {self.students} student(s), the best learning rate",
            "lrs": {kind: list(proxy.lrs) for kind, proxy in proxies.items()},
            "training": {"small": self.protocol.config(), "full": self.full_protocol.config()},
            "top": self.top,
            **compared,
        }
        return search_result(figures)

    def _steps(self, proxy: _Proxy) -> int:
        return proxy.protocol.steps * self.students * len(proxy.lrs)

    def _trained(self, proxy: _Proxy, network: FlatNetwork, bank: ClassBank, bar: Any) -> _Trained:
        """Train an architecture at every learning rate and score it on ``bank``; the best learning rate counts.

        The cached tensor [learning rates, metrics, students] is NaN where a student diverged.
        """
        lrs, counted = sorted(set(proxy.lrs)), bar.n

        def compute() -> Tensor:
            scores: dict[float, ScoreRow] = {}

            def score(lr: float) -> float:
                scores[lr] = score_students(
                    (*proxy.data, lr), network, proxy.protocol, bank, self._seeds, lambda: bar.update(self.students)
                )
                return float(np.mean(scores[lr][RANKED_BY]["values"]))  # type: ignore[arg-type]

            rank_by_validation(lrs, score)  # warns of learning rates that diverge
            missing = [[math.nan] * self.students] * len(METRICS)
            values = [[scores[lr][m]["values"] for m in METRICS] if lr in scores else missing for lr in lrs]
            return torch.tensor(np.array(values, dtype=np.float64))

        job: dict[str, Any] = {}
        if self.scorecard.cache.folder is not None:
            job = training_job(network, (*proxy.data, 0.0), proxy.protocol, self._seeds)
            job |= {"lrs": lrs, "scores_on": [checksum_once(values) for values in (bank.images, bank.labels)]}
        values, seconds = self.scorecard.cache(job, compute)
        bar.update(counted + self._steps(proxy) - bar.n)
        by_lr = {lr: dict(zip(METRICS, table.tolist(), strict=True)) for lr, table in zip(lrs, values, strict=True)}
        means = {lr: float(np.mean(rows[RANKED_BY])) for lr, rows in by_lr.items()}
        known = {lr: mean for lr, mean in means.items() if not math.isnan(mean)}
        best = max(known, key=known.__getitem__) if known else None
        return _Trained(best, {} if best is None else by_lr[best], seconds)

    def _compared(
        self,
        networks: Mapping[str, FlatNetwork],
        rows: Mapping[str, Mapping[str, _Trained]],
        full: _Proxy,
        bar: Any,
    ) -> dict[str, Any]:
        # a score is at least 0: an architecture that diverges at every learning rate comes last
        scores = {
            kind: [-1.0 if row.score is None else row.score for row in trained.values()]
            for kind, trained in rows.items()
        }
        names = list(networks)
        picks = {kind: names[int(np.argmax(values))] for kind, values in scores.items()}
        tested = {name: self._tested(networks[name], rows["full"][name].lr, full, bar) for name in picks.values()}
        result: dict[str, Any] = {}
        for kind, pick in picks.items():
            agreement = rank_agreement(scores[kind], scores["full"], self.top)
            result[kind] = {
                **({} if kind == "full" else agreement),
                "seconds": sum(row.seconds for row in rows[kind].values()),
                "pick": pick,
                "pick_on_full_data": {"validation": rows["full"][pick].score, "test": tested[pick]},
            }
        result["time_saved"] = 1 - result["distilled"]["seconds"] / result["full"]["seconds"]
        result["ranking"] = {name: {kind: trained[name].score for kind, trained in rows.items()} for name in networks}
        return result

    def _tested(self, network: FlatNetwork, lr: float | None, full: _Proxy, bar: Any) -> dict[str, Any]:
        """Test scores of a pick trained on all data, at the learning rate that validation chose."""
        if lr is None:
            return {}
        chosen = full._replace(lrs=[lr])
        bar.total += self._steps(chosen)
        values = self._trained(chosen, network, self.scorecard.data.test, bar).values
        return {metric: summary(of_students) for metric, of_students in values.items()}
