"""Previews that nobody mistakes for patients: every picture says SYNTHETIC, in its pixels and in its metadata."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.fonts import drawable_names, font_file
from monai_distill.runtime.atomic_file import atomic_write

from .labels import hard_labels
from .npz import EightBit

__all__ = ["write_png"]

PNG_DIR, PREVIEW_FILE, STAMP = "png", "preview.png", "SYNTHETIC"
TEXTS = {"Title": STAMP, "Warning": "SYNTHETIC image. Not for diagnosis."}
SIDE, BAND, GAP, MOST_PER_CLASS, ACROSS = 168, 34, 6, 10, 5


def write_png(synthetic: SyntheticDataset, folder: Path) -> None:
    """Write ``png/synthetic_0001.png`` and so on, in the order of ``labels.csv``, and the sheet ``preview.png``.

    The sheet has one row per class, or five images per row if every class has one image. Previews are not for training:
    images are enlarged, share one byte scale (see :class:`EightBit`), show the middle slice of a volume, and carry the
    word SYNTHETIC across the image and below it, with the class.

    Args:
        synthetic: the set; with two or more than three channels only the first is shown.
        folder: of the release.
    """
    pixels = synthetic.pixels().cpu()
    scale = EightBit.of(pixels)
    labels = hard_labels(synthetic).tolist()
    class_names = drawable_names(synthetic.class_names, PREVIEW_FILE, one_font=True)
    names = [class_names[label] for label in labels]
    pictures = [_picture(image, name, scale) for image, name in zip(pixels, names, strict=True)]
    (folder / PNG_DIR).mkdir()
    for number, picture in enumerate(pictures, start=1):
        atomic_write(folder / PNG_DIR / f"synthetic_{number:04d}.png", _encoded(picture))
    atomic_write(folder / PREVIEW_FILE, _encoded(_sheet(pictures, labels)))


def _picture(image: Tensor, name: str, scale: EightBit) -> Image.Image:
    while image.ndim > 3:
        image = image[:, image.shape[1] // 2]
    stored = scale.to_bytes(image.movedim(0, -1))
    gray_or_rgb = stored if stored.shape[-1] == 3 else np.repeat(stored[..., :1], 3, axis=-1)
    small = Image.fromarray(np.ascontiguousarray(gray_or_rgb))
    zoom = SIDE / max(small.size)
    # at least one pixel per side; nearest, because interpolation would look smoother than the set is
    size = max(1, round(small.width * zoom)), max(1, round(small.height * zoom))
    shown = small.resize(size, Image.Resampling.NEAREST)
    canvas = Image.new("RGB", (SIDE, SIDE + BAND), "black")
    canvas.paste(shown, ((SIDE - shown.width) // 2, (SIDE - shown.height) // 2))
    canvas = Image.alpha_composite(canvas.convert("RGBA"), _stamp(canvas.size)).convert("RGB")
    draw = ImageDraw.Draw(canvas)
    draw.text((SIDE / 2, SIDE + 10), STAMP, fill="white", font=ImageFont.load_default(12), anchor="mm")
    draw.text((SIDE / 2, SIDE + 24), _fitting(draw, name), fill="white", font=_name_font(name), anchor="mm")
    return canvas


def _stamp(size: tuple[int, int]) -> Image.Image:
    """The word from corner to corner, transparent, light with a dark edge so that it shows on any image."""
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    turned = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    ImageDraw.Draw(turned).text(
        (SIDE / 2, SIDE / 2),
        STAMP,
        fill=(255, 255, 255, 105),
        stroke_width=1,
        stroke_fill=(0, 0, 0, 105),
        font=ImageFont.load_default(26),
        anchor="mm",
    )
    layer.paste(turned.rotate(35, resample=Image.Resampling.BICUBIC), (0, 0))
    return layer


def _fitting(draw: ImageDraw.ImageDraw, name: str) -> str:
    font, text = _name_font(name), name
    while draw.textlength(text, font=font) > SIDE - 4:
        text = text[:-2].rstrip("…") + "…"
    return text


def _name_font(name: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font for Latin names, else an installed one that has every character."""
    file = None if name.isascii() else font_file(name)
    return ImageFont.load_default(11) if file is None else ImageFont.truetype(file, 11)


def _sheet(pictures: list[Image.Image], labels: list[int]) -> Image.Image:
    of_class = {c: [p for p, label in zip(pictures, labels, strict=True) if label == c] for c in sorted(set(labels))}
    rows = [pictures_of_class[:MOST_PER_CLASS] for pictures_of_class in of_class.values()]
    if max(map(len, rows)) == 1:  # one per class: a sheet instead of a long strip
        rows = [[row[0] for row in rows[i : i + ACROSS]] for i in range(0, len(rows), ACROSS)]
    across = max(len(row) for row in rows)
    step_x, step_y = SIDE + GAP, SIDE + BAND + GAP
    sheet = Image.new("RGB", (across * step_x + GAP, len(rows) * step_y + GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (GAP + x * step_x, GAP + y * step_y))
    return sheet


def _encoded(picture: Image.Image) -> bytes:
    texts, buffer = PngInfo(), io.BytesIO()
    for key, value in TEXTS.items():
        texts.add_text(key, value)
    picture.save(buffer, format="PNG", pnginfo=texts)
    return buffer.getvalue()
