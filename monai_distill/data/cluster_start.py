"""Initial images that cover the clusters of every class, rare ones included."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.runtime.image_blocks import blocks

from .class_bank import ClassBank
from .clusters import cluster_numbers, largest_remainder, number_of_clusters
from .initial_images import refuse_small_classes

__all__ = ["cluster_images", "shrunk_pixels"]

SIDE = 16  # of the images that are compared
COMPONENTS = 64
MOST = 10  # clusters of a class


def cluster_images(bank: ClassBank, images_per_class: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Real training images of every cluster of every class; as leaky as other real images.

    Images are shrunk to 16 pixels a side and reduced to 64 principal components. K-means makes at most ten clusters of
    a class. The images are divided among the clusters by largest remainder, so that a rare subtype gets one if there
    are enough. Those of a cluster are spread evenly from its center to its edge, and follow each other in this order.

    References:
        "Support-Adaptive Intra-Class Local Distribution Matching" (SAIL-DM), 2026, the released program's description:
        clusters, their number and the largest remainder.

    Args:
        bank: the training images.
        images_per_class: how many for every class.
        generator: a CPU generator.

    Returns:
        Images [classes * images_per_class, channels, *spatial] and labels, class after class.

    Raises:
        ValueError: if a class has fewer than ``images_per_class`` images.

    Example:
        >>> bank = ClassBank(torch.rand(6, 1, 4, 4), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> cluster_images(bank, 2, torch.Generator())[1]
        tensor([0, 0, 1, 1])
    """
    refuse_small_classes(bank.counts, bank.class_names, images_per_class)
    positions = []
    for members in bank.indices:
        seed = int(torch.randint(2**31, (1,), generator=generator))
        vectors = torch.cat([shrunk_pixels(block) for block in blocks(bank.subset(members).images)])
        most = min(MOST, images_per_class)
        numbers, distances = cluster_numbers(
            _principal_components(vectors.cpu()), number_of_clusters(len(members), most), seed
        )
        chosen = _from_center_to_edge(numbers, distances, images_per_class)
        positions.append(members[chosen.to(members.device)])
    rows = torch.cat(positions)
    return bank.images[rows].clone(), bank.labels[rows].clone()


def shrunk_pixels(images: Tensor) -> Tensor:
    """Images [n, C, *spatial] as vectors [n, F] of their means over at most 16 areas along each side.

    Example:
        >>> shrunk_pixels(torch.zeros(2, 1, 32, 8)).shape
        torch.Size([2, 128])
    """
    shape = [min(SIDE, side) for side in images.shape[2:]]
    return F.interpolate(images, size=shape, mode="area").flatten(1)


def _principal_components(vectors: Tensor) -> Tensor:
    """Vectors [n, F] as their coordinates along the directions of the largest variance [n, at most 64]."""
    centered = vectors.double() - vectors.double().mean(dim=0)
    _, directions = torch.linalg.eigh(centered.T @ centered)  # ascending
    coordinates: Tensor = centered @ directions[:, -COMPONENTS:]
    return coordinates


def _from_center_to_edge(numbers: Tensor, distances: Tensor, count: int) -> Tensor:
    """Positions [count] of images, cluster after cluster."""
    sizes = torch.bincount(numbers).tolist()
    shares = largest_remainder(sizes, count)
    chosen = []
    for cluster, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        inside = torch.nonzero(numbers == cluster).flatten()
        order = inside[distances[inside].argsort(stable=True)]
        present = min(share, size)
        chosen.append(order[[int((place + 0.5) * size / present) for place in range(present)]])
    taken = torch.cat(chosen)
    if len(taken) < count:  # a cluster is smaller than its share: the images nearest to a center fill the rest
        rest = distances.argsort(stable=True)
        taken = torch.cat([taken, rest[~torch.isin(rest, taken)][: count - len(taken)]])
    return taken
