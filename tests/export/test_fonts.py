"""Names in any script: drawn where a font has their characters, numbered with a warning where none has."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib
import pytest
import torch
from matplotlib import font_manager

from monai_distill.data import SyntheticDataset
from monai_distill.export.figures import save_image_grid
from monai_distill.export.fonts import drawable_names, font_families, font_file
from monai_distill.export.release.formats.png import write_png

LATIN, ARABIC, CHINESE, HINDI = "Größe µ, Ж", "سليم", "肺炎", "सामान्य"
NAMES = ("benign", ARABIC, CHINESE, HINDI)


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any font but those of matplotlib."""
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


@pytest.mark.usefixtures("no_fonts")
def test_the_default_font_draws_what_it_has() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drawable_names([LATIN, ARABIC, "a\u200bb c"], "x") == [LATIN, ARABIC, "a\u200bb c"]
    assert font_families(LATIN) == ["DejaVu Sans"]


@pytest.mark.usefixtures("no_fonts")
def test_names_that_no_font_draws_are_numbered_and_said() -> None:
    with pytest.warns(UserWarning, match=f"class names in grid.png.*class 2 is {CHINESE}; class 3 is {HINDI}"):
        assert drawable_names(NAMES, "grid.png") == ["benign", ARABIC, "class 2", "class 3"]
    assert font_file(CHINESE) is None


@pytest.mark.usefixtures("no_fonts")
def test_no_picture_has_boxes_in_silence(tmp_path: Path) -> None:
    data = SyntheticDataset(torch.rand(4, 1, 4, 4), torch.arange(4), NAMES)
    for write in (lambda: save_image_grid(data, tmp_path / "grid.png"), lambda: write_png(data, tmp_path)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            write()
        texts = [str(warning.message) for warning in caught]
        assert len(texts) == 1
        assert "No installed font" in texts[0]
        assert not any("Glyph" in text for text in texts)  # of matplotlib: it drew a box


def test_an_installed_font_is_used_for_what_the_default_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    bold = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "STIXGeneral.ttf")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [bold])
    characters = {
        file: set(font_manager.get_font(file).get_charmap()) for file in (bold, font_manager.findfont("DejaVu Sans"))
    }
    only, default = characters.values()
    text = chr(min(code for code in only - default if code > 0x2000))
    assert font_families(f"a{text}") == ["DejaVu Sans", "STIXGeneral"]
    assert drawable_names([f"a{text}"], "x") == [f"a{text}"]
    assert font_file(text) == bold
