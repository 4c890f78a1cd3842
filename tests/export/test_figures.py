"""The picture of how a distillation went."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from monai_distill.export.figures import save_curves

module = importlib.import_module("monai_distill.export.figures")

ITERATIONS = [{"iteration": i, "loss": 1 / i, "student_lr": 0.01 * i} for i in range(1, 7)]
VALIDATIONS = [{"iteration": i, "accuracy": 0.1 * i, "auroc": 0.15 * i} for i in (3, 6)]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []

    def figure(**options: Any) -> Figure:
        kept.append(Figure(**options))
        return kept[-1]

    monkeypatch.setattr(module, "Figure", figure)
    return kept


def test_a_png_is_written_and_its_path_returned(tmp_path: Path) -> None:
    file = save_curves(ITERATIONS, VALIDATIONS, str(tmp_path / "curves.png"))
    assert file == tmp_path / "curves.png"
    with Image.open(file) as opened:
        assert opened.format == "PNG"
        assert len(np.unique(np.asarray(opened.convert("L")))) > 10


def test_the_panels_hold_loss_learning_rate_and_every_metric(tmp_path: Path, figures: list[Figure]) -> None:
    save_curves(ITERATIONS, VALIDATIONS, tmp_path / "curves.png")
    loss, rate, score = figures[0].axes
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [(row["iteration"], row["loss"]) for row in ITERATIONS])
    np.testing.assert_allclose(rate.lines[0].get_ydata(), [row["student_lr"] for row in ITERATIONS])
    assert {line.get_label(): list(line.get_ydata()) for line in score.lines} == {
        name: [row[name] for row in VALIDATIONS] for name in ("accuracy", "auroc")
    }
    assert list(score.lines[0].get_xdata()) == [3, 6]


def test_the_chosen_iteration_is_marked_in_every_panel(tmp_path: Path, figures: list[Figure]) -> None:
    save_curves(ITERATIONS, VALIDATIONS, tmp_path / "curves.png", chosen=3)
    assert [list(axis.lines[-1].get_xdata()) for axis in figures[0].axes] == [[3, 3]] * 3


@pytest.mark.parametrize(("iterations", "validations"), [(ITERATIONS, []), ([], []), (ITERATIONS[:1], VALIDATIONS[:1])])
def test_few_or_no_rows_are_drawn_too(tmp_path: Path, iterations: Any, validations: Any) -> None:
    assert save_curves(iterations, validations, tmp_path / "curves.png").stat().st_size > 1000


def test_a_validation_without_scores_is_a_gap_and_no_metric(tmp_path: Path, figures: list[Figure]) -> None:
    lost = {"iteration": 1, "accuracy": None, "auroc": None, "diverged": True}
    save_curves(ITERATIONS, [lost, *VALIDATIONS], tmp_path / "curves.png")
    lines = figures[0].axes[2].get_lines()
    assert [line.get_label() for line in lines] == ["accuracy", "auroc"]
    assert np.isnan(lines[0].get_ydata()).tolist() == [True, False, False]
