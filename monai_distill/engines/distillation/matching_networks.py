"""The networks of distribution matching: fresh ones, ones between the start and the end of an expert, and waves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.data.trajectory_store import TrajectoryStore
from monai_distill.losses.ncfm_loss import waves
from monai_distill.networks.features import embedding
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .distribution_matching import classified_features

__all__ = ["BlendedNetworks", "RandomNetworks", "WaveNetwork", "WaveNetworks", "wave_features"]


class RandomNetworks:
    """A freshly initialized network for every iteration, a function of the seed and the iteration alone.

    References:
        DM: Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023,
        https://arxiv.org/abs/2110.04181, algorithm 1.

    Args:
        factory: builds one network.
        seed: seed of the run.

    Example:
        >>> networks = RandomNetworks(lambda: nn.Linear(1, 1), seed=3)
        >>> bool(networks(5).weight == networks(5).weight), bool(networks(5).weight == networks(6).weight)
        (True, False)
    """

    def __init__(self, factory: Callable[[], nn.Module], *, seed: int = 0) -> None:
        self.factory = factory
        self.seed = seed

    def __call__(self, iteration: int) -> nn.Module:
        """The network of an iteration, on the CPU."""
        with temporary_global_seed(derived_seed(self.seed, "matching network", iteration)):
            return self.factory()


class BlendedNetworks:
    """A point between an expert's first and last parameters: ``(1 - b) first + b last``, b uniform from 0 to 1.

    References:
        NCFM: Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025,
        https://arxiv.org/abs/2502.20653 (networks between initialized and trained).

    Deviation: the networks are the experts of trajectory matching. The paper trains its pool with CutMix as well.

    Args:
        network: the experts' architecture.
        store: finished experts, of which the first and the last stored snapshots are used.
        factory: builds a network with the experts' parameters.
        seed: seed of the run.

    Raises:
        ValueError: from a call, if an expert is not finished or the factory's network has other parameters.

    Example:
        >>> import tempfile
        >>> factory = lambda: nn.Linear(1, 1, bias=False)
        >>> store = TrajectoryStore(tempfile.mkdtemp(), {}, experts=1, snapshots=2, parameters=1)
        >>> store.write(0, torch.tensor([[0.0], [1.0]]), [])
        >>> 0 < BlendedNetworks(FlatNetwork(factory), store, factory)(0).weight.item() < 1
        True
    """

    def __init__(
        self, network: FlatNetwork, store: TrajectoryStore, factory: Callable[[], nn.Module], *, seed: int = 0
    ) -> None:
        self.network = network
        self.store = store
        self.factory = factory
        self.seed = seed

    def __call__(self, iteration: int) -> nn.Module:
        """The network of an iteration, on the CPU."""
        generator = seeded_generator(self.seed, "blended network", iteration)
        expert = int(torch.randint(self.store.shape[0], (1,), generator=generator))
        share = float(torch.rand(1, generator=generator))
        first, last = (self.store.snapshot(expert, epoch) for epoch in (0, -1))
        with temporary_global_seed(0):  # its values are overwritten
            fresh = self.factory()
        return self.network.load_into(fresh, torch.lerp(first, last, share))


class WaveNetwork(nn.Module):
    """A network together with frequencies [T, F] for its embedding.

    Args:
        network: with ``embed`` and ``classifier``.
        frequencies: [T, F], in units of one over the length of an embedding.
    """

    frequencies: Tensor

    def __init__(self, network: nn.Module, frequencies: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("frequencies", frequencies)

    def embed(self, images: Tensor) -> Tensor:
        """The network's embedding [n, F] of images [n, C, *spatial]."""
        return embedding(self.network, images)


class WaveNetworks:
    """Networks with frequencies ``t ~ N(0, I / bandwidth^2)`` for their embeddings, drawn again for every iteration.

    Embeddings are scaled to length 1 before they meet the frequencies (:func:`wave_features`), so that the distance of
    two of them is of order one whatever the network's width. The paper does not say how it scales them. Where distances
    are much larger than the bandwidth, a characteristic function is noise and gives no gradient.

    References:
        NCFM: Wang et al., Dataset Distillation with Neural Characteristic Function, CVPR 2025,
        https://arxiv.org/abs/2502.20653.

    Args:
        networks: function of the iteration to its network, which has ``num_features``.
        count: number of frequencies T; the paper's figure levels off at 1024.
        bandwidth: standard deviation of the Gaussian kernel that the frequencies belong to, in lengths of an embedding.
        seed: seed of the run.

    Raises:
        ValueError: if there is no frequency or the bandwidth is not above 0.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> networks = WaveNetworks(RandomNetworks(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1)), count=6)
        >>> networks(0).frequencies.shape
        torch.Size([6, 64])
    """

    def __init__(
        self, networks: Callable[[int], nn.Module], *, count: int = 1024, bandwidth: float = 0.5, seed: int = 0
    ) -> None:
        require_positive_int(count=count)
        require_in_interval("(0, inf)", bandwidth=bandwidth)
        self.networks = networks
        self.count = count
        self.bandwidth = bandwidth
        self.seed = seed

    def __call__(self, iteration: int) -> WaveNetwork:
        """The network of an iteration and its frequencies."""
        network = self.networks(iteration)
        features = getattr(network, "num_features", None)
        if features is None:
            raise ValueError(
                f"Expected a network that knows its num_features, got {type(network).__name__}. Use one of "
                "monai_distill.networks."
            )
        generator = seeded_generator(self.seed, "frequencies", iteration)
        frequencies = torch.randn(self.count, int(features), generator=generator)
        return WaveNetwork(network, frequencies / self.bandwidth)


def wave_features(network: WaveNetwork, images: Tensor) -> list[Tensor]:
    """Waves [n, 2 T] of the embedding scaled to length 1, log-probabilities [n, classes] and predictions [n, classes].

    Args:
        network: of :class:`WaveNetworks`.
        images: [n, C, *spatial].

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> networks = WaveNetworks(RandomNetworks(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1)), count=6)
        >>> [tuple(kind.shape) for kind in wave_features(networks(0), torch.rand(3, 1, 8, 8))]
        [(3, 12), (3, 2), (3, 2)]
    """
    last, log_probabilities, predictions = classified_features(network.network, images)
    return [waves(F.normalize(last, dim=1), network.frequencies), log_probabilities, predictions]
