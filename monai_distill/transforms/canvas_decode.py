"""The decode of stored canvases: a canvas holds several small images, which are enlarged when they are used."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from monai_distill.runtime.validation import require_positive_int

__all__ = ["CanvasDecode", "Cells", "DecodedCanvases", "require_decodable"]

KINDS = ("single", "multi", "bound")


class Cells(NamedTuple):
    """The cells of a set of canvases, canvas after canvas; each cell becomes one image.

    Attributes:
        canvas: number [N] of the canvas of each cell.
        factor: cells along every side [N] of the cut that the cell belongs to.
        place: position [N, spatial_dims] of the cell along every side, from 0 to below the factor.

    Example:
        >>> CanvasDecode(2).cells([0], spatial_dims=2).place.tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """

    canvas: Tensor
    factor: Tensor
    place: Tensor

    def finest(self) -> Cells:
        """Only the cells of the finest cut of every canvas: those that initial images are packed into."""
        largest = torch.zeros(len(set(self.canvas.tolist())), dtype=torch.long)
        largest = largest.scatter_reduce(0, self.canvas, self.factor, "amax")
        rows = self.factor == largest[self.canvas]
        return Cells(self.canvas[rows], self.factor[rows], self.place[rows])


class CanvasDecode:
    """Cuts every canvas into ``factor`` cells along each side and enlarges each cell to the size of the canvas.

    With factor 2 a stored image gives 4 training images (8 in 3D), at half the resolution. The networks see more
    different images for the same number of stored pixels. Factor 1 changes nothing.

    References:
        IDC: Kim et al., Dataset Condensation via Efficient Synthetic-Data Parameterization, ICML 2022,
        https://arxiv.org/abs/2205.14959, section 4 (multi-formation). IDM and NCFM use it too.

    Deviations: the images of a canvas follow each other (in the released program the first cells of all canvases come
    first). Where the side is no multiple of the factor, neighboring cells share a row of pixels (the program pads the
    canvas). Real images are shrunk by averages (the program takes the nearest pixels). In 3D the cells are cubes.

    Args:
        factor: cells along each side.
        kind: ``single`` cuts with ``factor`` only; ``multi`` with every factor from 1 to ``factor``, one after another;
            ``bound`` cuts the first canvases of a class with the largest factor that leaves the class at most
            ``at_most`` images, and the later ones with smaller factors.
        at_most: images of a class, for ``bound``.

    Raises:
        ValueError: if a number is below 1 or the kind is unknown.

    Example:
        >>> decode = CanvasDecode(factor=2)
        >>> decode.cells([0, 1], spatial_dims=2).canvas.tolist()
        [0, 0, 0, 0, 1, 1, 1, 1]
        >>> len(CanvasDecode(factor=3, kind="multi").cells([0], spatial_dims=2).canvas)
        14
    """

    def __init__(self, factor: int = 1, kind: str = "single", at_most: int = 128) -> None:
        require_positive_int(factor=factor, at_most=at_most)
        if kind not in KINDS:
            raise ValueError(f"Expected a kind of {', '.join(KINDS)}, got {kind!r}.")
        self.factor = factor
        self.kind = kind
        self.at_most = at_most

    @property
    def is_identity(self) -> bool:
        """Whether canvases are the images."""
        return self.factor == 1

    def config(self) -> dict[str, Any]:
        """A JSON-able MONAI config that builds the same decode."""
        limit = {"at_most": self.at_most} if self.kind == "bound" else {}
        return {"_target_": "monai_distill.transforms.CanvasDecode", "factor": self.factor, "kind": self.kind, **limit}

    def cells(self, labels: Sequence[int], spatial_dims: int) -> Cells:
        """The cells of canvases with these class numbers; only ``bound`` looks at the classes.

        Args:
            labels: class number of every canvas.
            spatial_dims: 2 or 3.
        """
        rows: list[tuple[int, int, tuple[int, ...]]] = []
        for canvas, factors in enumerate(self._factors(labels, spatial_dims)):
            for factor in factors:
                rows += [(canvas, factor, place) for place in itertools.product(range(factor), repeat=spatial_dims)]
        canvases, cuts, places = zip(*rows, strict=True) if rows else ((), (), ())
        place = torch.tensor(places, dtype=torch.long).reshape(-1, spatial_dims)
        return Cells(torch.tensor(canvases, dtype=torch.long), torch.tensor(cuts, dtype=torch.long), place)

    def _factors(self, labels: Sequence[int], spatial_dims: int) -> list[Sequence[int]]:
        """The cuts of every canvas."""
        if self.kind == "single":
            return [(self.factor,)] * len(labels)
        if self.kind == "multi":
            return [range(1, self.factor + 1)] * len(labels)
        cuts: list[Sequence[int]] = []
        budget = dict.fromkeys(labels, self.at_most)
        left = {label: list(labels).count(label) for label in budget}
        for label in labels:
            left[label] -= 1
            free = budget[label] - left[label]  # every later canvas gives at least one image
            factor = max((f for f in range(1, self.factor + 1) if f**spatial_dims <= free), default=1)
            budget[label] -= factor**spatial_dims
            cuts.append((factor,))
        return cuts

    def pack(self, images: Tensor, labels: Sequence[int]) -> Tensor:
        """Canvases [n, C, *spatial] whose finest cells hold ``images``, shrunk by averages; the inverse of a decode.

        Args:
            images: one for every finest cell, [N, C, *spatial], canvas after canvas.
            labels: class number of every canvas.

        Raises:
            ValueError: if the number of images is not that of the finest cells.
        """
        size = images.shape[2:]
        require_decodable(size, self.factor)
        cells = self.cells(labels, len(size)).finest()
        if len(images) != len(cells.canvas):
            raise ValueError(f"Expected {len(cells.canvas)} images for the cells, got {len(images)}.")
        canvases = images.new_zeros(len(labels), images.shape[1], *size)
        for image, canvas, factor, place in zip(images, *(part.tolist() for part in cells), strict=True):
            sides = [_cell(length, factor, at) for length, at in zip(size, place, strict=True)]
            shape = [side.stop - side.start for side in sides]
            canvases[(canvas, slice(None), *sides)] = nn.functional.interpolate(image[None], shape, mode="area")[0]
        return canvases


class DecodedCanvases(nn.Module):
    """Maps canvases to their images; a linear function, differentiable any number of times, the same on every device.

    Every cell is enlarged by linear interpolation along each axis, as a product with a small matrix
    (``interpolate(mode="bilinear", align_corners=False)`` of the cell gives the same to rounding).

    Args:
        cells: of the canvases.
        size: spatial size of a canvas, which is that of an image.

    Raises:
        ValueError: if a cell has fewer than two pixels along an axis.

    Example:
        >>> decode = DecodedCanvases(CanvasDecode(2).cells([0], spatial_dims=2), (4, 4))
        >>> decode(torch.arange(16.0).reshape(1, 1, 4, 4))[0, 0, :, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """

    sources: Tensor
    rows: Tensor

    def __init__(self, cells: Cells, size: Sequence[int]) -> None:
        super().__init__()
        factors = sorted(set(cells.factor.tolist()))
        require_decodable(size, max(factors, default=1))
        first = {factor: sum(factors[:number]) for number, factor in enumerate(factors)}
        offsets = torch.tensor([first[factor] for factor in cells.factor.tolist()], dtype=torch.long)
        self.images_per_canvas = torch.bincount(cells.canvas)  # stays on the CPU, where batches are drawn
        self.register_buffer("sources", cells.canvas, persistent=False)
        self.register_buffer("rows", cells.place + offsets[:, None], persistent=False)
        for axis, length in enumerate(size):
            matrices = [_enlargement(length, factor, place) for factor in factors for place in range(factor)]
            self.register_buffer(f"matrices{axis}", torch.stack(matrices), persistent=False)

    def forward(self, canvases: Tensor, numbers: Tensor | None = None) -> Tensor:
        """The images [N, C, *spatial] of canvases [n, C, *spatial].

        Args:
            canvases: of pixel values, standardized or not.
            numbers: which images to make; None for all.
        """
        sources, rows = (self.sources, self.rows) if numbers is None else (self.sources[numbers], self.rows[numbers])
        values = canvases[sources]
        for axis in range(rows.shape[1]):
            matrices = self.get_buffer(f"matrices{axis}").to(values)[rows[:, axis]]
            values = values.movedim(2 + axis, -2)
            values = torch.matmul(matrices.reshape(len(rows), *(1,) * (values.ndim - 3), *matrices.shape[1:]), values)
            values = values.movedim(-2, 2 + axis)
        return values.contiguous()


def require_decodable(size: Sequence[int], factor: int) -> None:
    """Do nothing when every cell has at least two pixels along each axis.

    Raises:
        ValueError: with the largest factor for images of this size.

    Example:
        >>> require_decodable((28, 28), 3)
    """
    if factor > 1 and min(size) < 2 * factor:
        raise ValueError(
            f"Expected a factor of at most {max(min(size) // 2, 1)} for images of {list(size)} pixels, got {factor}: a "
            "cell needs two pixels along each side. Lower --factor."
        )


def _cell(length: int, factor: int, place: int) -> slice:
    """The pixels of a cell along one axis; neighbors share pixels where the length is no multiple of the factor."""
    size = -(-length // factor)
    start = round(place * (length - size) / (factor - 1)) if factor > 1 else 0
    return slice(start, start + size)


def _enlargement(length: int, factor: int, place: int) -> Tensor:
    """The matrix [length, length] of linear interpolation from a cell to the whole axis, corners not aligned."""
    cell = _cell(length, factor, place)
    size = cell.stop - cell.start
    at = ((torch.arange(length, dtype=torch.float64) + 0.5) * size / length - 0.5).clamp(0, size - 1)
    low = at.floor().long()
    matrix = torch.zeros(length, length, dtype=torch.float64)
    pixels = torch.arange(length)
    matrix.index_put_((pixels, cell.start + low), 1 - (at - low), accumulate=True)
    matrix.index_put_((pixels, cell.start + (low + 1).clamp(max=size - 1)), at - low, accumulate=True)
    return matrix.float()
