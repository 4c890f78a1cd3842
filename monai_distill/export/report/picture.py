"""A picture inside a page: a data address with the words for who cannot see it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import io
import warnings
from typing import NamedTuple

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

__all__ = ["Picture", "chart_picture", "image_picture"]

NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))  # they name addresses, and the day


class Picture(NamedTuple):
    """An ``img`` of a page.

    Example:
        >>> Picture("data:image/png;base64,AA==", "nothing", 8, 8).alt
        'nothing'
    """

    uri: str
    alt: str
    width: int
    height: int
    caption: str = ""


def chart_picture(figure: Figure, alt: str, caption: str = "") -> Picture:
    """A matplotlib figure as SVG: sharp on paper, the same bytes every time, text as outlines (no font to fetch).

    Example:
        >>> chart_picture(Figure(figsize=(2, 1)), "empty").uri[:26]
        'data:image/svg+xml;base64,'
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "monai_distill", "svg.fonttype": "path"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page has every name as text beside the chart
        FigureCanvasSVG(figure).print_svg(buffer, metadata=NO_METADATA)
    svg = buffer.getvalue()
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Picture(_uri("image/svg+xml", svg[svg.index(b"<svg") :]), alt, width, height, caption)


def image_picture(image: Tensor, alt: str) -> Picture:
    """An image [H, W] or [H, W, 3] of values 0 to 1 as PNG, a pixel a pixel, without metadata.

    Example:
        >>> import torch
        >>> image_picture(torch.rand(4, 6), "noise")[2:4]
        (6, 4)
    """
    buffer = io.BytesIO()
    Image.fromarray((image * 255).round().byte().numpy()).save(buffer, "PNG", optimize=True)
    return Picture(_uri("image/png", buffer.getvalue()), alt, image.shape[1], image.shape[0])


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
