"""A protocol that the package does not know: its table, section, comparison and picture; refused results."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.data import SyntheticDataset
from monai_distill.export import RunFolder
from monai_distill.export.comparison import save_comparison
from monai_distill.export.figures import draw_heat_map
from monai_distill.export.protocol_results import compare_protocols, require_protocol_result, save_heat_maps
from monai_distill.export.tables import protocol_tables
from monai_distill.metrics.score_record import ProtocolResult, RunScores, Summary

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")


def summary(mean: float | None, std: float | None = 0.01) -> Summary:
    return {"mean": mean, "std": std, "interval95": None, "values": [mean]}


def row(mean: float) -> Any:
    return dict.fromkeys(METRICS, summary(mean))


def brightness(mean: float, *networks: str) -> ProtocolResult:
    """The result of a made-up protocol that scores networks on bright images."""
    return {
        "title": "Bright images",
        "figures": {"mean": mean},
        "paragraphs": ["Scores on bright images."],
        "tables": [{"title": "By network", "header": ["network", "accuracy"], "rows": [["net", summary(mean)]]}],
        "charts": [
            {
                "kind": "lines",
                "rows": ["distilled"],
                "values": [[0.5, None, mean]],
                "label": "accuracy",
                "alt": "Accuracy over brightness.",
                "caption": "By brightness.",
            }
        ],
        "comparisons": [
            {
                "title": "accuracy on bright images",
                "distilled": {name: summary(mean) for name in networks},
                "random": {name: summary(mean / 2) for name in networks},
                "heat_map": True,
            }
        ],
        "uses": [{"text": "Reading bright images: measured.", "better": True}],
        "networks": list(networks),
    }


def plain_scores(mean: float) -> RunScores:
    return {
        "dataset": "digits",
        "method": "dm",
        "images_per_class": 1,
        "distilled": row(mean),
        "random": row(mean / 2),
        "prior": {"accuracy": 0.1},
    }


def cells(table: str) -> list[list[str]]:
    return [[word.strip() for word in line.strip("|").split("|")] for line in table.splitlines() if "---" not in line]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "dm")
    SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]).save(folder.folder, {"method": "dm"})
    folder.save_scores(plain_scores(0.6))
    return folder


def test_an_unknown_protocol_appears_in_the_table_the_report_and_the_comparison(run: RunFolder, tmp_path: Path) -> None:
    without = (run.folder / "report.html").read_text()
    assert "Bright images" not in without
    assert "Only one architecture was scored" in without
    run.save_protocol("brightness", brightness(0.75, "net", "vit"))
    scores: RunScores = json.loads(run.scores_file.read_text())
    assert scores["distilled"] == row(0.6)
    title, table = protocol_tables(scores).split("\n\n")
    assert title == "By network"
    assert cells(table) == [["network", "accuracy"], ["net", "0.750 ± 0.010"]]
    report = (run.folder / "report.html").read_text()
    for part in (
        "<h2>Bright images</h2>",
        "Scores on bright images.",
        "0.750 ± 0.010",
        "By brightness.",
        "Reading bright",
    ):
        assert part in report, part
    assert "Only one architecture was scored" not in report
    compared = save_comparison(tmp_path, ["dm"]).split("\n\n")[1]
    assert cells(compared)[1:] == [
        ["dm", "0.750 ± 0.010", "0.750 ± 0.010"],
        ["as many random real images", "0.375 ± 0.010", "0.375 ± 0.010"],
    ]
    for file in (run.folder / "brightness.png", tmp_path / "brightness.png"):
        with Image.open(file) as picture:
            assert min(picture.size) > 100


def test_results_add_to_each_other_and_their_own_rows_join_the_scores(run: RunFolder) -> None:
    run.save_protocol("first", {"figures": {"a": 1}})
    run.save_protocol("second", {"scores": {"controls": {"herding": row(0.3)}}})
    run.save_protocol("first", {"figures": {"a": 2}})
    scores = json.loads(run.scores_file.read_text())
    assert scores["protocols"] == {"first": {"figures": {"a": 2}}, "second": {}}
    assert scores["controls"]["herding"] == row(0.3)
    assert protocol_tables(scores) == ""


@pytest.mark.parametrize(
    ("name", "result", "says"),
    [
        ("size", {"images": 10}, "got images. Put numbers into figures"),
        ("size", [1], "ProtocolResult from size, got list"),
        ("a/b", {}, "got 'a/b'"),
        ("grid", {}, "got 'grid'"),
        ("size", {"tables": [{"title": "Sizes", "header": ["a", "b"], "rows": [["x"]]}]}, "2 cells .*'Sizes'"),
    ],
)
def test_results_that_cannot_be_shown_are_refused_and_nothing_changes(
    run: RunFolder, name: str, result: Any, says: str
) -> None:
    before = run.scores_file.read_bytes()
    with pytest.raises((TypeError, ValueError), match=says):
        run.save_protocol(name, result)
    assert run.scores_file.read_bytes() == before
    require_protocol_result(name if name == "size" else "size", {})


def test_methods_have_rows_and_the_first_run_gives_the_random_one(tmp_path: Path) -> None:
    runs: dict[str, RunScores] = {
        "mtt": {"protocols": {"brightness": brightness(0.8, "convnet", "vit")}},
        "ftd": {},
        "dm": {"protocols": {"brightness": brightness(0.6, "convnet")}},
    }
    assert cells(compare_protocols(tmp_path, runs)) == [
        ["accuracy on bright images", "convnet", "vit"],
        ["mtt", "0.800 ± 0.010", "0.800 ± 0.010"],
        ["dm", "0.600 ± 0.010", "-"],
        ["as many random real images", "0.400 ± 0.010", "0.400 ± 0.010"],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["brightness.png"]


def test_comparisons_of_plain_figures_are_not_drawn(tmp_path: Path) -> None:
    result = brightness(0.8, "net")
    result["comparisons"] = [{"title": "size", "distilled": {"n": 3}, "random": {"n": None}, "heat_map": False}]
    runs: dict[str, RunScores] = {"mtt": {"protocols": {"size": result}}}
    assert cells(compare_protocols(tmp_path, runs))[1:] == [["mtt", "3"], ["as many random real images", "-"]]
    assert compare_protocols(tmp_path, {"mtt": {"distilled": row(0.5)}}) == ""
    assert save_heat_maps(runs["mtt"], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def pixels(file: Path) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"), dtype=int)


def panels(vit: float | None = 0.9) -> dict[str, dict[str, dict[str, Summary]]]:
    rows = {
        "distilled": {"convnet": summary(0.2, 0.1), "vit": summary(vit, None)},
        "random": {"convnet": summary(0.1, 0.1), "vit": summary(0.3, 0.2)},
    }
    return {"accuracy": rows, "balanced accuracy": rows}


def test_a_better_score_changes_its_cells_in_both_panels_and_nothing_else(tmp_path: Path) -> None:
    first = pixels(draw_heat_map(panels(), "digits", tmp_path / "a.png"))
    other = pixels(draw_heat_map(panels(vit=0.1), "digits", tmp_path / "b.png"))
    assert first.shape == other.shape
    changed = np.argwhere((first != other).any(axis=2))
    share = len(changed) / first[..., 0].size
    assert 0.1 < share < 0.3  # one of four cells, in each of the two panels
    assert changed[:, 1].min() > first.shape[1] / 2  # the right-hand column


def test_a_missing_score_is_drawn_empty(tmp_path: Path) -> None:
    drawn = pixels(draw_heat_map(panels(vit=None), "digits", tmp_path / "a.png"))
    full = pixels(draw_heat_map(panels(), "digits", tmp_path / "b.png"))
    assert (drawn == 255).all(axis=2).sum() > (full == 255).all(axis=2).sum()
