"""A device named ``elsewhere`` that computes on the CPU and keeps a GPU's rules.

Tensors of two devices do not meet, a generator draws on its own device only, and what waits for the device is counted.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from monai_distill.runtime import micro_batches

NAME = "elsewhere"
_setup_privateuseone_for_python_backend(NAME)
DEVICE = torch.device(NAME, 0)
# the host has to know values, or shapes that follow from them
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2", "repeat_interleave"}
MADE = ("arange", "arange.start", "arange.start_step", "linspace", "eye", "eye.m", "scalar_tensor")
LIBRARY = torch.library.Library("aten", "IMPL")


class Elsewhere(Tensor):
    """A tensor of the device; ``here`` has its values."""

    here: Tensor
    waits = 0  # of the process
    operations = 0  # of the process, views left out

    @staticmethod
    def __new__(cls, here: Tensor) -> Elsewhere:
        self: Elsewhere = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, here.shape, strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype,
            device=DEVICE,
        )  # fmt: skip
        self.here = here
        return self

    def __repr__(self, **_: Any) -> str:
        return f"{self.here} on {NAME}"

    def tolist(self) -> Any:
        """As PyTorch's, which refuses subclasses."""
        Elsewhere.waits += 1
        return self.here.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Files are read onto the CPU, as with ``map_location``."""
        return self.here.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        Elsewhere.operations += not operation.is_view
        target = kwargs.get("device")
        _keep_the_rules(operation, args, kwargs)
        home = {"device": torch.device("cpu")} if target is not None else {}
        out = operation(*map(_here, args), **{**{name: _here(value) for name, value in kwargs.items()}, **home})
        schema = operation._schema
        if schema.name.endswith("_") or any(argument.is_out for argument in schema.arguments):
            changed = kwargs.get("out", args[0] if args else None)
            if isinstance(changed, Elsewhere) and changed.shape != changed.here.shape:
                _show_shape(changed)
            return changed
        elsewhere = target is None or torch.device(target).type == NAME
        return _there(out) if elsewhere else out


def _here(value: Any) -> Any:
    """An argument, or a list of them, with the values of its tensors."""
    if isinstance(value, Elsewhere):
        return value.here
    return [_here(part) for part in value] if isinstance(value, list | tuple) else value


def _there(value: Any) -> Any:
    """A result, or several, on the device."""
    if isinstance(value, Tensor):
        return Elsewhere(value)
    return type(value)(map(_there, value)) if isinstance(value, list | tuple) else value


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, list | tuple) else (value,)


def _keep_the_rules(operation: Any, args: Any, kwargs: Any) -> None:
    name, leaves = operation._schema.name.removeprefix("aten::"), [*_leaves((*args, *kwargs.values()))]
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if name in {"_to_copy", "copy_"}:
        source, target = tensors[-1].device.type, torch.device(kwargs.get("device", tensors[0].device)).type
        held = kwargs.get("non_blocking", args[2] if name == "copy_" and len(args) > 2 else False) and target == NAME
        Elsewhere.waits += source != target and not held  # CUDA waits for its stream, unless the copy is asynchronous
        return
    Elsewhere.waits += name in WAITS or (name == "index" and any(t.dtype == torch.bool for t in tensors[1:]))
    if any(not isinstance(tensor, Elsewhere) and tensor.ndim for tensor in tensors):
        raise RuntimeError(f"Tensors of two devices in {operation}: {[(t.device, tuple(t.shape)) for t in tensors]}.")
    if any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(f"A CPU generator in {operation} on {NAME}.")


def _show_shape(tensor: Elsewhere) -> None:
    """Give the tensor the shape that an in-place operation, such as ``unsqueeze_``, gave its values."""
    values = tensor.here
    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.Python)):
        torch.ops.aten.as_strided_.default(tensor, values.shape, values.stride(), values.storage_offset())


def _register() -> None:
    """The operations that PyTorch requires of a device without a tensor argument, or past Python's dispatch."""

    def empty(size: Any, dtype: Any = None, *_: Any, **__: Any) -> Tensor:
        return Elsewhere(torch.empty(size, dtype=dtype))

    def empty_strided(size: Any, stride: Any, dtype: Any = None, *_: Any, **__: Any) -> Tensor:
        return Elsewhere(torch.empty_strided(size, stride, dtype=dtype))

    def zeros(size: Any, dtype: Any = None, *_: Any, **__: Any) -> Tensor:
        return Elsewhere(torch.zeros(size, dtype=dtype))

    def copy(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
        source, values = (t.here if isinstance(t, Elsewhere) else t for t in (source, target))
        values.copy_(source)
        return target

    def made(operation: Any) -> Any:
        return lambda *args, **kwargs: Elsewhere(operation(*args, **{**kwargs, "device": "cpu"}))

    LIBRARY.impl("empty.memory_format", empty, "PrivateUse1")
    LIBRARY.impl("empty_strided", empty_strided, "PrivateUse1")
    LIBRARY.impl("_efficientzerotensor", zeros, "PrivateUse1")
    LIBRARY.impl("_copy_from", copy, "PrivateUse1")
    for name in MADE:
        packet, _, overload = name.partition(".")
        LIBRARY.impl(name, made(getattr(getattr(torch.ops.aten, packet), overload or "default")), "PrivateUse1")


def count_graphs_by_length() -> None:
    """Replace the count of a graph's bytes, which the tensors of this device do not have, for the whole process."""
    micro_batches.graph_bytes = lambda computation: len(repr(computation()))


_register()
