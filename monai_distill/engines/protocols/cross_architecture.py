"""What a distilled set is worth to networks other than the one that it was distilled with."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from monai_distill.data import SplitBanks, SyntheticDataset, random_subset
from monai_distill.engines.students import Row, ScoreRows, StudentPredictions, StudentTraining, lr_candidates
from monai_distill.networks import factory_config
from monai_distill.runtime.randomness import seeded_generator

from .architecture_space import usable_networks

__all__ = ["CrossArchitecture"]


class CrossArchitecture:
    """Trains students of several architectures on the distilled set, and on random real subsets of its size.

    Reference: Zhao et al., Dataset Condensation with Gradient Matching, ICLR 2021, and every work since. Deviations:
    the learned learning rate belongs to the network that it was learned with, so every architecture gets, for the
    distilled set and for the random ones alike, the one of the learned and the given learning rates that is best on
    validation (balanced accuracy of one student; the next best when a student of the score diverges); and beside every
    distilled figure stands the random one, because an architecture that learns from anything says nothing about a set.
    Every random student has a draw of its own. Architectures that cannot take the images are left out with a warning
    and named in the result. What students predicted is kept in ``folder``: an interrupted evaluation goes on where it
    stopped, and sets whose runs share a folder train the random rows once.

    Args:
        data: training, validation and test images.
        architectures: a factory per name, as ``_mode_: callable`` makes it.
        protocol: how students are trained.
        students: fresh networks per architecture and set; those on the distilled set are trained together where that
            is faster.
        lrs: candidates beside the learned learning rate.
        seed: seed of the run.
        folder: where predictions are kept (see :class:`StudentPredictions`); None keeps none.

    Raises:
        ValueError: for no student, architecture, or learning rate.

    Example:
        >>> import functools
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> from monai_distill.networks.nets import ConvNet
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
        lrs: Sequence[float] = (0.001, 0.01, 0.1),
        seed: int = 0,
        folder: str | Path | None = None,
    ) -> None:
        if students < 1 or not architectures or not lrs:
            raise ValueError(
                f"Expected at least 1 student, architecture and learning rate, got {students}, {list(architectures)} "
                f"and {list(lrs)}."
            )
        self.data = data
        self.architectures = dict(architectures)
        self.protocol = protocol
        self.students = students
        self.lrs = tuple(lrs)
        self.seed = seed
        self.folder = folder

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        """Score every architecture on the test images.

        Returns:
            ``cross_architecture`` and ``cross_architecture_random`` (architecture -> metric -> summary; and the step
            size) and ``cross_architecture_protocol``.

        Raises:
            ValueError: when no architecture takes the images.
            StudentDivergedError: when students of an architecture diverge at every learning rate.
        """
        networks, skipped = usable_networks(self.architectures, self.data.training.device)
        images, targets, learned = synthetic.training_set()
        counts = torch.bincount(synthetic.labels, minlength=self.data.training.num_classes).tolist()
        candidates = lr_candidates(learned, self.lrs)

        def random(size: int, draw: int) -> tuple[Tensor, Tensor]:
            return random_subset(self.data.training, counts, seeded_generator(self.seed, "random subset", draw))

        result: dict[str, Any] = {"cross_architecture": {}, "cross_architecture_random": {}}
        with tqdm(total=0, desc="cross-architecture", unit="step", disable=None) as bar:
            for name, network in networks.items():
                predictions = StudentPredictions(network, seed=self.seed, folder=self.folder)
                rows = ScoreRows(self.data, predictions, students=self.students, on_step=bar.update)
                steps = rows.tuned_steps(self.protocol, len(candidates))
                bar.total = len(networks) * (steps + rows.control_steps(self.protocol, len(candidates)))
                found = {
                    "cross_architecture": rows.tuned(images, targets, self.protocol, candidates),
                    "cross_architecture_random": rows.control("random", [random], 0, self.protocol, candidates),
                }
                for key, row in found.items():
                    result[key][name] = self._scores(row, network.size)
        protocol = {
            "students": self.students,
            "lrs": candidates,
            "lr_choice": "balanced accuracy on validation of one student per candidate, for every architecture "
            "and for both sets alike",
            "training": self.protocol.config(),
            "architectures": {name: factory_config(self.architectures[name]) for name in networks},
            "skipped": skipped,
        }
        return {**result, "cross_architecture_protocol": protocol}

    def _scores(self, row: Row, parameters: int) -> dict[str, Any]:
        scores = row.scores(self.data.test.labels)
        return {**scores, "lr_validation": dict(row.validation), "parameters": parameters}
