"""Clusters inside a class: K-means, how many there are, and how a number of images is divided among them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_distill.runtime.processes import exchange

__all__ = ["cluster_numbers", "largest_remainder", "number_of_clusters"]

IMAGES_PER_CLUSTER = 100


def number_of_clusters(images: int, most: int) -> int:
    """One cluster per hundred images of a class, at least one and at most ``most``.

    Example:
        >>> [number_of_clusters(images, 10) for images in (7, 149, 250, 5000)]
        [1, 1, 3, 10]
    """
    return max(1, min(most, (images + IMAGES_PER_CLUSTER // 2) // IMAGES_PER_CLUSTER))


def largest_remainder(sizes: Sequence[int], total: int) -> list[int]:
    """Divide ``total`` into whole numbers in proportion to ``sizes``; every part gets at least one if there are enough.

    Every part first gets the whole part of its share, then those with the largest remainders one more each (Hamilton's
    method). A part without any then takes one from the part with the most.

    Args:
        sizes: above 0.
        total: 0 or more.

    Example:
        >>> largest_remainder([6, 3, 1], 11), largest_remainder([97, 2, 1], 10), largest_remainder([6, 3, 1], 2)
        ([7, 3, 1], [8, 1, 1], [1, 1, 0])
    """
    exact = [total * size / sum(sizes) for size in sizes]
    shares = [int(share) for share in exact]
    order = sorted(range(len(sizes)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    while total >= len(sizes) and 0 in shares:
        shares[shares.index(max(shares))] -= 1
        shares[shares.index(0)] += 1
    return shares


def cluster_numbers(vectors: Tensor, clusters: int, seed: int) -> tuple[Tensor, Tensor]:
    """The cluster of every vector [n, F] by K-means, and its distance from the cluster's center; both [n], on the CPU.

    The first of several processes computes them. Empty clusters do not occur: numbers run from 0 without a gap.

    Args:
        vectors: finite.
        clusters: how many; fewer where fewer vectors differ.
        seed: of the initial centers.

    Example:
        >>> cluster_numbers(torch.tensor([[0.0], [0.2], [9.0]]), 2, seed=0)[0].unique(return_counts=True)[1].sort()[0]
        tensor([1, 2])
    """

    def compute() -> tuple[Tensor, Tensor]:
        from sklearn.cluster import KMeans  # here: its import takes a second

        values = vectors.detach().cpu().double().numpy()
        count = min(clusters, len(torch.unique(vectors, dim=0)))
        means = KMeans(count, n_init=1, random_state=seed % 2**32).fit(values)
        numbers = torch.as_tensor(means.labels_).long()
        distances = (torch.as_tensor(means.cluster_centers_)[numbers] - torch.as_tensor(values)).norm(dim=1)
        _, compact = torch.unique(numbers, return_inverse=True)
        return compact, distances

    return exchange.from_first(compute)
