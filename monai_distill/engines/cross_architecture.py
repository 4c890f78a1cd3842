"""What a distilled set is worth to networks other than the one that it was distilled with."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data import ClassBank, SplitBanks, SyntheticDataset, random_subset
from monai_distill.metrics import SCORES, summary
from monai_distill.networks import FlatNetwork, described
from monai_distill.randomness import seeded_generator

from .architecture_space import usable_networks
from .finished_parts import FinishedParts, Part, content_hash
from .step_size_choice import by_validation, student_values
from .student_diverged import StudentDivergedError
from .student_training import StudentTraining

__all__ = ["CrossArchitecture"]

Draw = tuple[Tensor, Tensor]


class CrossArchitecture:
    """Trains students of several architectures on the distilled set, and on random real subsets of its size.

    Reference: Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, and every work since. Deviations:
    the learned step size belongs to the network that it was learned with, so every architecture gets, for the
    distilled set and for the random ones alike, the one of the learned and the given step sizes that is best on
    validation (of ``metric``, with ``choice_students`` students; the next best when a student of the score diverges);
    and beside every distilled figure stands the random one, because an architecture that learns from anything says
    nothing about a set. Every random student has a draw of its own. Architectures that cannot take the images are
    left out with a warning and named in the result. The test images are seen once per finished student.

    Args:
        data: training, validation and test images.
        architectures: a factory per name, as ``_mode_: callable`` makes it.
        protocol: how students are trained.
        students: fresh networks per architecture and set; those on the distilled set are trained together where that
            is faster.
        choice_students: students per candidate step size.
        step_sizes: candidates beside the learned step size.
        metric: what step sizes are chosen by.
        seed: seed of the run.
        file: keeps finished parts (see :class:`FinishedParts`); None keeps none.

    Raises:
        ValueError: for no student, architecture, or step size, or an unknown metric.

    Example:
        >>> from monai_distill.data import DigitsDataset
        >>> from monai_distill.networks import ConvNet
        >>> from monai_distill.transforms import SiameseAugment, Standardize
        >>> data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
        >>> kind = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, depth=1)
        >>> kinds = {"narrow": functools.partial(kind, width=2), "wide": functools.partial(kind, width=8)}
        >>> across = CrossArchitecture(data, kinds, StudentTraining(SiameseAugment(()), steps=2), students=2)
        >>> sorted(across.run(SyntheticDataset(*random_subset(data.training, 1, torch.Generator()), data.class_names)))
        ['cross_architecture', 'cross_architecture_protocol', 'cross_architecture_random']
    """

    def __init__(
        self,
        data: SplitBanks,
        architectures: Mapping[str, Callable[[], nn.Module]],
        protocol: StudentTraining,
        *,
        students: int = 5,
        choice_students: int = 1,
        step_sizes: Sequence[float] = (0.001, 0.01, 0.1),
        metric: str = "balanced_accuracy",
        seed: int = 0,
        file: str | None = None,
    ) -> None:
        if students < 1 or choice_students < 1 or not architectures or not step_sizes or metric not in SCORES:
            raise ValueError(
                f"Expected at least 1 student, architecture and step size and a metric of {sorted(SCORES)}, got "
                f"{students} and {choice_students} students, {list(architectures)}, {list(step_sizes)} and {metric!r}."
            )
        self.data = data
        self.architectures = dict(architectures)
        self.protocol = protocol
        self.students = students
        self.choice_students = choice_students
        self.step_sizes = tuple(step_sizes)
        self.metric = metric
        self.seed = seed
        self.file = file

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Score every architecture on the test images.

        Returns:
            ``cross_architecture`` and ``cross_architecture_random`` (architecture -> metric -> summary; and the step
            size) and ``cross_architecture_protocol``.

        Raises:
            ValueError: when no architecture takes the images.
        """
        networks, skipped = usable_networks(self.architectures, self.data.training.device)
        images, targets, learned = synthetic.training_set()
        counts = torch.bincount(synthetic.labels, minlength=self.data.training.num_classes).tolist()
        draws = [self._random(counts, i) for i in range(self.students)]
        candidates = sorted({learned, *self.step_sizes})
        shared = self._job(candidates)
        parts: list[Part] = []
        for name, network in networks.items():
            about = {**shared, "architecture": described(self.architectures[name])}
            for kind, sets in {"distilled": [(images, targets)], "random": draws}.items():
                decides = {**about, "set": kind, "images": [content_hash(*drawn) for drawn in sets]}
                work = functools.partial(self._scored, network, kind, sets, candidates)
                steps = self.protocol.steps * (len(candidates) * self.choice_students + self.students)
                parts.append((decides, steps, work))
        results = FinishedParts(self.file, "cross-architecture").results(parts)
        return {
            "cross_architecture": _rows(networks, results[::2]),
            "cross_architecture_random": _rows(networks, results[1::2]),
            "cross_architecture_protocol": {
                "students": self.students,
                "step_sizes": candidates,
                "step_size_choice": f"{self.metric} on validation, {self.choice_students} student(s) per candidate, "
                "for every architecture and for both sets alike",
                "training": self.protocol.config(),
                "architectures": {name: described(self.architectures[name]) for name in networks},
                "skipped": skipped,
            },
        }

    def _random(self, counts: list[int], draw: int) -> Draw:
        return random_subset(self.data.training, counts, seeded_generator(self.seed, "random subset", draw))

    def _job(self, candidates: list[float]) -> dict[str, Any]:
        return {
            "validation": self.data.validation.fingerprint(),
            "test": self.data.test.fingerprint(),
            "protocol": self.protocol.config(),
            "students": [self.choice_students, self.students],
            "step_sizes": candidates,
            "metric": self.metric,
            "seed": self.seed,
        }

    def _scored(
        self,
        network: FlatNetwork,
        kind: str,
        sets: list[Draw],
        candidates: list[float],
        on_step: Callable[[int], object],
    ) -> dict[str, Any]:
        train = functools.partial(student_values, network=network, protocol=self.protocol, seed=self.seed)

        def values(rate: float, bank: ClassBank, students: int, purpose: str) -> dict[str, list[float]]:
            if kind == "distilled":
                return train((*sets[0], rate), bank=bank, students=students, purpose=purpose, on_step=on_step)
            rows = [
                train((*drawn, rate), bank=bank, students=1, purpose=f"{purpose} {i}", on_step=on_step)
                for i, drawn in enumerate(sets[:students])
            ]
            return {name: [value for row in rows for value in row[name]] for name in rows[0]}

        choice = by_validation(
            candidates, lambda rate: values(rate, self.data.validation, self.choice_students, "choice")[self.metric]
        )
        for rate in choice:
            try:
                scores = values(rate, self.data.test, self.students, "score" if kind == "distilled" else kind)
            except StudentDivergedError:
                continue
            return {"step_size": rate, "validation": {str(r): v for r, v in choice.items()}, "scores": scores}
        raise ValueError(f"Every step size of {candidates} lets students diverge. Give smaller step_sizes.")


def _rows(networks: Mapping[str, FlatNetwork], results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {
            **{metric: summary(values) for metric, values in result["scores"].items()},
            "step_size": result["step_size"],
            "step_size_validation": result["validation"],
            "parameters": network.size,
        }
        for (name, network), result in zip(networks.items(), results, strict=True)
    }
