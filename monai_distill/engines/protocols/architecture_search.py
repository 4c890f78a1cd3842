"""Whether a distilled set can stand in for all data when architectures are compared."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines.students import StudentTraining, lr_candidates, rank_by_validation, score_students
from monai_distill.metrics import SCORES, rank_agreement, summary
from monai_distill.networks import FlatNetwork, factory_config
from monai_distill.runtime import ResultCache
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.runtime.result_cache import Part, content_hash

from .architecture_space import architecture_space, usable_networks

__all__ = ["ArchitectureSearch"]

TrainedOn = tuple[tuple[Images, Tensor], StudentTraining, Sequence[float]]  # images and targets; learning rates to try


class ArchitectureSearch:
    """Ranks a space of architectures by the distilled set, by a random real one of its size, and by all data.

    References: Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021 (a space of ConvNets), and the
    tables of DataDAM (Sajedi et al., ICCV 2023). Deviations: rankings are of ``metric`` on validation, and the
    test images see only the architectures that came first, trained on all data, at the end; an architecture gets
    the best validation score over its learning rates, the distilled and the random set the same candidates (the learned
    one and the given), all data the given ones; one that diverges at all of them is last; one random draw.
    Combinations that cannot take the images are left out with a warning and named in the result. Times are seconds of
    training and validation as they passed, so they hold for the machine and its load.

    Args:
        data: training, validation and test images.
        factory: builds a network from its arguments; ``space`` sets the varied ones.
        space: values per argument of ``factory``; all combinations are the space.
        protocol: how students of the two small sets are trained.
        full_protocol: how those of all data are trained: the reference.
        students: fresh networks per architecture and set.
        lrs: candidates.
        metric: what architectures are ranked by.
        top: share of the space within which rankings are compared again.
        seed: seed of the run.
        folder: where finished parts are kept (see :class:`ResultCache`); None keeps none.

    Raises:
        ValueError: for no student, an empty space, no learning rate, or an unknown metric.

    Example:
        >>> import functools
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> kind = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, depth=1)
        >>> quick = StudentTraining(SiameseAugment(()), steps=2)
        >>> search = ArchitectureSearch(data, kind, {"width": [1, 2, 4]}, quick, quick)
        >>> synthetic = SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)
        >>> search.run(synthetic)["nas"]["architectures"]
        3
    """

    def __init__(
        self,
        data: SplitBanks,
        factory: Callable[..., nn.Module],
        space: Mapping[str, Sequence[Any]],
        protocol: StudentTraining,
        full_protocol: StudentTraining,
        *,
        students: int = 1,
        lrs: Sequence[float] = (0.01,),
        metric: str = "balanced_accuracy",
        top: float = 0.2,
        seed: int = 0,
        folder: str | None = None,
    ) -> None:
        if students < 1 or not lrs or metric not in SCORES or not math.prod(map(len, space.values())):
            raise ValueError(
                f"Expected at least 1 student and learning rate, values for every argument of the space and a metric "
                f"of {sorted(SCORES)}, got {students}, {list(lrs)}, {dict(space)} and {metric!r}."
            )
        self.data = data
        self.space = {name: list(values) for name, values in space.items()}
        self.factories = architecture_space(factory, self.space)
        self.protocol = protocol
        self.full_protocol = full_protocol
        self.students = students
        self.lrs = tuple(lrs)
        self.metric = metric
        self.top = top
        self.seed = seed
        self.folder = folder

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Rank the space three times.

        Returns:
            ``nas``: per set the agreement with all data (Spearman, of all and of the top), the seconds it took, its
            pick and what that pick scores when trained on all data; ``time_saved``, a share of all data's seconds.

        Raises:
            ValueError: when fewer than three architectures take the images.
        """
        networks, skipped = usable_networks(self.factories, self.data.training.device)
        if len(networks) < 3:
            raise ValueError(
                f"Expected three architectures to rank, got {list(networks)}; others do not fit: {skipped}."
            )
        images, targets, learned = synthetic.training_set()
        counts = torch.bincount(synthetic.labels, minlength=self.data.training.num_classes).tolist()
        generator = seeded_generator(self.seed, "random subset", 0)
        rates = lr_candidates(learned, self.lrs)
        sets: dict[str, TrainedOn] = {
            "distilled": ((images, targets), self.protocol, rates),
            "random": (random_subset(self.data.training, counts, generator), self.protocol, rates),
            "full": ((self.data.training.images, self.data.training.labels), self.full_protocol, [*self.lrs]),
        }
        shared = {kind: self._shared(kind, trained_on) for kind, trained_on in sets.items()}
        parts = [
            self._part(shared[kind], trained_on, name, network, self.data.validation)
            for kind, trained_on in sets.items()
            for name, network in networks.items()
        ]
        results = ResultCache(self.folder, "architectures").results(parts)
        rows = {k: dict(zip(networks, results[i * len(networks) :], strict=False)) for i, k in enumerate(sets)}
        about = {
            "architectures": len(networks),
            "space": self.space,
            "skipped": skipped,
            "ranked_by": f"{self.metric} on validation, {self.students} student(s), the best learning rate",
            "lrs": {kind: list(candidates) for kind, (_, _, candidates) in sets.items()},
            "training": {"small": self.protocol.config(), "full": self.full_protocol.config()},
            "top": self.top,
        }
        return {"nas": {**about, **self._compared(networks, rows, shared["full"], sets["full"])}}

    def _shared(self, kind: str, trained_on: TrainedOn) -> dict[str, Any]:
        """What decides the score of every architecture on one set; hashed once, because all data are many."""
        pair, protocol, _ = trained_on
        return {
            "set": kind,
            "device": self.data.training.device.type,
            "images": content_hash(*pair),
            "held_out": [bank.fingerprint() for bank in (self.data.validation, self.data.test)],
            "protocol": protocol.config(),
            "students": self.students,
            "metric": self.metric,
            "seed": self.seed,
        }

    def _part(
        self, shared: dict[str, Any], trained_on: TrainedOn, name: str, network: FlatNetwork, bank: ClassBank
    ) -> Part:
        """One architecture trained on one set at several learning rates, the best of which counts."""
        pair, protocol, rates = trained_on
        about = {
            **shared,
            "architecture": factory_config(self.factories[name]),
            "lrs": list(rates),
            "scored_on": "test" if bank is self.data.test else "validation",
        }

        def work(on_step: Callable[[int], object]) -> dict[str, Any]:
            began = time.perf_counter()
            values: dict[float | None, dict[str, list[float]]] = {}

            def scores(rate: float) -> list[float]:
                values[rate] = score_students(
                    (*pair, rate),
                    network,
                    protocol,
                    bank,
                    students=self.students,
                    seed=self.seed,
                    purpose="architecture",
                    on_step=on_step,
                )
                return values[rate][self.metric]

            rate, score = next(iter(rank_by_validation(rates, scores).items()), (None, None))
            seconds = time.perf_counter() - began
            return {"score": score, "lr": rate, "seconds": seconds, "values": values.get(rate, {})}

        return about, protocol.steps * self.students * len(rates), work

    def _compared(
        self,
        networks: Mapping[str, FlatNetwork],
        rows: Mapping[str, Mapping[str, Any]],
        shared: dict[str, Any],
        full: TrainedOn,
    ) -> dict[str, Any]:
        # a score is at least 0: what diverges at every learning rate comes last
        scores = {
            k: [-1.0 if found[n]["score"] is None else found[n]["score"] for n in networks] for k, found in rows.items()
        }
        picks = {k: max(zip(found, networks, strict=True), key=lambda row: row[0])[1] for k, found in scores.items()}
        # the one look at the test images: a pick trained on all data, at the learning rate that validation chose
        pair, protocol, _ = full
        chosen = {n: [r for r in [rows["full"][n]["lr"]] if r is not None] for n in picks.values()}
        parts = [self._part(shared, (pair, protocol, chosen[n]), n, networks[n], self.data.test) for n in chosen]
        tested = dict(zip(chosen, ResultCache(self.folder, "picks").results(parts), strict=True))
        result: dict[str, Any] = {}
        for kind, pick in picks.items():
            agreement = rank_agreement(scores[kind], scores["full"], self.top)
            result[kind] = {
                **({} if kind == "full" else agreement),
                "seconds": sum(row["seconds"] for row in rows[kind].values()),
                "pick": pick,
                "pick_on_full_data": {
                    "validation": rows["full"][pick]["score"],
                    "test": {metric: summary(values) for metric, values in tested[pick]["values"].items()},
                },
            }
        result["time_saved"] = 1 - result["distilled"]["seconds"] / result["full"]["seconds"]
        result["ranking"] = {name: {kind: found[name]["score"] for kind, found in rows.items()} for name in networks}
        return result
