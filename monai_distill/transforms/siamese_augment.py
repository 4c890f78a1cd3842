"""DSA's differentiable siamese augmentation: real and synthetic images are augmented with the same parameters."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from monai.data.meta_obj import get_track_meta
from monai.transforms.transform import Randomizable, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_tensor
from torch import Tensor

from .augment_operations import OPERATIONS

__all__ = ["AugmentParameters", "SiameseAugment"]


class AugmentParameters(NamedTuple):
    """One operation and its parameters: tensors of leading dimension n (one row per image) or 1 (shared by all).

    Example:
        >>> AugmentParameters("flip", {"flipped": torch.tensor([True])}).to("cpu").operation
        'flip'
    """

    operation: str
    values: dict[str, Tensor]

    def to(self, device: torch.device | str) -> AugmentParameters:
        """The same parameters with their tensors on ``device``."""
        asynchronous = torch.device(device).type != "cpu"  # a copy to the CPU has to be waited for
        moved = {name: value.to(device, non_blocking=asynchronous) for name, value in self.values.items()}
        return AugmentParameters(self.operation, moved)


class SiameseAugment(Randomizable, Transform):  # type: ignore[misc]
    """Differentiable siamese augmentation of batches; random parameters are drawn first and applied by a pure function.

    References:
        DSA: Zhao and Bilen, Dataset Condensation with Differentiable Siamese Augmentation, ICML 2021,
        https://arxiv.org/abs/2102.08259.

    Deviations: the drawn parameters are a value that can be stored, replayed and applied to batches of different size.
    No global seed is touched. 3D images work. Rotation acts in pixels, so that rectangles keep their angles. Crop
    shifts by whole pixels exactly. The metadata of a MetaTensor does not change.

    Args:
        operations: any of ``color crop cutout flip scale rotate``, of which one is drawn per batch; empty for none.
        flip_probability: probability of a mirrored last axis.
        rotation_degrees: largest angle, either way (in 3D one angle about each axis).
        scale_ratio: each axis is read at a factor uniform in [1 / scale_ratio, scale_ratio].
        crop_fraction: largest shift per axis, as a fraction of the side; pixels from outside are zero.
        cutout_fraction: side of the zeroed box, as a fraction of the side; the box is clipped at the border.
        brightness: width of the uniform offset, in image units, centered on 0.
        saturation: largest factor on the distance to the mean over channels; the smallest is 0.
        contrast: smallest factor on the distance to the image mean; the largest is ``contrast + 1``.

    Raises:
        TypeError: if ``operations`` is one string.
        ValueError: for an unknown operation or a number out of range.

    Example:
        >>> augment = SiameseAugment(("flip", "rotate"))
        >>> draw = augment.draw(1, (8, 8), torch.Generator().manual_seed(0), siamese=True)
        >>> augment.apply(torch.rand(5, 3, 8, 8), draw).shape, augment.apply(torch.rand(2, 3, 8, 8), draw).shape
        (torch.Size([5, 3, 8, 8]), torch.Size([2, 3, 8, 8]))
    """

    backend = (TransformBackends.TORCH,)

    def __init__(
        self,
        operations: Sequence[str] = ("color", "crop", "cutout", "flip", "scale", "rotate"),
        *,
        flip_probability: float = 0.5,
        rotation_degrees: float = 15.0,
        scale_ratio: float = 1.2,
        crop_fraction: float = 0.125,
        cutout_fraction: float = 0.5,
        brightness: float = 1.0,
        saturation: float = 2.0,
        contrast: float = 0.5,
    ) -> None:
        _require_operations(operations)
        fractions = {
            "flip_probability": flip_probability,
            "crop_fraction": crop_fraction,
            "cutout_fraction": cutout_fraction,
        }
        _require_settings(fractions, scale_ratio, (rotation_degrees, brightness, saturation, contrast))
        self.operations = tuple(operations)
        self.settings: dict[str, float] = {
            **fractions,
            "rotation_degrees": rotation_degrees,
            "scale_ratio": scale_ratio,
            "brightness": brightness,
            "saturation": saturation,
            "contrast": contrast,
        }

    def draw(
        self, count: int, spatial_shape: Sequence[int], generator: torch.Generator, *, siamese: bool = False
    ) -> AugmentParameters:
        """Draw one operation for a batch and its parameters, one row per image or (``siamese``) one row for all.

        Args:
            count: number of images.
            spatial_shape: their sides in pixels, 2 or 3 of them.
            generator: a CPU generator, the only source of randomness.
            siamese: one row of parameters, valid for a batch of any size.

        Raises:
            ValueError: if the count is below 1, or the shape is not 2D or 3D.
        """
        if count < 1 or len(spatial_shape) not in (2, 3):
            raise ValueError(
                f"Expected a count of at least 1 and 2 or 3 sides, got {count} and {tuple(spatial_shape)}. Pass a "
                "batch."
            )
        if not self.operations:
            return AugmentParameters("none", {})
        choice = int(torch.randint(len(self.operations), (1,), generator=generator))
        operation = self.operations[choice]
        return AugmentParameters(operation, self._values(operation, 1 if siamese else count, spatial_shape, generator))

    def apply(self, images: Tensor, parameters: AugmentParameters) -> Tensor:
        """Augment images [B, C, *spatial] (floating point); differentiable, and affine in the images.

        Raises:
            TypeError: for images that are not floating point.
            ValueError: if the operation is unknown, or the parameters are for another number of images or spatial axes.
        """
        if parameters.operation == "none":
            return images
        if parameters.operation not in OPERATIONS:
            raise ValueError(
                f"Expected operation 'none' or one of {sorted(OPERATIONS)}, got {parameters.operation!r}. Use draw()."
            )
        if not images.is_floating_point():
            raise TypeError(f"Expected floating-point images, got {images.dtype}. Convert them with .float() first.")
        values = parameters.to(images.device).values
        for name, value in values.items():
            if value.shape[0] not in (1, images.shape[0]):
                raise ValueError(
                    f"Expected siamese parameters or those of {images.shape[0]} images, got {value.shape[0]} rows of "
                    f"{name}. Draw with this count or siamese=True."
                )
        axes = {"crop": "shift", "cutout": "low", "scale": "factor"}.get(parameters.operation)
        if axes is not None and values[axes].shape[1] != images.ndim - 2:
            raise ValueError(
                f"Expected parameters for {images.ndim - 2} spatial axes, got {values[axes].shape[1]}. Draw with the "
                "spatial shape of the images."
            )
        return OPERATIONS[parameters.operation](images, values)

    def __call__(self, image: Tensor) -> Tensor:
        """Augment one image [C, *spatial] with parameters drawn from ``self.R``."""
        return self.augmented(image, self.draw(1, image.shape[1:], self.next_generator()))

    def augmented(self, image: Tensor, parameters: AugmentParameters) -> Tensor:
        """Augment one image [C, *spatial], a tensor or an array; a MetaTensor keeps its metadata."""
        tensor = convert_to_tensor(image, track_meta=get_track_meta())
        plain = convert_to_tensor(image, track_meta=False)
        result: Tensor = convert_to_dst_type(self.apply(plain[None], parameters)[0], tensor)[0]
        return result

    def next_generator(self) -> torch.Generator:
        """A generator seeded from ``self.R``, the random state of MONAI's ``set_random_state``."""
        return torch.Generator().manual_seed(int(self.R.randint(2**31 - 1)))

    def config(self) -> dict[str, Any]:
        """A JSON-able MONAI config that builds the same augmentation."""
        return {
            "_target_": "monai_distill.transforms.SiameseAugment",
            "operations": list(self.operations),
            **self.settings,
        }

    def _values(self, operation: str, rows: int, shape: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
        def uniform(columns: int, low: float, high: float) -> Tensor:
            return torch.rand(rows, columns, generator=generator) * (high - low) + low

        settings, dims = self.settings, len(shape)
        if operation == "color":
            half, contrast = settings["brightness"] / 2, settings["contrast"]
            return {
                "brightness": uniform(1, -half, half)[:, 0],
                "saturation": uniform(1, 0.0, settings["saturation"])[:, 0],
                "contrast": uniform(1, contrast, contrast + 1)[:, 0],
            }
        if operation == "flip":
            return {"flipped": uniform(1, 0.0, 1.0)[:, 0] < settings["flip_probability"]}
        if operation == "scale":
            return {"factor": uniform(dims, 1 / settings["scale_ratio"], settings["scale_ratio"])}
        if operation == "rotate":
            largest = math.radians(settings["rotation_degrees"])
            return {"radians": uniform(1 if dims == 2 else 3, -largest, largest)}
        if operation == "crop":
            reach = torch.tensor([_pixels(settings["crop_fraction"], side) for side in shape])
            # rand is below 1, so the floor of rand * (2 * reach + 1) is one of the 2 * reach + 1 whole shifts
            return {"shift": (uniform(dims, 0.0, 1.0) * (2 * reach + 1)).long() - reach}
        sides = torch.tensor(list(shape))
        box = torch.tensor([_pixels(settings["cutout_fraction"], side) for side in shape])
        # A box of even side has its center between pixels, so there is one more place for it.
        low = (uniform(dims, 0.0, 1.0) * (sides + 1 - box % 2)).long() - box // 2
        return {"low": low.clamp(min=0), "high": torch.minimum(low + box, sides)}


def _pixels(fraction: float, side: int) -> int:
    """A fraction of a side in whole pixels; a half goes up, where Python's ``round`` takes the even number."""
    return math.floor(fraction * side + 0.5)


def _require_operations(operations: Sequence[str]) -> None:
    if isinstance(operations, str):
        raise TypeError(
            f"Expected a list of operation names, got the string {operations!r}. Pass {operations.split('_')}."
        )
    if not isinstance(operations, Sequence):
        raise TypeError(f"Expected a list of operation names, got {operations!r}. Pass [] for none.")
    unknown = [name for name in operations if name not in OPERATIONS]
    if unknown:
        raise ValueError(f"Expected operations among {sorted(OPERATIONS)}, got {unknown}. Remove or rename these.")


def _require_settings(fractions: Mapping[str, float], scale_ratio: float, widths: Sequence[float]) -> None:
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            raise ValueError(f"Expected {name} in [0, 1], got {value}. Pass a fraction.")
    if scale_ratio < 1 or min(widths) < 0:
        raise ValueError(
            "Expected scale_ratio of at least 1, and rotation_degrees, brightness, saturation and contrast of at "
            f"least 0, got {scale_ratio} and {list(widths)}. Leave an operation out of the list to switch it off."
        )
