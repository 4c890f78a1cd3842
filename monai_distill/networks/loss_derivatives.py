"""The gradient of a loss with respect to a network's parameters, and its vector-Jacobian product."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator

from .cuda_graphs import CUDA_GRAPHS, Recorded
from .gradients import parameter_gradient, through_compiler
from .layers.native_kernel import second_derivative_follows

__all__ = ["LossDerivatives"]

AGREEMENT = 1e-6  # relative, in double precision
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class LossDerivatives:
    """The derivatives of the student's loss that the exact gradient through an SGD step requires.

    Uncompiled, the derivative along a direction is the gradient of a gradient. Compiled, it is the gradient of a
    forward derivative, because ``torch.compile`` makes no second derivatives. The results differ by rounding, and where
    a ReLU is within rounding of its corner. PyTorch's gradient of a forward derivative is wrong for a few operations
    (its issues 196699, batch_norm, and 196700, layer_norm): call :meth:`check` once.

    References:
        Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 1994 (both forms of the product).

    Args:
        loss: maps (parameters [P], images [B, ...], targets [B] or [B, K]) to a scalar, without randomness. A sum over
            networks maps stacks of all three: then the parameters, their gradient and a direction, all [P] here, are
            [S, P], and images and targets have S in front.
        compiled: whether and how to use ``torch.compile`` (see :func:`through_compiler`), or ``cuda-graphs`` for
            recordings of the uncompiled derivatives (see :class:`~monai_distill.networks.cuda_graphs.Recorded`).
            Compiling needs a C++ compiler and a minute or two for every new number of images. Measured with ConvNets on
            3 channels, two threads, gradient and derivative together: 16 instead of 26 ms (width 32, 20 images of
            28x28), 0.22 instead of 0.27 s (64, 90 images of 32x32), 0.64 instead of 0.69 s (128).

    Example:
        >>> half = LossDerivatives(lambda parameters, images, targets: (parameters * images).square().sum() / 2)
        >>> half.gradient(torch.ones(2), torch.tensor([1.0, 2.0]), torch.zeros(0)).tolist()
        [1.0, 4.0]
        >>> images = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> value, (by_images,) = half.along(torch.ones(2), images, torch.zeros(0), torch.tensor([1.0, 0.0]), [images])
        >>> float(value), by_images.tolist()
        (1.0, [2.0, 0.0])
    """

    def __init__(self, loss: Loss, *, compiled: bool | str = False) -> None:
        self.loss = loss
        self.compiled = compiled
        self._gradient = parameter_gradient(self._loss_with_value, for_vmap=False, compiled=compiled)
        self._directional = through_compiler(self._forward, compiled) if self.needs_check else None
        self._recorded: dict[tuple[bool, ...], Recorded] = {}

    @property
    def needs_check(self) -> bool:
        """Whether the derivative along a direction is the gradient of a forward derivative."""
        return bool(self.compiled) and self.compiled != CUDA_GRAPHS

    def check(self, parameters: Tensor, images: Tensor, targets: Tensor) -> None:
        """Compare the two forms of the derivative along a direction, uncompiled and in double precision.

        Args:
            parameters: [P], of a fresh network.
            images: [B, ...]; a few are enough.
            targets: [B] or [B, K].

        Raises:
            ValueError: if they differ.
        """
        direction = torch.randn(parameters.shape, dtype=torch.float64, generator=seeded_generator(0, "direction"))
        direction = direction.to(parameters.device)
        vector, pixels = (tensor.detach().double().requires_grad_() for tensor in (parameters, images))
        targets = targets.double() if targets.is_floating_point() else targets
        _, second = self._second(vector, pixels, targets, direction, [vector, pixels])
        with torch.enable_grad():
            value = self._forward(vector, pixels, targets, direction)
            gradients = torch.autograd.grad(value, [vector, pixels], materialize_grads=True)
        forward, expected = (torch.cat([part.flatten() for part in parts]) for parts in (gradients, second))
        difference = float((forward - expected).norm() / expected.norm().clamp_min(torch.finfo(torch.float64).tiny))
        if not difference < AGREEMENT:  # written so that NaN fails as well
            raise ValueError(
                "Expected a network whose forward derivative PyTorch can differentiate, as compiled steps need it, got "
                f"one where that is off by {difference:.1%} (layer_norm and batch_norm are known for it). Leave "
                "--compile_distillation out."
            )

    def gradient(self, parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        """The gradient [P] of the loss, without a graph."""
        return self._gradient(parameters, images, targets)[0]

    def gradient_with_graph(self, parameters: Tensor, images: Tensor, targets: Tensor) -> Tensor:
        """The gradient [P] with a graph for second derivatives; never compiled."""
        with torch.enable_grad(), second_derivative_follows():
            vector = parameters if parameters.requires_grad else parameters.detach().requires_grad_()
            return torch.autograd.grad(self.loss(vector, images, targets), vector, create_graph=True)[0]

    def along(
        self, parameters: Tensor, images: Tensor, targets: Tensor, direction: Tensor, inputs: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The derivative (a scalar) of the loss along ``direction`` [P] of the parameters, and its gradients.

        Args:
            parameters: [P].
            images: [B, ...].
            targets: [B] or [B, K].
            direction: [P].
            inputs: those of the first three arguments that require a gradient.

        Returns:
            The derivative, and its gradient with respect to every one of ``inputs``. With CUDA graphs, use them before
            the next call.
        """
        if self.compiled == CUDA_GRAPHS:
            return self._replayed(parameters, images, targets, direction, inputs)
        if self._directional is None:
            return self._second(parameters, images, targets, direction, inputs)
        with torch.enable_grad():
            value = self._directional(parameters, images, targets, direction)
            return value.detach(), torch.autograd.grad(value, inputs, materialize_grads=True)

    def _replayed(
        self, parameters: Tensor, images: Tensor, targets: Tensor, direction: Tensor, inputs: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        learned = tuple(any(tensor is given for given in inputs) for tensor in (parameters, images, targets))

        def second(*tensors: Tensor) -> list[Tensor]:
            *arguments, along = (tensor.detach() for tensor in tensors)
            leaves = [leaf.requires_grad_() for leaf, is_learned in zip(arguments, learned, strict=True) if is_learned]
            slope, products = self._second(arguments[0], arguments[1], arguments[2], along, leaves)
            return [slope, *products]

        recorded = self._recorded.setdefault(learned, Recorded(second))
        slope, *products = recorded(parameters, images, targets, direction)
        return slope, tuple(products)

    def _second(
        self, parameters: Tensor, images: Tensor, targets: Tensor, direction: Tensor, inputs: list[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        gradient = self.gradient_with_graph(parameters, images, targets)
        products = torch.autograd.grad(gradient, inputs, direction, materialize_grads=True)
        return torch.dot(gradient.detach().flatten(), direction.flatten()), products

    def _loss_with_value(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        value = self.loss(*arguments)
        return value, value.detach()

    def _forward(self, parameters: Tensor, images: Tensor, targets: Tensor, direction: Tensor) -> Tensor:
        value: Tensor = torch.func.jvp(lambda p: self.loss(p, images, targets), (parameters,), (direction,))[1]
        return value
