"""The synthetic images as one picture: a row a class, its name beside it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import textwrap
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from monai_distill.data import SyntheticDataset

__all__ = ["MOST_PER_CLASS", "save_image_grid", "stretched"]

MOST_PER_CLASS, LABEL_WIDTH = 10, 22


def save_image_grid(synthetic: SyntheticDataset, file: str | Path) -> Path:
    """Draw at most ten images of every class as PNG; of volumes the middle slice.

    Shown are pixel values (preprocessing undone); every image is stretched from its 1st to its 99th percentile,
    because a distilled signal leaves the range of real images.

    Args:
        synthetic: the set; one-, three- or other-channelled (only the first channel is shown then).
        file: the PNG to write.

    Example:
        >>> import tempfile
        >>> data = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> save_image_grid(data, Path(tempfile.mkdtemp()) / "grid.png").stat().st_size > 1000
        True
    """
    pixels, labels = synthetic.pixels().cpu(), synthetic.labels.cpu()
    rows = [torch.nonzero(labels == c).flatten()[:MOST_PER_CLASS].tolist() for c in range(len(synthetic.class_names))]
    columns = max(1, *(len(row) for row in rows))
    figure = Figure(figsize=(1.1 * columns + 2.2, 1.1 * len(rows) + 0.2), layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, name, line in zip(rows, synthetic.class_names, axes, strict=True):
        for place, axis in enumerate(line):
            axis.set_xticks([])
            axis.set_yticks([])
            if place < len(row):
                axis.imshow(stretched(pixels[row[place]]).numpy(), cmap="gray", interpolation="nearest")
            else:
                axis.set_visible(False)
        title = "\n".join(textwrap.wrap(name, LABEL_WIDTH))
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8, parse_math=False)
    FigureCanvasAgg(figure).print_png(str(file))  # the object API: no global pyplot state
    return Path(file)


def stretched(image: Tensor) -> Tensor:
    """An image [channels, *spatial] as [H, W] or [H, W, 3], values 0 to 1, its 1st percentile black, its 99th white.

    Example:
        >>> stretched(torch.rand(3, 4, 6)).shape, stretched(torch.rand(1, 9, 4, 6)).shape
        (torch.Size([4, 6, 3]), torch.Size([4, 6]))
    """
    while image.ndim > 3:
        image = image[:, image.shape[1] // 2]
    image = image if image.shape[0] == 3 else image[:1]
    low, high = torch.quantile(image.flatten(), torch.tensor([0.01, 0.99]))
    shown = ((image - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    arranged: Tensor = shown.permute(1, 2, 0) if len(shown) == 3 else shown[0]
    return arranged
