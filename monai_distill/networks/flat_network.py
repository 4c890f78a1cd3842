"""A network as a pure function of one flat parameter vector."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from monai_distill.runtime.micro_batches import GraphSize, MicroBatches
from monai_distill.runtime.randomness import temporary_global_seed

from .layer_kinds import has_random_layers, has_running_statistics, mixes_images
from .single_values import refuse_single_values

logger = logging.getLogger(__name__)

__all__ = ["FlatNetwork", "build_flat_network"]


class FlatNetwork:
    """A network as a function of one vector of its P parameters; twice differentiable, and usable under ``vmap``.

    The network is in train mode. Batch norm layers use the statistics of their batch, because running statistics are
    not part of the vector (``torch.func.replace_all_batch_norm_modules_``); :class:`ScoredNetwork` has them.

    References:
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932 (the re-parameterized student).

    Deviations: built on ``torch.func`` instead of a patched module; the global random state is restored after use.

    Args:
        factory: builds one freshly initialized network; called once here and once per :meth:`initial`.
        memory: how many images of a batch go through the network at once; None for all.

    Raises:
        TypeError: if the factory is a network, or is not callable.
        ValueError: if the network has other floating-point buffers, or no parameters.

    Example:
        >>> flat = FlatNetwork(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3)))
        >>> parameters, images = flat.initial(seed=0), torch.ones(2, 1, 2, 2)
        >>> flat.size, flat.names, flat(parameters, images).shape
        (15, ('1.weight', '1.bias'), torch.Size([2, 3]))
        >>> flat.stacked(torch.stack([parameters, parameters]), torch.stack([images, images])).shape
        torch.Size([2, 2, 3])
    """

    def __init__(self, factory: Callable[[], nn.Module], memory: MicroBatches | None = None) -> None:
        if isinstance(factory, nn.Module) or not callable(factory):
            raise TypeError(
                f"Expected a function or class that makes a network, got {type(factory).__name__}. Pass lambda: "
                "Network(...): every student starts from a fresh network."
            )
        with temporary_global_seed(0):
            skeleton = factory()
        self.amp = False  # whether its training computes in mixed precision, see mixed_precision
        self.one_at_a_time = False  # whether networks run one after another, because a call changes something
        self.replaces_statistics = has_running_statistics(skeleton)
        skeleton = refuse_single_values(self.prepared(skeleton))
        self._factory = factory
        self._skeleton = skeleton.train().requires_grad_(False)
        parameters = dict(skeleton.named_parameters())
        if not parameters:
            raise ValueError("Expected a network with parameters, got none. Check the factory.")
        self.names: tuple[str, ...] = ()
        self.shapes: tuple[torch.Size, ...] = ()
        self._add(parameters)
        # modules and ties are looked for once, not in every call
        self.has_random_layers: bool = has_random_layers(skeleton)
        self.mixes_images = mixes_images(skeleton)
        self.memory = MicroBatches() if memory is None else memory
        self._tied = len(list(skeleton.named_parameters(remove_duplicate=False))) > len(parameters)

    def prepared(self, skeleton: nn.Module) -> nn.Module:
        """The module with batch statistics in the place of running ones.

        Raises:
            ValueError: if it has other floating-point buffers.
        """
        if self.replaces_statistics:
            torch.func.replace_all_batch_norm_modules_(skeleton)
        buffers = [name for name, buffer in skeleton.named_buffers() if buffer.is_floating_point()]
        if buffers:
            raise ValueError(
                "Expected a network whose only floating-point buffers are running statistics of batch norm, got "
                f"{buffers}, which are not part of a flat vector. Use a network without them."
            )
        return skeleton

    def _add(self, tensors: Mapping[str, Tensor]) -> None:
        self.names += tuple(tensors)
        self.shapes += tuple(tensor.shape for tensor in tensors.values())
        self._lengths = [shape.numel() for shape in self.shapes]
        self.size: int = sum(self._lengths)

    def with_statistics(self, parameters: Tensor) -> Tensor:
        """The vectors [S, P] after a step; this network has no statistics to add."""
        return parameters

    @property
    def factory(self) -> Callable[[], nn.Module]:
        """The function that builds one freshly initialized network."""
        return self._factory

    @property
    def module(self) -> nn.Module:
        """The module, for introspection and forward hooks; the values of its parameters are never used."""
        return self._skeleton

    @property
    def is_separable(self) -> bool:
        """Whether a batch's gradient is the sum of its images' gradients: no dropout mask, no batch statistics."""
        return not (self.has_random_layers or self.mixes_images)

    def graph_size(self, shape: Sequence[int]) -> GraphSize:
        """Bytes of the graph of a gradient on images of ``shape`` [C, *spatial]."""

        def graph(count: int) -> Tensor:
            device = next(self._skeleton.parameters()).device
            parameters = torch.zeros(self.size, device=device, requires_grad=True)
            return self(parameters, torch.zeros(count, *shape, device=device))

        return self.memory.graph_size(tuple(shape), graph)

    def images_at_once(self, shape: Sequence[int], networks: int = 1) -> int | None:
        """Images of ``shape`` [C, *spatial] whose graph of a gradient fits the memory budget; None for any number.

        Args:
            shape: of an image.
            networks: networks that run in one call, each on as many images.
        """
        return None if self.memory.budget is None else self.memory.most(self.graph_size(shape), networks)

    def to(self, device: torch.device | str) -> FlatNetwork:
        """Move the module (its integer buffers, if any) to ``device`` and return self."""
        self._skeleton.to(device)
        return self

    def initial(self, seed: int) -> Tensor:
        """The parameters of a fresh network, [P] float32 on the CPU, a function of ``seed`` alone."""
        with temporary_global_seed(seed):
            network = self._factory()
        shapes = tuple(parameter.shape for _, parameter in network.named_parameters())
        if shapes != self.shapes:
            raise RuntimeError(
                f"Expected the factory to repeat parameter shapes {self.shapes}, got {shapes}. "
                "Make it build one architecture."
            )
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
        return flat.to(device="cpu", dtype=torch.float32, copy=True)

    def __call__(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Logits [B, K] of images [B, C, *spatial] under the parameters [P]."""
        logits: Tensor = torch.func.functional_call(
            self._skeleton, self._views(parameters), (images,), tie_weights=self._tied
        )
        return logits

    def predict(self, parameters: Tensor, images: Tensor, networks: int = 1) -> Tensor:
        """Logits [B, K] in evaluation mode (dropout off) and without a gradient, in parts that fit the memory budget.

        Args:
            parameters: [P].
            images: [B, C, *spatial].
            networks: networks that run in one call, where this one is mapped over parameters.
        """
        most = self.images_at_once(images.shape[1:], networks)
        self._skeleton.eval()
        try:
            with torch.no_grad():
                parts = self.memory.over(
                    len(images), most, lambda rows: self(parameters, images[rows]), at_once=self.mixes_images
                )
                logits = list(parts)
                return logits[0] if len(logits) == 1 else torch.cat(logits or [self(parameters, images)])
        finally:
            self._skeleton.train()

    def stacked(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Logits [S, B, K] of S networks [S, P], each on its own images [S, B, C, *spatial]; a loop in one call.

        Raises:
            ValueError: if the numbers of networks differ or a vector has another length than ``size``.
        """
        if parameters.ndim != 2 or parameters.shape[0] != images.shape[0]:
            raise ValueError(
                f"Expected parameters [S, {self.size}] and images [S, B, C, ...] with one S, got "
                f"{list(parameters.shape)} and {list(images.shape)}. Stack one vector per stack of images."
            )
        logits: Tensor = torch.func.vmap(self)(parameters, images)
        return logits

    def load_into(self, network: nn.Module, parameters: Tensor) -> nn.Module:
        """Copy the values of the vector [P] into an ordinary network of the same architecture and return it.

        Raises:
            ValueError: if the vector has another length, or the network other parameter names or shapes.
        """
        if self.replaces_statistics:
            torch.func.replace_all_batch_norm_modules_(network)
        shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
        expected = dict(zip(self.names, self.shapes, strict=True))
        if shapes != expected:
            names = shapes.keys() | expected.keys()
            differing = sorted(name for name in names if shapes.get(name) != expected.get(name))
            raise ValueError(
                f"Expected a network with the parameter shapes of the factory's, got differences in {differing[:4]}. "
                "Build it with the same factory."
            )
        views = self._views(parameters.detach())
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(views[name])
        return network

    def _views(self, parameters: Tensor) -> dict[str, Tensor]:
        if parameters.ndim != 1 or parameters.shape[0] != self.size:
            raise ValueError(
                f"Expected a parameter vector of shape [{self.size}], got {list(parameters.shape)}. "
                "Use one made by initial() of the same architecture."
            )
        vectors = torch.split(parameters, self._lengths)
        return {name: v.reshape(shape) for name, v, shape in zip(self.names, vectors, self.shapes, strict=True)}


def build_flat_network(
    factory: Callable[[], nn.Module], device: torch.device | str = "cpu", memory_budget: float | None = None
) -> FlatNetwork:
    """A :class:`FlatNetwork` on ``device``.

    Args:
        factory: makes one fresh network.
        device: where its parameters are put.
        memory_budget: MiB of graph; None for whole batches.

    Example:
        >>> build_flat_network(lambda: nn.Linear(4, 2)).size
        10
    """
    network = FlatNetwork(factory, MicroBatches(memory_budget)).to(device)
    if network.replaces_statistics:
        logger.info(
            "%s is trained with the statistics of its batches in the place of running ones; scores use running ones.",
            type(network.module).__name__,
        )
    return network
