"""The cross-architecture picture: one cell per score, its colour and its text."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_distill.export import save_heat_map


def scores(**changes: float | None) -> dict[str, Any]:
    def row(mean: float | None, std: float | None) -> dict[str, Any]:
        cell = {"mean": mean, "std": std}
        return {"accuracy": cell, "balanced_accuracy": cell}

    mean = changes.get("vit", 0.9)
    return {
        "dataset": "digits",
        "method": "dm",
        "cross_architecture": {"convnet": row(0.2, 0.1), "vit": row(mean, None)},
        "cross_architecture_random": {"convnet": row(0.1, 0.1), "vit": row(0.3, 0.2)},
    }


def pixels(file: Path) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


def test_a_better_score_changes_its_cells_in_both_panels_and_nothing_else(tmp_path: Path) -> None:
    first = pixels(save_heat_map(scores(), tmp_path / "a.png"))
    other = pixels(save_heat_map(scores(vit=0.1), tmp_path / "b.png"))
    assert first.shape == other.shape
    changed = np.argwhere((first != other).any(axis=2))
    share = len(changed) / first[..., 0].size
    assert 0.1 < share < 0.3  # one of four cells, in each of the two panels
    assert changed[:, 1].min() > first.shape[1] / 2  # the right-hand column


def test_a_score_that_is_none_is_drawn_empty(tmp_path: Path) -> None:
    drawn = pixels(save_heat_map(scores(vit=None), tmp_path / "a.png"))
    full = pixels(save_heat_map(scores(), tmp_path / "b.png"))
    assert (drawn == 255).all(axis=2).sum() > (full == 255).all(axis=2).sum()


def test_scores_without_the_protocol_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="evaluate --protocols cross_architecture"):
        save_heat_map({"distilled": {}}, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
