"""The charts are drawn from the figures, and say them in words."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import re
import warnings

import pytest
import torch
from matplotlib.figure import Figure

from monai_distill.export.report.charts import curve_pictures, heat_map, line_chart, score_chart
from monai_distill.export.report.page_elements import Picture, chart_picture, image_picture
from tests.export.report.conftest import HISTORY, metric


def svg(picture: Picture) -> str:
    return base64.b64decode(picture.uri.partition(",")[2]).decode()


def test_curves_are_one_chart_each_with_first_last_and_best_in_words() -> None:
    loss, rate, validation = curve_pictures(HISTORY, 20)
    assert "from 1.000 to 0.050" in loss.alt
    assert "from 0.010 to 0.200" in rate.alt
    assert "Accuracy highest at iteration 20 with 0.500" in validation.alt
    assert "balanced accuracy highest at iteration 20 with 0.400" in validation.alt
    assert len({picture.uri for picture in (loss, rate, validation)}) == 3
    lost = {**dict.fromkeys(HISTORY["validations"][0]), "iteration": 5, "diverged": True}
    *_, again = curve_pictures({**HISTORY, "validations": [lost, *HISTORY["validations"]]}, 20)
    assert again.alt == validation.alt


def test_without_history_there_is_no_curve_and_without_validation_no_third() -> None:
    assert curve_pictures({}, None) == []
    assert len(curve_pictures({**HISTORY, "validations": []}, None)) == 2


def test_a_long_run_does_not_make_a_large_file() -> None:
    rows = [{"iteration": i, "loss": 1 + (i * 7919 % 101) / 101, "student_lr": 0.01} for i in range(1, 50_001)]
    assert len(curve_pictures({"iterations": rows, "validations": []}, None)[0].uri) < 200_000


def test_the_numbers_of_a_heat_map_are_written_up_to_sixteen_classes() -> None:
    def texts(size: int) -> int:
        values = [[0.25] * size for _ in range(size)]
        return len(re.findall("<!-- 0.25 -->", svg(heat_map(values, ["a"] * size, ["b"] * size, "Alt.", ""))))

    assert texts(3) == 9
    assert texts(17) == 0
    assert "<!-- nan" not in svg(heat_map([[None, 1.0]], ["a"], ["b", "c"], "Alt.", ""))


def test_names_are_drawn_as_they_are() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = svg(heat_map([[1.0]], ["$x^2$ 细胞 <i>"], ["é" * 60], "Alt.", ""))
    assert "$x^2$" in drawn
    assert "<i>" not in drawn.replace("<!-- $x^2$ 细胞 <i> -->", "")


def test_scores_are_said_with_their_interval_and_guessing() -> None:
    alt = score_chart([("distilled", metric(0.5)), ("full", metric(0.9, None, 1))], 0.25, "accuracy").alt
    assert alt == "Accuracy with 95% interval: distilled 0.500 (0.490 to 0.510); full 0.900. Guessing: 0.250."
    assert "classes" in svg(line_chart({"a": [0.1, None, 0.2]}, "classes", "Alt.", ""))


def test_a_chart_has_no_metadata_and_is_the_same_every_time() -> None:
    def figure() -> Figure:
        made = Figure(figsize=(2, 1))
        made.subplots().plot([0, 1], [0, 1])
        return made

    first = chart_picture(figure(), "A line.")
    assert first == chart_picture(figure(), "A line.")
    assert (first.width, first.height) == (192, 96)
    assert svg(first).startswith("<svg")
    assert "<metadata" not in svg(first)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_an_image_keeps_its_size(shape: tuple[int, ...]) -> None:
    picture = image_picture(torch.rand(shape), "noise")
    assert (picture.width, picture.height) == (6, 4)
