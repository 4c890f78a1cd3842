"""Clusters of a class: shares, initial images and batches."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from monai_distill.data import ClassBank, ClusterBatches, ClusterPlan, cluster_images
from monai_distill.data.cluster_batches import named_batches, refuse_clusters
from monai_distill.data.clusters import cluster_numbers, largest_remainder
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator, temporary_global_seed

RARE = 40  # of 400 images of class 0: a bright square, where the others are dark


def bank() -> ClassBank:
    generator = seeded_generator(0, "images")
    images = 0.1 * torch.randn(600, 1, 8, 8, generator=generator)
    images[:RARE, :, 2:6, 2:6] += 3
    images[400:, :, :, :4] += 1
    return ClassBank(images, torch.tensor([0] * 400 + [1] * 200), ["a", "b"])


def is_rare(images: torch.Tensor) -> torch.Tensor:
    return images[:, 0, 2:6, 2:6].mean(dim=(1, 2)) > 2


def networks(iteration: int) -> nn.Module:
    with temporary_global_seed(iteration):
        return ConvNet(2, 1, 2, 8, width=8, depth=1)


def batches(**settings: int) -> ClusterBatches:
    return ClusterBatches(bank(), 20, seed=0, networks=networks, plan=ClusterPlan(**{"every": 5, **settings}))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12), st.integers(0, 60))
def test_shares_add_up_and_are_close_to_proportion(sizes: list[int], total: int) -> None:
    shares = largest_remainder(sizes, total)
    assert sum(shares) == total
    assert min(shares) >= (1 if total >= len(sizes) else 0)
    exact = [total * size / sum(sizes) for size in sizes]
    if all(value >= 1 for value in exact):  # no part had to be raised to one
        assert all(abs(share - value) < 1 for share, value in zip(shares, exact, strict=True))


def test_clusters_are_those_that_there_are_and_distances_are_to_their_means() -> None:
    vectors = torch.tensor([[0.0, 0], [0, 1], [9, 9], [9, 10], [9, 11]])
    numbers, distances = cluster_numbers(vectors, 2, seed=3)
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3] == numbers[4]
    torch.testing.assert_close(distances, torch.tensor([0.5, 0.5, 1, 0, 1]).double())
    assert set(cluster_numbers(torch.zeros(4, 2), 3, seed=0)[0].tolist()) == {0}  # equal images are one cluster


def test_a_rare_subtype_is_in_every_start() -> None:
    for seed in range(5):
        images, labels = cluster_images(bank(), 4, seeded_generator(seed, "start"))
        assert labels.tolist() == [0] * 4 + [1] * 4
        assert int(is_rare(images[:4]).sum()) == 1
        assert len({tuple(image.flatten().tolist()) for image in images}) == 8
    assert all((images[i] == bank().images[:]).flatten(1).all(dim=1).any() for i in range(8))


def test_more_images_than_a_cluster_has_are_filled_up_without_a_repeat() -> None:
    images = torch.tensor([0.0, 0.1, 0.2, 5, 9]).reshape(5, 1, 1, 1).expand(5, 1, 2, 2).clone()
    chosen, _ = cluster_images(ClassBank(images, torch.zeros(5).long(), ["a"]), 5, torch.Generator())
    assert len(chosen[:, 0, 0, 0].unique()) == 5


def test_a_batch_holds_every_cluster_in_proportion() -> None:
    made = batches()
    for iteration in range(12):
        batch = made[iteration]
        assert batch.labels.tolist() == [0] * 20 + [1] * 20
        assert 1 <= int(is_rare(batch.images[:20]).sum()) <= 3  # a tenth of twenty
        assert len({tuple(image.flatten().tolist()) for image in batch.images}) == 40


def test_means_of_batches_scatter_less_than_those_of_random_ones() -> None:
    data, settings = bank(), {"bank": bank(), "batch_per_class": 20, "seed": 0}
    center = data.images[:][:400].mean(dim=0)

    def scatter(name: str, kind: Callable[..., ClusterBatches]) -> float:
        made = named_batches({name: kind}, name, **settings)  # type: ignore[arg-type]
        gaps = [(made[i].images[:20].mean(dim=0) - center).square().sum() for i in range(40)]
        return float(torch.stack(gaps).mean())

    from monai_distill.data import ClassBatches

    clustered = scatter("clusters", lambda *a, **k: ClusterBatches(*a, **k, networks=networks))
    assert clustered < 0.5 * scatter("random", ClassBatches)  # type: ignore[arg-type]


def test_clusters_are_computed_again_and_a_loaded_state_needs_no_old_network() -> None:
    seen: list[int] = []

    def noted(iteration: int) -> nn.Module:
        seen.append(iteration)
        return networks(iteration)

    made = ClusterBatches(bank(), 20, seed=0, networks=noted, plan=ClusterPlan(every=5, candidates=100))
    whole = [made[i].images for i in range(8)]
    assert seen == [0, 5]
    again = ClusterBatches(bank(), 20, seed=0, networks=noted, plan=ClusterPlan(every=5, candidates=100))
    again.load_state_dict(made.state_dict())
    assert torch.equal(again[7].images, whole[7])
    assert seen == [0, 5]
    assert not torch.equal(whole[6], whole[7])


def test_small_classes_repeat_images_only_where_classes_must_be_equal() -> None:
    images = torch.rand(9, 1, 8, 8)
    small = ClassBank(images, torch.tensor([0] * 3 + [1] * 6), ["a", "b"])
    made = ClusterBatches(small, 5, seed=0, networks=networks)
    assert made[0].labels.tolist() == [0] * 3 + [1] * 5
    equal = ClusterBatches(small, 5, seed=0, networks=networks, equal=True)
    assert equal[0].labels.tolist() == [0] * 5 + [1] * 5


def test_unknown_kinds_and_a_guarantee_are_refused() -> None:
    with pytest.raises(ValueError, match="real_batches of clusters, random, got 'dream'"):
        named_batches({"random": ClusterBatches, "clusters": ClusterBatches}, "dream", bank(), 1, seed=0)  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="--real_batches random with --epsilon, got clusters"):
        refuse_clusters("clusters")
