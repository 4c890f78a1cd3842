"""Fonts for names in any script: the default font, then installed fonts for what it lacks; the rest is said."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Sequence

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

__all__ = ["drawable_names", "font_families", "font_file"]

DEFAULT = "DejaVu Sans"  # ships with matplotlib


def drawable_names(names: Sequence[str], picture: str, *, one_font: bool = False) -> list[str]:
    """The names, with ``class N`` (from 0) in place of each name that no installed font can draw, and a warning.

    Args:
        names: class names in label order.
        picture: name of the picture for the warning.
        one_font: whether one font must have all characters of a name, as Pillow requires.

    Example:
        >>> drawable_names(["benign", "Größe"], "grid.png")
        ['benign', 'Größe']
    """
    numbered = {
        number: name for number, name in enumerate(names) if (font_file(name) is None if one_font else _missing(name))
    }
    if numbered:
        shown = "; ".join(f"class {number} is {name}" for number, name in list(numbered.items())[:10])
        warnings.warn(
            f"No installed font can draw some class names in {picture}, so they are numbered: {shown}. Install a font "
            "for their script, such as Noto Sans, and write the picture again.",
            stacklevel=2,
        )
    return [f"class {number}" if number in numbered else name for number, name in enumerate(names)]


def font_families(text: str) -> list[str]:
    """Families for matplotlib that together draw ``text``: the default, then one for each script that it lacks.

    Example:
        >>> font_families("Größe")
        ['DejaVu Sans']
    """
    families = [DEFAULT]
    for file in _fallbacks(text):
        font_manager.fontManager.addfont(file)
        families.append(str(font_manager.fontManager.ttflist[-1].name))
    return families


def font_file(text: str) -> str | None:
    """One font file that draws all of ``text``, or None. Pillow takes one font per text."""
    wanted = _drawn(text)
    return next((file for file in (_default_file(), *_system_fonts()) if wanted <= _characters(file)), None)


def _missing(text: str) -> set[int]:
    files = (_default_file(), *_fallbacks(text))
    return _drawn(text).difference(*(_characters(file) for file in files))


def _fallbacks(text: str) -> list[str]:
    """Installed font files for the characters that the default font lacks, the most useful one first."""
    missing, files = _drawn(text) - _characters(_default_file()), []
    while missing:
        best = max(_system_fonts(), key=lambda file: len(missing & _characters(file)), default=None)
        if best is None or not missing & _characters(best):
            break
        files.append(best)
        missing -= _characters(best)
    return files


def _drawn(text: str) -> set[int]:
    """Code points with a glyph: blanks, controls and joiners have none."""
    return {ord(character) for character in text if unicodedata.category(character)[0] not in "ZC"} | {
        ord(character) for character in text if unicodedata.category(character) in ("Co", "Cn", "Cs")
    }


def _default_file() -> str:
    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"


def _system_fonts() -> list[str]:
    # not matplotlib's own list: it is cached, and a font that was installed since is not in it
    return sorted(font_manager.findSystemFonts())


@functools.cache
def _characters(file: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):  # a broken font, or one of a kind that FreeType does not read
        return frozenset()
