"""The released images that are most like a training image, each above that image: for a person to judge."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

__all__ = ["save_copy_pairs"]


def save_copy_pairs(pairs: Sequence[Mapping[str, Any]], released: Tensor, training: Tensor, file: str | Path) -> Path:
    """Draw the pairs as PNG, released above training; of volumes the middle slice. It shows patients' images.

    Args:
        pairs: with ``synthetic`` and ``training`` positions and their ``likeness``.
        released: pixel values [m, channels, *spatial].
        training: pixel values [n, channels, *spatial].
        file: the PNG to write.

    Example:
        >>> import tempfile
        >>> images, pair = torch.rand(2, 1, 4, 4), {"synthetic": 0, "training": 1, "likeness": 0.5}
        >>> save_copy_pairs([pair], images, images, Path(tempfile.mkdtemp()) / "copies.png").stat().st_size > 1000
        True
    """
    figure = Figure(figsize=(1.3 * len(pairs) + 1.2, 3.0), layout="constrained", dpi=110)
    axes = figure.subplots(2, len(pairs), squeeze=False)
    for column, pair in enumerate(pairs):
        rows = (released[pair["synthetic"]], training[pair["training"]])
        for axis, image in zip(axes[:, column], rows, strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.imshow(_shown(image.detach().cpu()).numpy(), cmap="gray", interpolation="nearest")
        axes[0, column].set_title(f"{pair['likeness']:.2f}", fontsize=8)
    for axis, name in zip(axes[:, 0], ("released", "training"), strict=True):
        axis.set_ylabel(name, fontsize=8)
    FigureCanvasAgg(figure).print_png(str(file))  # the object API: no global pyplot state
    return Path(file)


def _shown(image: Tensor) -> Tensor:
    while image.ndim > 3:
        image = image[:, image.shape[1] // 2]
    image = image if len(image) == 3 else image[:1]
    low, high = torch.quantile(image.flatten(), torch.tensor([0.01, 0.99]))
    stretched = ((image - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    arranged: Tensor = stretched.permute(1, 2, 0) if len(image) == 3 else stretched[0]
    return arranged
