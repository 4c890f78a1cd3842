"""Classifiers of MONAI, of torchvision or of one's own, with the arguments and the features of this package."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_distill.runtime.randomness import temporary_global_seed

from .network_weights import load_weights
from .single_values import refuse_single_values

__all__ = ["AdaptedNetwork"]

LEAST_SIDE = 32  # these networks halve an image five times
NAMES = {  # of one argument in different libraries
    "spatial_dims": ("spatial_dims", "dim"),
    "in_channels": ("in_channels", "n_input_channels"),
    "num_classes": ("num_classes", "out_channels"),
    "image_size": ("image_size", "img_size"),
}
MODES = {2: "bilinear", 3: "trilinear"}


class AdaptedNetwork(nn.Module):
    """A classifier that is named by its class or function, such as ``monai.networks.nets.DenseNet121``.

    Its arguments for axes, channels, classes and image size are found by their usual names. Images with a side below 32
    are enlarged to 32 (linear), because most networks halve an image five times. Gray images become three equal
    channels where a network takes no number of channels. If a network returns several results, the first one is used.
    Weights are never downloaded (``pretrained`` is False).

    Args:
        network: dotted name of the class or function.
        spatial_dims: 2 or 3.
        in_channels: channels C of an image.
        num_classes: number of logits K.
        image_size: pixels per side, one number or one per axis.
        arguments: further ones of the network, such as ``{"model_name": "efficientnet-b0"}``.
        weights: file with pretrained weights, see :func:`load_weights`; a head of another size stays fresh.
        weights_sha256: checksum of that file, so that a job is bound to its content.
        width: is for networks of this package and has no effect here.

    Raises:
        ValueError: if the network cannot be made, or gives no logits [B, K] from one last layer.

    Example:
        >>> network = AdaptedNetwork("monai.networks.nets.DenseNet121", 2, 1, 3, 28, {"block_config": [1, 1, 1, 1]})
        >>> network(torch.zeros(2, 1, 28, 28)).shape, network.embed(torch.zeros(2, 1, 28, 28)).shape[0]
        (torch.Size([2, 3]), 2)
    """

    def __init__(
        self,
        network: str,
        spatial_dims: int,
        in_channels: int,
        num_classes: int,
        image_size: int | Sequence[int],
        arguments: Mapping[str, Any] | None = None,
        weights: str | None = None,
        weights_sha256: str | None = None,
        width: int | None = None,
    ) -> None:
        super().__init__()
        sides = [image_size] * spatial_dims if isinstance(image_size, int) else list(image_size)
        self.enlarged = tuple(max(side, LEAST_SIDE) for side in sides)
        self.must_enlarge = list(self.enlarged) != sides
        image = {"spatial_dims": spatial_dims, "in_channels": in_channels, "num_classes": num_classes}
        self._make(network, {**image, "image_size": self.enlarged}, dict(arguments or {}), (in_channels, *sides))
        refuse_single_values(self.net)
        if weights is not None:
            load_weights(self.net, weights, self.head_name)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, *spatial] to logits [B, K]."""
        if self.must_enlarge:
            x = F.interpolate(x, size=self.enlarged, mode=MODES[x.ndim - 2], align_corners=False)
        if self.repeat > 1:
            x = x.expand(-1, self.repeat, *x.shape[2:])
        out = self.net(x)
        logits: Tensor = out[0] if isinstance(out, (tuple, list)) else out
        return logits.flatten(1) if logits.ndim > 2 else logits

    def embed(self, x: Tensor) -> Tensor:
        """Features before the classifier: images [B, C, *spatial] to [B, F], the input of the last layer."""
        inputs: list[Tensor] = []
        head = self.net.get_submodule(self.head_name)
        hook = head.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
        try:
            self(x)
        finally:
            hook.remove()
        return inputs[-1].flatten(1)

    def _make(self, name: str, image: Mapping[str, Any], arguments: dict[str, Any], shape: Sequence[int]) -> None:
        """Make the network by the first spelling of its arguments with which it takes the images."""
        function = _located(name)
        parameters = inspect.signature(function).parameters
        if "pretrained" in parameters:
            arguments = {"pretrained": False, **arguments}
        errors: list[str] = []
        for given in _spellings(image, parameters):
            takes_channels = any(key in given for key in NAMES["in_channels"])
            self.repeat = 1 if takes_channels or shape[0] == 3 else 3
            try:
                self.net = function(**{**given, **arguments})
                self.head_name = self._find_head(name, shape, int(image["num_classes"]))
            except (TypeError, ValueError) as error:
                errors.append(str(error))
                continue
            return
        raise ValueError(
            f"Cannot make the network {name} for images {list(shape)}: {errors[0].rstrip('.')}. It must take 1 or 3 "
            "channels or their number. Give the arguments that it requires, such as {'model_name': 'efficientnet-b0'}, "
            "to --network_options or in --cross_networks."
        )

    def _find_head(self, name: str, shape: Sequence[int], num_classes: int) -> str:
        """The layer whose output is the network's; before an activation, the last one with that many outputs."""
        seen: dict[str, Tensor] = {}

        def note(layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
            return lambda module, inputs, output: seen.update({layer: output})

        kinds = (nn.Linear, nn.Conv2d, nn.Conv3d)
        layers = {key: module for key, module in self.net.named_modules() if isinstance(module, kinds)}
        hooks = [module.register_forward_hook(note(key)) for key, module in layers.items()]
        training = self.training
        try:
            with torch.no_grad(), temporary_global_seed(0):
                logits = self.eval()(torch.zeros(1, *shape))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise ValueError(f"Expected a network for images {list(shape)}, got {name}: {error}") from error
        finally:
            self.train(training)
            for hook in hooks:
                hook.remove()
        if tuple(logits.shape) != (1, num_classes):
            raise ValueError(f"Expected logits [1, {num_classes}] of {name}, got {list(logits.shape)}.")
        sized = [key for key, value in seen.items() if value.numel() == num_classes]
        heads = [key for key in sized if torch.equal(seen[key].flatten(), logits.flatten())] or sized
        if not heads:
            raise ValueError(f"Expected {name} to end with a linear or convolutional layer, found none.")
        return heads[-1]


def _located(name: str) -> Callable[..., nn.Module]:
    module, _, attribute = name.rpartition(".")
    try:
        made = getattr(__import__(module, fromlist=[attribute]), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"Expected the dotted name of a network that can be imported, got {name}: {error}") from error
    if not callable(made):
        raise ValueError(f"Expected a class or function that makes a network, got {name}: {type(made).__name__}.")
    function: Callable[..., nn.Module] = made
    return function


def _spellings(image: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The arguments under the names that the function lists; where it hides them in ``**kwargs``, all likely ones."""
    listed = {key: next((n for n in names if n in parameters), None) for key, names in NAMES.items()}
    known = {name: image[key] for key, name in listed.items() if name is not None}
    gray_or_color = {name: value for name, value in known.items() if name not in NAMES["in_channels"]}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return [known, gray_or_color]
    hidden = {key: image[key] for key, name in listed.items() if name is None and key != "image_size"}
    made = [{**known, **hidden}]
    if "in_channels" in hidden:
        made.append({**known, **{NAMES["in_channels"][1] if k == "in_channels" else k: v for k, v in hidden.items()}})
        made.append({**known, **{k: v for k, v in hidden.items() if k == "num_classes"}})
    return [*made, known, gray_or_color]
