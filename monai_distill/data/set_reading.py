"""Distilled sets of this and of other programs, read for scoring."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from monai_distill.transforms.standardize import Standardize

from .split_banks import SplitBanks
from .synthetic_dataset import MANIFEST_FILE, TENSOR_FILE, SyntheticDataset

__all__ = ["fit_of_set", "read_set", "set_folder", "set_on_data"]

NAMES = {"images": ("images", "train_images"), "labels": ("labels", "train_labels")}
PARTS = (("images.pt", "labels.pt"), ("images_best.pt", "labels_best.pt"))
FORMS = (
    "a folder with synthetic.safetensors and manifest.json (a run, a release, a bundle or its models/), a folder with "
    "images.pt and labels.pt, or a .npz, .safetensors or .pt file with images and labels"
)


def set_folder(path: str | Path) -> Path | None:
    """The folder of a set with a manifest that ``path`` names: itself, a bundle's ``models/``, or around the file.

    Example:
        >>> set_folder("absent") is None
        True
    """
    path = Path(path)
    for folder in (path, path / "models", *([path.parent] if path.name == TENSOR_FILE else [])):
        if (folder / TENSOR_FILE).is_file() and (folder / MANIFEST_FILE).is_file():
            return folder
    return None


def read_set(
    path: str | Path,
    *,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    student_lr: float = 0.01,
    spatial_dims: int = 2,
) -> SyntheticDataset:
    """The set at ``path``, with the preprocessing that it declares.

    A set with a manifest declares everything itself. Other sets are arrays: images [n, C, *spatial], or
    [n, *spatial] or [n, *spatial, C] as MedMNIST stores them; labels are class numbers [n] or [n, 1], or soft ones
    [n, classes], probabilities or logits. Bytes are pixel values from 0 to 255. Other numbers are standardized values,
    and ``mean`` and ``std`` say how: pixel value = value * std + mean. Mean 0 and std 1 are pixel values as they are.

    Args:
        path: a folder or a file; pickles are not read.
        mean: of every channel, or one number.
        std: likewise.
        student_lr: learning rate of the students of a set that does not declare one.
        spatial_dims: 2 or 3.

    Returns:
        The set; ``preprocessing`` is None where images are pixel values, and ``class_names`` are numbers where the set
        names none.

    Raises:
        ValueError: for a file of another kind, images or labels of impossible shapes, or an undeclared scale.
        RuntimeError: for a damaged set with a manifest.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "set.npz"
        >>> np.savez(file, images=np.full((2, 4, 4), 255, np.uint8), labels=np.array([0, 1]))
        >>> found = read_set(file)
        >>> found.images.shape, float(found.images.max()), found.class_names
        (torch.Size([2, 1, 4, 4]), 1.0, ('0', '1'))
    """
    folder = set_folder(path)
    if folder is not None:
        if mean is not None or std is not None:
            raise ValueError(f"Expected no --mean and --std for {path}: its manifest declares them. Leave them out.")
        return SyntheticDataset.load(folder)
    arrays = _arrays(Path(path))
    pixels, preprocessing = _pixels(arrays, str(path), spatial_dims, mean, std)
    labels, logits = _labels(arrays["labels"], len(pixels), str(path))
    classes = int(labels.max()) + 1 if logits is None else logits.shape[1]
    names = [str(name) for name in arrays["class_names"]] if "class_names" in arrays else [*map(str, range(classes))]
    return SyntheticDataset(
        pixels, labels, names, student_lr=student_lr, label_logits=logits, preprocessing=preprocessing
    )


def fit_of_set(stored: SyntheticDataset, spatial_dims: int = 2) -> Callable[[Any], Any]:
    """How real images are prepared next to a set: by the set's preprocessing, or fitted where it has pixel values.

    Args:
        stored: the set.
        spatial_dims: 2 or 3.

    Example:
        >>> plain = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])
        >>> type(fit_of_set(plain)(torch.rand(3, 1, 2, 2))).__name__
        'Standardize'
    """
    if stored.preprocessing is None:
        return functools.partial(Standardize.fit, spatial_dims=spatial_dims)
    return lambda images: stored.preprocessing


def set_on_data(stored: SyntheticDataset, data: SplitBanks) -> SyntheticDataset:
    """The set as networks see it, for the classes of ``data``.

    Args:
        stored: from :func:`read_set`.
        data: the images that it is scored on, prepared by :func:`fit_of_set`.

    Raises:
        ValueError: if the images have another shape, or the set other classes.
    """
    shape = tuple(stored.images.shape[1:])
    if shape != data.image_shape:
        raise ValueError(
            f"Expected a set of images {list(data.image_shape)}, as the data are, got {list(shape)}. Data of files are "
            "resized with --image_size and --channels; a set cannot be."
        )
    named = list(stored.class_names) != [str(number) for number in range(len(stored.class_names))]
    few = len(stored.class_names) > len(data.class_names) or (
        stored.soft and len(stored.class_names) != len(data.class_names)
    )
    if few or (named and list(stored.class_names) != list(data.class_names)):
        raise ValueError(
            f"Expected a set of the classes {list(data.class_names)}, in this order, got {list(stored.class_names)}. "
            "Give the data of the same classes, or --class_names in the set's order."
        )
    images = stored.images.detach()
    return SyntheticDataset(
        data.preprocessing(images) if stored.preprocessing is None else images,
        stored.canvas_labels,
        data.class_names,
        student_lr=float(stored.student_lr.detach()),
        label_logits=stored.label_logits.detach() if stored.soft else None,
        preprocessing=data.preprocessing,
        decode=stored.decode,
        manifest=stored.manifest,
    )


def _arrays(path: Path) -> dict[str, Any]:
    """``images`` and ``labels`` as tensors, and what else the file holds."""
    try:
        found = _content(path)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise ValueError(f"Expected {FORMS}, got {path}: {error}") from None
    arrays = dict(found)
    for name, spellings in NAMES.items():
        value = next((found[s] for s in spellings if s in found), None)
        if value is None:
            raise ValueError(f"Expected {name} in {path}, got {', '.join(sorted(map(str, found)))}. Name them {name}.")
        arrays[name] = torch.as_tensor(value).detach().cpu()
    return arrays


def _content(path: Path) -> Mapping[str, Any]:
    if path.is_dir():
        for images, labels in PARTS:
            if (path / images).is_file() and (path / labels).is_file():
                return {"images": _tensor_file(path / images), "labels": _tensor_file(path / labels)}
        raise ValueError("it holds no such files")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    if path.suffix in (".pt", ".pth"):
        content = _tensor_file(path)
        if isinstance(content, Mapping):
            return content
        raise ValueError(f"it holds a {type(content).__name__}")
    raise ValueError("another kind of file" if path.exists() else "nothing is there")


def _tensor_file(path: Path) -> Any:
    return torch.load(path, weights_only=True, map_location="cpu")


def _pixels(arrays: Mapping[str, Any], path: str, dims: int, mean: Any, std: Any) -> tuple[Tensor, Standardize | None]:
    """Images [n, C, *spatial], and how they are standardized; None for pixel values."""
    images: Tensor = arrays["images"]
    if images.ndim == dims + 1:
        images = images[:, None]
    elif images.ndim == dims + 2 and images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
        images = images.movedim(-1, 1)
    if images.ndim != dims + 2 or not len(images):
        raise ValueError(f"Expected images [n, C] with {dims} spatial axes in {path}, got {list(images.shape)}.")
    if not images.is_floating_point():
        if images.dtype != torch.uint8 or mean is not None or std is not None:
            raise ValueError(
                f"Expected bytes without --mean and --std, or floating-point images, in {path}, got {images.dtype}."
            )
        low, high = (float(arrays.get(name, value)) for name, value in (("pixel_low", 0), ("pixel_high", 1)))
        return images.float() / 255 * (high - low) + low, None
    if mean is None or std is None:
        raise ValueError(
            f"Expected --mean and --std with which the images of {path} were standardized, got none, and the file does "
            f"not say; its values lie between {float(images.min()):.3g} and {float(images.max()):.3g}. For pixel "
            "values from 0 to 1: --mean 0 --std 1"
        )
    means, stds = ([v] * images.shape[1] if isinstance(v, int | float) else list(v) for v in (mean, std))
    if not torch.isfinite(images).all():
        raise ValueError(f"Expected finite images in {path}, got NaN or infinity. Distil the set again.")
    if not any(means) and all(value == 1 for value in stds):
        return images.float(), None
    return images.float(), Standardize(means, stds, dims)


def _labels(labels: Tensor, count: int, path: str) -> tuple[Tensor, Tensor | None]:
    """Class numbers [n], and logits [n, classes] where the labels are soft."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    whole = not labels.is_floating_point() or (labels.ndim == 1 and bool((labels == labels.round()).all()))
    if len(labels) != count or labels.ndim not in (1, 2) or (labels.ndim == 1) != whole:
        raise ValueError(
            f"Expected class numbers [{count}] or soft labels [{count}, classes] in {path}, got {labels.dtype} "
            f"{list(labels.shape)}."
        )
    if labels.ndim == 1:
        return labels.long(), None
    values = labels.float()
    sums_to_one = bool((values >= 0).all()) and bool((values.sum(dim=1) - 1).abs().max() < 1e-3)
    return values.argmax(dim=1), values.clamp_min(1e-12).log() if sums_to_one else values
