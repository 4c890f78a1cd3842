"""A network with running statistics as a function of one vector that holds them too, for training and scoring."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from monai_distill.runtime.micro_batches import MicroBatches
from monai_distill.runtime.randomness import temporary_global_seed

from .flat_network import FlatNetwork
from .mixed_precision import with_amp

__all__ = ["ScoredNetwork", "scored_network"]


class ScoredNetwork(FlatNetwork):
    """A :class:`FlatNetwork` whose vector ends with the running statistics, so that a network is scored as it is.

    A call in train mode normalizes by the batch and updates the statistics as the module itself does;
    :meth:`with_statistics` puts the updated ones into the vectors of the students. Predictions use them. Their
    gradient is 0. Networks run one after another.

    Args:
        factory: builds one freshly initialized network.
        memory: how many images of a batch go through the network at once; None for all.

    Example:
        >>> network = ScoredNetwork(lambda: nn.Sequential(nn.BatchNorm1d(1, momentum=1.0), nn.Linear(1, 2)))
        >>> network.size
        8
        >>> parameters = network.initial(0)[None]
        >>> _ = network(parameters[0], torch.tensor([[1.0], [3.0]]))
        >>> network.with_statistics(parameters)[0, -2:].tolist()
        [2.0, 2.0]
    """

    def __init__(self, factory: Callable[[], nn.Module], memory: MicroBatches | None = None) -> None:
        self._updated: list[Tensor] = []
        super().__init__(factory, memory)
        self.one_at_a_time = True
        self.parameter_count = self.size
        statistics = _statistics(self._skeleton)
        self._statistics = tuple(statistics)  # their names: looking for them in every call takes longer than a step
        self._add(statistics)

    def prepared(self, skeleton: nn.Module) -> nn.Module:
        """The module as it is."""
        return skeleton

    def initial(self, seed: int) -> Tensor:
        """Parameters and statistics of a fresh network, float32 on the CPU, a function of ``seed`` alone."""
        with temporary_global_seed(seed):
            network = self._factory()
        values = [*network.parameters(), *_statistics(network).values()]
        return torch.cat([value.detach().reshape(-1).float() for value in values]).cpu()

    def __call__(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Logits [B, K] of images [B, C, *spatial]."""
        views = self._views(parameters)
        buffers = {name: views[name].detach().clone() for name in self._statistics}
        logits: Tensor = torch.func.functional_call(
            self._skeleton, {**views, **buffers}, (images,), tie_weights=self._tied
        )
        if self._skeleton.training:
            self._updated.append(torch.cat([value.reshape(-1) for value in buffers.values()]))
        return logits

    def with_statistics(self, parameters: Tensor) -> Tensor:
        """The vectors [S, P] with the statistics that the last S calls left."""
        updated = torch.stack(self._updated[-len(parameters) :])
        self._updated.clear()
        return torch.cat([parameters[:, : self.parameter_count], updated], dim=1)

    def load_into(self, network: nn.Module, parameters: Tensor) -> nn.Module:
        """Copy parameters and statistics into an ordinary network and return it.

        Raises:
            ValueError: if the network has another architecture.
        """
        shapes = {name: value.shape for name, value in [*network.named_parameters(), *_statistics(network).items()]}
        if shapes != dict(zip(self.names, self.shapes, strict=True)):
            raise ValueError("Expected a network of the factory's architecture, got another. Use the same factory.")
        views = self._views(parameters.detach())
        with torch.no_grad():
            for name, value in [*network.named_parameters(), *_statistics(network).items()]:
                value.copy_(views[name])
        return network


def _statistics(network: nn.Module) -> dict[str, Tensor]:
    return {name: buffer for name, buffer in network.named_buffers() if buffer.is_floating_point()}


def scored_network(network: FlatNetwork) -> FlatNetwork:
    """The network for scores: ``network`` itself, or one with the running statistics that it replaces.

    Example:
        >>> plain = FlatNetwork(lambda: nn.Linear(2, 2))
        >>> scored_network(plain) is plain
        True
    """
    if not network.replaces_statistics:
        return network
    device = next(network.module.parameters()).device
    return with_amp(ScoredNetwork(network.factory, network.memory).to(device), network.amp)
