"""Batches of real images that hold every cluster of a class in proportion, by the features of the current network."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from monai_distill.networks.features import embedding
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.runtime.validation import require_positive_int

from .class_bank import ClassBank
from .class_batches import ClassBatch, ClassBatches
from .clusters import cluster_numbers, largest_remainder, number_of_clusters

__all__ = ["ClusterBatches", "ClusterPlan", "named_batches", "refuse_clusters"]

BLOCK = 256  # images per forward pass


class Batches(Protocol):
    """Batches of real images by iteration, with a state for an exact resume."""

    def __getitem__(self, iteration: int) -> ClassBatch: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclasses.dataclass(frozen=True)
class ClusterPlan:
    """How many clusters there are, and how often they are computed.

    Args:
        most: largest number of clusters in a class; a class has one per hundred candidates.
        every: iterations after which clusters are computed again, by the network of that iteration.
        candidates: random images of a class that are clustered; the batches until the next clustering come from them.

    Raises:
        ValueError: if a count is below 1.

    Example:
        >>> ClusterPlan(every=50).most
        10
    """

    most: int = 10
    every: int = 100
    candidates: int = 1024

    def __post_init__(self) -> None:
        require_positive_int(**dataclasses.asdict(self))


class ClusterBatches(ClassBatches):
    """Batches in which every cluster of a class has its share: they spread less, and no subtype is left out.

    Shares are rounded by largest remainder, and images inside a cluster are random. The mean of a class's batch is
    therefore close to the class's mean, as distribution matching needs it. DREAM takes the images nearest to the
    centers instead.

    References:
        DREAM: Liu et al., DREAM: Efficient Dataset Distillation by Representative Matching, ICCV 2023,
        https://arxiv.org/abs/2302.14416 (batches by K-means on the current network's features).

    Args:
        bank: the training images.
        batch_per_class: images per class in a batch: at most, or exactly with ``equal``.
        seed: seed of the run.
        equal: whether a class smaller than the batch repeats images.
        networks: function of the iteration to the network whose embeddings are clustered.
        plan: how many clusters, and how often.

    Raises:
        ValueError: if ``batch_per_class`` is below 1 or a class has no images.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = ConvNet(2, 1, 2, 8, width=4, depth=1)
        >>> bank = ClassBank(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 1, 1]), ["rare", "common"])
        >>> ClusterBatches(bank, 2, seed=0, networks=lambda iteration: network)[7].labels
        tensor([0, 1, 1])
    """

    def __init__(
        self,
        bank: ClassBank,
        batch_per_class: int,
        *,
        seed: int,
        equal: bool = False,
        networks: Callable[[int], nn.Module],
        plan: ClusterPlan | None = None,
    ) -> None:
        super().__init__(bank, batch_per_class, seed=seed, equal=equal)
        self.networks = networks
        self.plan = ClusterPlan() if plan is None else plan
        self._since = -1  # iteration in which the clusters were computed
        self._candidates = torch.empty(0, dtype=torch.long)  # positions in the bank, class after class
        self._numbers = torch.empty(0, dtype=torch.long)  # and the cluster of each within its class

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: the network that made the clusters may be gone."""
        return {"since": self._since, "candidates": self._candidates, "numbers": self._numbers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self._since, self._candidates, self._numbers = int(state["since"]), state["candidates"], state["numbers"]

    def __getitem__(self, iteration: int) -> ClassBatch:
        first = iteration - iteration % self.plan.every
        if self._since != first:
            self._refresh(first)
        generator = seeded_generator(self.seed, "class batch", iteration)
        labels = self.bank.labels.cpu()[self._candidates]
        rows = torch.cat([self._drawn(labels == c, count, generator) for c, count in enumerate(self.counts)])
        rows = rows.to(self.bank.device)
        return ClassBatch(iteration, self.bank.batch(rows), self.bank.labels[rows], self.counts)

    def _refresh(self, iteration: int) -> None:
        network = self.networks(iteration).to(self.bank.device).eval()
        generator = seeded_generator(self.seed, "candidates", iteration)
        candidates, numbers = [], []
        for label, (members, batch) in enumerate(zip(self.bank.indices, self.counts, strict=True)):
            # with fewer than a batch, images would repeat although the class has others
            count = min(max(self.plan.candidates, batch), len(members))
            positions = self.bank.draw_indices(label, count, generator)
            clusters = number_of_clusters(count, min(self.plan.most, batch))
            seed = derived_seed(self.seed, "clusters", iteration, label)
            numbers.append(cluster_numbers(self._embedded(network, positions), clusters, seed)[0])
            candidates.append(positions.cpu())
        self._candidates, self._numbers, self._since = torch.cat(candidates), torch.cat(numbers), iteration

    def _embedded(self, network: nn.Module, positions: Tensor) -> Tensor:
        with torch.no_grad():
            parts = [embedding(network, self.bank.images[rows]) for rows in torch.split(positions, BLOCK)]
        return torch.cat(parts)

    def _drawn(self, of_class: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Positions [count] in the bank; no image comes twice before every candidate of its cluster came once."""
        candidates, numbers = self._candidates[of_class], self._numbers[of_class]
        sizes = torch.bincount(numbers).tolist()
        drawn = []
        for cluster, share in enumerate(largest_remainder(sizes, count)):
            inside = candidates[numbers == cluster]
            rounds = [torch.randperm(len(inside), generator=generator) for _ in range(-(-share // len(inside)))]
            drawn.append(inside[torch.cat(rounds)[:share]] if rounds else inside[:0])
        return torch.cat(drawn)


def named_batches(
    kinds: Mapping[str, Callable[..., Batches]],
    name: str,
    bank: ClassBank,
    batch_per_class: int,
    seed: int,
    *,
    groups: Sequence[str] | None = None,
    **settings: bool,
) -> Batches:
    """The batches of real images of the kind that a setting names.

    Args:
        kinds: by name, each called with bank, batch_per_class, seed and ``settings``.
        name: one of them.
        bank: the training images.
        batch_per_class: images per class in a batch.
        seed: seed of the run.
        groups: group of every image, where groups shall have equal weight: ``random`` only.
        settings: of the kind, such as ``equal``.

    Raises:
        ValueError: for an unknown name, or groups together with another name than ``random``.

    Example:
        >>> bank = ClassBank(torch.rand(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> named_batches({"random": ClassBatches}, "random", bank, 1, seed=0)[0].counts
        (1, 1)
    """
    if name not in kinds:
        raise ValueError(f"Expected real_batches of {', '.join(sorted(kinds))}, got {name!r}.")
    if groups is not None and name != "random":
        raise ValueError(
            f"Expected --real_batches random with --group_column, got {name}: groups have equal weight or clusters "
            "have their share, not both. Leave one out."
        )
    return kinds[name](bank, batch_per_class, seed=seed, **settings)


def refuse_clusters(real_batches: str) -> None:
    """Refuse batches by clusters where nothing but noisy sums of the training images may be used.

    Raises:
        ValueError: for another name than ``random``.

    Example:
        >>> refuse_clusters("random")
    """
    if real_batches != "random":
        raise ValueError(
            f"Expected --real_batches random with --epsilon, got {real_batches}: the clusters of the training images "
            "are not covered by the guarantee. Leave it out."
        )
