"""Sections, pictures and tables of a report, and the text of their numbers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from monai_distill.export.tables import NOTHING, is_summary, mean_and_std, number
from monai_distill.metrics.score_record import Table
from monai_distill.metrics.score_tables import percent

__all__ = [
    "NOTHING",
    "Picture",
    "Section",
    "chart_picture",
    "flat_table",
    "image_picture",
    "number",
    "percent",
    "settings_table",
    "spread",
]


class Section(NamedTuple):
    """A heading and its content in this order; the template decides how it looks.

    Example:
        >>> Section("Versions", paragraphs=["None known."]).tables
        ()
    """

    title: str
    paragraphs: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


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
    """A matplotlib figure as SVG: the same bytes every time, text as outlines that need no font.

    Example:
        >>> chart_picture(Figure(figsize=(2, 1)), "empty").uri[:26]
        'data:image/svg+xml;base64,'
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "monai_distill", "svg.fonttype": "path"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page has every name as text next to the chart
        FigureCanvasSVG(figure).print_svg(buffer, metadata=NO_METADATA)
    svg = buffer.getvalue()
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Picture(_uri("image/svg+xml", svg[svg.index(b"<svg") :]), alt, width, height, caption)


def image_picture(image: Tensor, alt: str) -> Picture:
    """An image [H, W] or [H, W, 3] of values 0 to 1 as PNG without metadata, one pixel per pixel.

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


LONGEST_LIST = 12


def spread(value: Any) -> str:
    """A summary as mean ± standard deviation, below it the 95% interval; any other value as :func:`number`.

    The interval is clipped to 0 and 1: no score lies outside, but Student's t ignores that.

    Example:
        >>> spread({"mean": 0.5, "std": 0.1, "interval95": [0.4, 0.6], "values": []})
        '0.500 ± 0.100\\n0.400 to 0.600'
    """
    if not is_summary(value):
        return number(value)
    interval = value.get("interval95")
    return mean_and_std(value) + (f"\n{max(interval[0], 0):.3f} to {min(interval[1], 1):.3f}" if interval else "")


def settings_table(title: str, content: Mapping[str, Any]) -> Table:
    """Nested JSON values in words, one row per setting.

    Example:
        >>> settings_table("t", {"network": {"_target_": "x.Net", "depth": 3, "scale": [0.5, 2.0]}})["rows"]
        [['network', 'Net; depth 3; scale 0.5, 2']]
    """
    rows = [[key.replace("_", " "), _in_words(value)] for key, value in content.items()]
    return {"title": title, "header": ["setting", "value"], "rows": rows, "words": True}


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = [
            _in_words(item).rpartition(".")[2]
            if key == "_target_"
            else f"{str(key).replace('_', ' ')} {_in_words(item)}"
            for key, item in value.items()
        ]
        return "; ".join(parts)
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return f"{value:.6g}" if isinstance(value, float) else number(value)


def flat_table(title: str, content: Mapping[str, Any]) -> Table:
    """Nested JSON figures, one row per figure, named by its path.

    Example:
        >>> flat_table("t", {"a": {"b": 1, "c": [0.5]}})["rows"]
        [['a, b', '1'], ['a, c', '0.500']]
    """
    rows = [[", ".join(path), text] for path, text in _flattened(content, ())]
    return {"title": title, "header": ["figure", "value"], "rows": rows}


def _flattened(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping) and not is_summary(value):
        for key, item in value.items():
            yield from _flattened(item, (*path, str(key).replace("_", " ")))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value):
        for place, item in enumerate(value, 1):
            yield from _flattened(item, (*path, str(place)))
    elif isinstance(value, list | tuple) and len(value) > LONGEST_LIST:
        yield path, f"{number(value[:LONGEST_LIST])} and {len(value) - LONGEST_LIST} more"
    else:
        yield path, spread(value)
