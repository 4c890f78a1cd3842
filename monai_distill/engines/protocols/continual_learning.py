"""A distilled set as the memory of a learner that meets the classes one group after another."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_distill.data import SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines.students import StudentTraining, lr_candidates, rank_by_validation, score_students
from monai_distill.metrics import SCORES, summary
from monai_distill.networks import FlatNetwork
from monai_distill.runtime import ResultCache
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.runtime.result_cache import Part, content_hash

from .class_memory import among, remembered, seen_part

__all__ = ["ContinualLearning"]

Memory = tuple[Tensor, Tensor, Tensor]
MEMORIES = ("distilled", "random")
AVERAGED = ("accuracy", "balanced_accuracy")


class ContinualLearning:
    """Class-incremental learning from a memory alone: the distilled one beside a random real one of the same size.

    References: Prabhu et al., GDumb, ECCV 2020 (after every step a network is trained from scratch on the memory of
    all classes seen so far); Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023 (a distilled
    memory). Deviations: the memory of a step is the part of the finished distilled set whose classes were seen, and
    that set was distilled with all classes at hand, so an early step may profit from classes that it does not know;
    learned labels lose what they say of unseen classes; predictions are of seen classes only, as GDumb masks them,
    the loss is not masked. The distilled memory keeps its learned learning rate, the random one gets the one of the
    learned and the given that is best on validation with all classes, as in the scorecard. Every order has a random
    draw of its own.

    Args:
        data: training, validation and test images; those of the classes seen are tested after every step.
        network: the students' architecture.
        protocol: how students are trained.
        classes_per_step: new classes per step; the last step may have fewer.
        orders: class orders.
        students: fresh networks per order, step and memory.
        lrs: candidates for the random memory, beside the learned learning rate.
        metric: what the learning rate is chosen by.
        seed: seed of the run.
        folder: where finished parts are kept (see :class:`ResultCache`); None keeps none.
        architecture: the network's description (:func:`factory_config`), a part of what finished parts are found by.

    Raises:
        ValueError: for no order or student or learning rate, an unknown metric, or classes that make a single step.

    Example:
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 10, 8, width=4, depth=1))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> learner = ContinualLearning(data, network, protocol, classes_per_step=5, orders=1, students=1)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> [step["classes_seen"] for step in learner.run(synthetic)["continual"]["steps"]]
        [5, 10]
    """

    def __init__(
        self,
        data: SplitBanks,
        network: FlatNetwork,
        protocol: StudentTraining,
        *,
        classes_per_step: int = 2,
        orders: int = 5,
        students: int = 3,
        lrs: Sequence[float] = (0.01,),
        metric: str = "balanced_accuracy",
        seed: int = 0,
        folder: str | None = None,
        architecture: Any = None,
    ) -> None:
        if orders < 1 or students < 1 or not lrs or metric not in SCORES:
            raise ValueError(
                f"Expected at least 1 order, student and learning rate and a metric of {sorted(SCORES)}, got {orders}, "
                f"{students}, {list(lrs)} and {metric!r}."
            )
        if not 1 <= classes_per_step < len(data.class_names):
            raise ValueError(
                f"Expected classes_per_step from 1 to {len(data.class_names) - 1}, got {classes_per_step}: with "
                f"{len(data.class_names)} classes there must be at least two steps."
            )
        self.data = data
        self.network = network
        self.protocol = protocol
        self.classes_per_step = classes_per_step
        self.orders = orders
        self.students = students
        self.lrs = tuple(lrs)
        self.metric = metric
        self.seed = seed
        self.folder = folder
        self.architecture = architecture
        self._held_out = [bank.fingerprint() for bank in (data.validation, data.test)]

    def class_orders(self) -> list[list[int]]:
        """The orders in which the classes come."""
        count = len(self.data.class_names)
        return [
            torch.randperm(count, generator=seeded_generator(self.seed, "class order", i)).tolist()
            for i in range(self.orders)
        ]

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Test both memories after every step.

        Returns:
            ``continual``: per step the number of classes seen and images remembered (a mean over the orders) and
            ``distilled`` and ``random`` (metric -> summary over orders and students); ``average`` over the steps.
        """
        counts = torch.bincount(synthetic.labels, minlength=len(self.data.class_names)).tolist()
        images, targets, learned = synthetic.training_set()
        draws = [
            random_subset(self.data.training, counts, seeded_generator(self.seed, "random subset", i))
            for i in range(self.orders)
        ]
        candidates = lr_candidates(learned, self.lrs)
        parts_of = ResultCache(self.folder, "continual")
        (chosen,) = parts_of.results([self._choice(draws[0], candidates)])
        if chosen["lr"] is None:
            raise ValueError(f"Every learning rate of {candidates} lets students diverge. Give smaller lrs.")
        ends = [*range(self.classes_per_step, len(self.data.class_names), self.classes_per_step)]
        ends.append(len(self.data.class_names))
        parts: list[Part] = []
        for number, (order, drawn) in enumerate(zip(self.class_orders(), draws, strict=True)):
            memories = {
                "distilled": ((images, targets, synthetic.labels), learned),
                "random": ((*drawn, drawn[1]), chosen["lr"]),
            }
            for end in ends:
                for kind, (memory, rate) in memories.items():
                    parts.append(self._part(kind, memory, rate, order[:end], number))
        results = parts_of.results(parts)
        sizes = [sum(counts[c] for order in self.class_orders() for c in order[:e]) / self.orders for e in ends]
        return {
            "continual": {
                **_scores(results, ends, sizes),
                "classes_per_step": self.classes_per_step,
                "orders": [[self.data.class_names[c] for c in order] for order in self.class_orders()],
                "students": self.students,
                "lrs": {"distilled": learned, "random": chosen["lr"]},
                "training": self.protocol.config(),
                "memory": "the part of the finished set whose classes were seen; all classes were distilled together",
            }
        }

    def _job(self) -> dict[str, Any]:
        return {
            "architecture": self.architecture,
            "device": self.data.training.device.type,
            "protocol": self.protocol.config(),
            "students": self.students,
            "seed": self.seed,
            "held_out": self._held_out,
        }

    def _choice(self, drawn: tuple[Tensor, Tensor], candidates: list[float]) -> Part:
        def work(on_step: Callable[[int], object]) -> dict[str, Any]:
            scores = rank_by_validation(
                candidates,
                lambda rate: score_students(
                    (*drawn, rate),
                    self.network,
                    self.protocol,
                    self.data.validation,
                    students=1,
                    seed=self.seed,
                    purpose="choice",
                    on_step=on_step,
                )[self.metric],
            )
            return {"lr": next(iter(scores), None), "validation": {str(r): v for r, v in scores.items()}}

        about = {
            **self._job(),
            "choice": candidates,
            "metric": self.metric,
            "images": content_hash(*drawn),
        }
        return about, self.protocol.steps * len(candidates), work

    def _part(self, kind: str, memory: Memory, rate: float, seen: list[int], order: int) -> Part:
        images, targets = remembered(*memory, seen)
        about = {
            **self._job(),
            "memory": kind,
            "images": content_hash(images, targets),
            "seen": sorted(seen),
            "lr": rate,
            "order": order,
        }

        def work(on_step: Callable[[int], object]) -> dict[str, Any]:
            return score_students(
                (images, targets, rate),
                self.network,
                self.protocol,
                seen_part(self.data.test, seen),  # here, because all of them at once would fill the memory
                students=self.students,
                seed=self.seed,
                purpose=f"continual {order}",
                metrics={name: functools.partial(among, seen, score) for name, score in SCORES.items()},
                on_step=on_step,
            )

        return about, self.protocol.steps * self.students, work


def _scores(results: list[dict[str, Any]], ends: list[int], sizes: list[float]) -> dict[str, Any]:
    """Results come by order, then step, then memory."""
    steps: list[dict[str, Any]] = []
    for place, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        steps.append({"classes_seen": end, "memory_images": size})
        for i, kind in enumerate(MEMORIES):
            rows = results[2 * place + i :: 2 * len(ends)]
            steps[-1][kind] = {name: summary([v for row in rows for v in row[name]]) for name in rows[0]}
    average = {
        kind: {name: float(np.mean([step[kind][name]["mean"] for step in steps])) for name in AVERAGED}
        for kind in MEMORIES
    }
    return {"steps": steps, "average": average}
