"""Instance normalization with a hand-written second derivative, which is faster than autograd's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from .native_kernel import use_native_kernel, with_stored_signature

__all__ = ["InstanceNorm"]

forward_kernel = torch.ops.aten.native_group_norm
backward_kernel = torch.ops.aten.native_group_norm_backward


class InstanceNorm(nn.GroupNorm):
    """Every channel of every image normalized by its own mean and variance, then scaled and shifted.

    References:
        Ulyanov et al., Instance Normalization: The Missing Ingredient for Fast Stylization, 2016,
        https://arxiv.org/abs/1607.08022, in the form of the distillation literature: ``GroupNorm`` with one channel per
        group, without running statistics.

    Deviation: the gradients of gradients, which trajectory and gradient matching need, follow from a formula in a dozen
    passes over the data (autograd needs about a hundred). Values and parameters are those of ``GroupNorm``.

    Args:
        channels: C of images [B, C, *spatial].

    Example:
        >>> norm, images = InstanceNorm(3), torch.rand(2, 3, 4, 4)
        >>> torch.allclose(norm(images), nn.GroupNorm(3, 3)(images))
        True
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, *spatial], normalized."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        if use_native_kernel(x, x.numel(), few_operations=True):
            return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        return _normalized(x, self.weight, self.bias, self.eps)


def _normalized(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    rows = x.contiguous().flatten(2)  # [B, C, M]
    out: Tensor = _Normalize.apply(rows, weight, bias, eps)[0]
    return out.reshape(x.shape)


def _column(values: Tensor) -> Tensor:
    """[B, C] or [C], to broadcast over the pixels of rows [B, C, M]."""
    return values.unsqueeze(-1)


@with_stored_signature
class _Normalize(Function):
    """(x [B, C, M], weight [C], bias [C], eps) -> (normalized [B, C, M], mean [B, C], 1 / deviation [B, C])."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        n, c, m = x.shape
        out, mean, rstd = forward_kernel(x, weight, bias, n, c, m, c, eps)
        return out, mean, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, _, ctx.eps = inputs
        _, mean, rstd = output
        ctx.mark_non_differentiable(mean, rstd)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, mean, rstd)
        ctx.save_for_forward(x, weight, mean, rstd)  # all of them: vmap keeps one list for both

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None
        a = grad.contiguous()
        if torch.is_grad_enabled():  # a second derivative may follow
            return (*_NormalizeBackward.apply(a, *ctx.saved_tensors, ctx.eps)[:3], None)
        x, weight, mean, rstd = ctx.saved_tensors
        n, c, m = x.shape
        return (*backward_kernel(a, x, mean, rstd, weight, n, c, m, c, [True, True, True]), None)

    @staticmethod
    def jvp(ctx: Any, by_x: Tensor | None, by_weight: Tensor | None, by_bias: Tensor | None, _: Any) -> Any:
        x, weight, *_ = ctx.saved_tensors
        # computed again: a derivative of this function must see that the statistics depend on x
        variance, mean = torch.var_mean(x, dim=2, keepdim=True, correction=0)
        rstd = (variance + ctx.eps).rsqrt()
        z = (x - mean) * rstd
        moved = torch.zeros_like(x)
        if by_x is not None:
            along = (by_x * z).mean(dim=2, keepdim=True)
            moved = (by_x - by_x.mean(dim=2, keepdim=True) - z * along) * (rstd * _column(weight))
        if by_weight is not None:
            moved = moved + z * _column(by_weight)
        if by_bias is not None:
            moved = moved + _column(by_bias)
        return moved, None, None


def _by_row(a: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``r weight P a`` [B, C, M] for weights [B C] of the rows, and the sums over every row [B, C] of a z and of a."""
    n, c, m = x.shape
    # one image with a channel per row: the kernel then gives row sums, not sums over images
    flat = (t.reshape(1, n * c, *t.shape[2:]) for t in (a, x, mean, rstd))
    projected, by_z, by_one = backward_kernel(*flat, weight, 1, n * c, m, n * c, [True, True, True])
    return projected.reshape(n, c, m), by_z.reshape(n, c), by_one.reshape(n, c)


def _affine(x: Tensor, slope: Tensor, constant: Tensor, eps: float) -> Tensor:
    """``slope z + constant`` [B, C, M] of x [B, C, M], for both [C], or both [B, C]: PyTorch's normalization of x."""
    n, c, m = (1, x.shape[0] * x.shape[1], x.shape[2]) if slope.ndim == 2 else x.shape
    out: Tensor = forward_kernel(x.reshape(n, c, m), slope.reshape(-1), constant.reshape(-1), n, c, m, c, eps)[0]
    return out.reshape(x.shape)


@with_stored_signature
class _NormalizeBackward(Function):
    """(cotangent, x, weight, mean, 1 / deviation, eps) -> cotangents of x, weight and bias, and two sums for later.

    With z = (x - mean) r, s = weight r, P the projection that takes off a row's mean and its part along z, and row
    means m1 = <a>, m2 = <a z> of the cotangent a: (s P a, sum a z, sum a). Its own backward, for cotangents X, g, b of
    these and q1 = <X z>, inner = <X P a>: a gets s P X + g z + b; x gets r P(-m2 s X + (g - s q1) a) - weight inner
    r^2 z; weight gets M r inner, summed over images. A term in z and one constant in a row are a normalization of x by
    PyTorch's kernel, so that both results take few passes and few operations.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, x: Tensor, weight: Tensor, mean: Tensor, rstd: Tensor, eps: float) -> tuple[Tensor, ...]:
        to_x, by_z, by_one = _by_row(a, x, mean, rstd, weight.expand_as(rstd).reshape(-1))
        return to_x, by_z.sum(dim=0), by_one.sum(dim=0), by_z, by_one

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        *tensors, ctx.eps = inputs
        ctx.mark_non_differentiable(*output[3:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *output[3:])
        ctx.save_for_forward(*tensors, *output[3:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        a, x, weight, mean, rstd, by_z, by_one = ctx.saved_tensors
        if cotangents[0] is cotangents[1] is cotangents[2] is None:
            return (None,) * 6
        likes = zip(cotangents, (x, weight, weight), strict=False)
        to_x, to_weight, to_bias = (torch.zeros_like(t) if c is None else c.contiguous() for c, t in likes)
        m = x.shape[2]
        projected, q, _ = _by_row(to_x, x, mean, rstd, torch.ones_like(rstd).reshape(-1))  # r P X, M q1
        inner = torch.linalg.vecdot(a, projected)  # M r inner: P is its own transpose
        to_a = torch.addcmul(_affine(x, to_weight, to_bias, ctx.eps), projected, _column(weight))
        share = weight * rstd / -m
        by_a = torch.addcmul(to_weight, share, q) * rstd
        by_normal = torch.addcmul(share * inner, by_a, by_z, value=-1 / m)
        to_input = _affine(x, by_normal, by_a * by_one / -m, ctx.eps)
        to_input = torch.addcmul(to_input, projected, _column(share * by_z))
        return to_a, torch.addcmul(to_input, a, _column(by_a)), inner.sum(dim=0), None, None, None
