"""Several methods side by side: what is run, what is kept, what is refused, what the files say."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monai_distill.export import compare_methods
from monai_distill.export.comparison import save_comparison

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")
SETTINGS = {"dataset": "digits", "images_per_class": 1}


def scores(value: float, *controls: str, **about: Any) -> dict[str, Any]:
    def row(mean: float) -> dict[str, Any]:
        return {name: {"mean": mean, "std": 0.01, "values": [mean - 0.01, mean + 0.01]} for name in NAMES}

    rows = {control: row(value / 2) for control in controls}
    return {**SETTINGS, **about, "distilled": row(value), **rows, "prior": {"accuracy": 0.1}}


def write(folder: Path, content: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(json.dumps(content))


def test_the_controls_come_once_from_the_first_run_that_has_them(tmp_path: Path) -> None:
    write(tmp_path / "mtt", scores(0.8, "random"))
    write(tmp_path / "ftd", scores(0.6, "random", "full"))
    table = save_comparison(tmp_path, ["ftd", "mtt"])
    titles = [line.split("|")[1].strip() for line in table.splitlines()]
    assert titles[2:] == ["ftd", "mtt", "as many random real images", "all training images", "most frequent class"]
    assert (tmp_path / "compare.md").read_text() == table + "\n"
    rows = list(csv.DictReader((tmp_path / "compare.csv").open()))
    by_name = {(row["trained on"], row["metric"]): row for row in rows}
    assert float(by_name["mtt", "macro_f1"]["mean"]) == 0.8
    assert by_name["ftd", "auroc"]["values"] == "0.59 0.61"
    assert float(by_name["as many random real images", "accuracy"]["mean"]) == 0.3
    assert len(rows) == 4 * 4 + 1
    with Image.open(tmp_path / "compare.png") as picture:
        assert min(picture.size) > 100


def test_students_that_were_trained_in_different_ways_are_named_below_the_scores(tmp_path: Path) -> None:
    for name, operations, steps in (("dm", ["crop"], 9), ("datadam", ["crop"], 9), ("idm", ["color", "crop"], 9)):
        augmentation = {"_target_": "SiameseAugment", "operations": operations, "scale_ratio": 1.2}
        students = {"steps": steps, "augmentation": augmentation}
        write(tmp_path / name, scores(0.8, "random", protocol={"students": students}))
    table = save_comparison(tmp_path, ["dm", "datadam", "idm"])
    assert "different ways: operations [crop] (dm, datadam), [color, crop] (idm)." in table
    assert "different ways" in (tmp_path / "compare.md").read_text()
    assert "different ways" not in save_comparison(tmp_path, ["dm", "datadam"])


def test_every_control_of_the_long_scores_has_a_row(tmp_path: Path) -> None:
    write(tmp_path / "mtt", scores(0.8, "random"))
    more = {name: scores(0.2 + place / 10)["distilled"] for place, name in enumerate(("k_center", "herding"))}
    write(
        tmp_path / "dm", {**scores(0.6, "random", "full"), "controls": {**more, "soft_label_random": more["herding"]}}
    )
    rows = [
        [word.strip() for word in line.split("|")[1:3]]
        for line in save_comparison(tmp_path, ["mtt", "dm"]).splitlines()
    ]
    assert rows[4:9] == [
        ["as many random real images", "0.400 ± 0.010"],
        ["as many real images by herding", "0.300 ± 0.010"],
        ["as many real images by k-center", "0.200 ± 0.010"],
        ["as many random real images with soft labels", "0.300 ± 0.010"],
        ["all training images", "0.300 ± 0.010"],
    ]


def test_what_further_protocols_found_stands_below_the_scores(tmp_path: Path) -> None:
    comparison = {"title": "size", "distilled": {"images": 10}, "random": {"images": 10}, "heat_map": False}
    write(tmp_path / "mtt", scores(0.8, protocols={"size": {"comparisons": [comparison]}}))
    table = save_comparison(tmp_path, ["mtt"])
    assert [part.splitlines()[-1].split("|")[1].strip() for part in table.split("\n\n")] == [
        "most frequent class",
        "as many random real images",
    ]
    assert (tmp_path / "compare.md").read_text() == table + "\n"


def test_further_protocols_score_every_finished_run_and_a_failure_there_keeps_its_scores(tmp_path: Path) -> None:
    evaluated: list[str] = []

    def run(method: str, folder: Path) -> None:
        write(folder, scores(0.5))

    def evaluate(folder: Path) -> None:
        evaluated.append(folder.name)
        assert (folder / "scores.json").exists()
        if folder.name == "mtt":
            raise RuntimeError("too few classes")

    with (
        pytest.warns(UserWarning, match="mtt failed: too few classes"),
        pytest.raises(RuntimeError, match=r"mtt did not finish; .*compare\.md"),
    ):
        compare_methods(tmp_path, ["mtt", "dm"], run, settings=SETTINGS, evaluate=evaluate)
    assert evaluated == ["mtt", "dm"]
    assert [row in (tmp_path / "compare.md").read_text() for row in ("| mtt", "| dm")] == [True, True]


def test_time_and_memory_stand_next_to_the_scores_of_runs_that_counted_them(tmp_path: Path) -> None:
    cost = {"seconds": {"experts": 60.4, "other": 2.0}, "peak_memory_mib": 812.3, "memory_of": "process"}
    write(tmp_path / "mtt", scores(0.8, cost=cost))
    write(tmp_path / "dm", scores(0.6))
    lines = save_comparison(tmp_path, ["mtt", "dm"]).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[-3:-1]] for line in (lines[0], *lines[2:])]
    assert cells == [["time in s", "peak MiB"], ["62", "812"], ["", ""], ["", ""]]
    rows = list(csv.DictReader((tmp_path / "compare.csv").open()))
    known = {row["metric"]: float(row["mean"]) for row in rows if row["trained on"] == "mtt"}
    assert (known["seconds"], known["peak_memory_mib"]) == (62.4, 812.3)


def test_a_score_that_is_not_known_is_a_dash(tmp_path: Path) -> None:
    content = scores(0.8, "random")
    content["distilled"]["auroc"] = {"mean": None, "std": None, "values": []}
    write(tmp_path / "mtt", content)
    assert save_comparison(tmp_path, ["mtt"]).splitlines()[2].split("|")[5].strip() == "-"


@pytest.mark.parametrize("about", [{"dataset": "mnist"}, {"images_per_class": 10}])
def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path, about: dict[str, Any]) -> None:
    write(tmp_path / "mtt", scores(0.8))
    write(tmp_path / "ftd", scores(0.8, **about))
    with pytest.raises(ValueError, match=r"ftd has .* another output_dir"):
        save_comparison(tmp_path, ["mtt", "ftd"])


def test_a_run_without_scores_and_an_empty_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"scores\.json: that run is not finished"):
        save_comparison(tmp_path, ["mtt"])
    with pytest.raises(ValueError, match="at least one method"):
        save_comparison(tmp_path, [])


def test_only_what_has_no_scores_is_run_and_a_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    ran: list[str] = []
    broken = True

    def run(method: str, folder: Path) -> None:
        ran.append(method)
        if method == "ftd" and broken:
            raise ValueError("outer") from RuntimeError("the disk is full")
        write(folder, scores(0.5, "random", "full"))

    methods = ["mtt", "ftd", "att"]
    with (
        pytest.warns(UserWarning, match="ftd failed: the disk is full"),
        pytest.raises(RuntimeError, match=r"ftd did not finish; .*compare\.md"),
    ):
        compare_methods(tmp_path, methods, run, settings=SETTINGS)
    assert ran == methods
    assert "| att" in (tmp_path / "compare.md").read_text()
    broken = False
    table = compare_methods(tmp_path, methods, run, settings=SETTINGS)
    assert ran == [*methods, "ftd"]
    assert table.count("\n") == 1 + 3 + 3


def test_other_settings_in_the_same_folder_are_refused_by_name(tmp_path: Path) -> None:
    def run(method: str, folder: Path) -> None:
        write(folder, scores(0.5))

    compare_methods(tmp_path, ["mtt"], run, settings=SETTINGS)
    with pytest.raises(ValueError, match=r"images_per_class: stored 1, given 10.*another output_dir"):
        compare_methods(tmp_path, ["mtt"], run, settings={**SETTINGS, "images_per_class": 10})


def test_when_every_method_fails_no_table_is_written(tmp_path: Path) -> None:
    def run(method: str, folder: Path) -> None:
        raise RuntimeError("no")

    with pytest.warns(UserWarning, match="mtt failed"), pytest.raises(RuntimeError, match="mtt did not finish"):
        compare_methods(tmp_path, ["mtt"], run, settings=SETTINGS)
    assert not (tmp_path / "compare.md").exists()


@pytest.mark.parametrize("below", [".", "runs"])
def test_a_file_in_the_place_of_the_folder_is_refused_before_any_run(tmp_path: Path, below: str) -> None:
    (tmp_path / "table.csv").write_text("mine")

    def run(method: str, folder: Path) -> None:
        pytest.fail("a method was run")

    with pytest.raises(RuntimeError, match=r"Expected a folder for the comparison.*table\.csv.*another --output_dir"):
        compare_methods(tmp_path / "table.csv" / below, ["mtt"], run, settings=SETTINGS)
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_the_folder_of_a_run_is_not_taken_for_one_of_several(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="folder for several runs"):
        compare_methods(tmp_path, ["mtt"], lambda method, folder: pytest.fail("a method was run"), settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_run_that_no_comparison_began_is_not_taken_for_one_of_its_runs(tmp_path: Path) -> None:
    (tmp_path / "mtt").mkdir()
    (tmp_path / "mtt" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"mtt, begun without it.*--output_dir"):
        compare_methods(tmp_path, ["dm", "mtt"], lambda *_: pytest.fail("a method was run"), settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["mtt"]


def test_the_plans_of_the_runs_stand_in_compare_json_and_are_no_settings(tmp_path: Path) -> None:
    plan = {"effort": "trial", "minutes": 3.0, "settings": {"iterations": {"value": 70, "reason": "time"}}}
    plan |= {"given_up": ["iterations 70 of 100"], "forecast": {"seconds": {"scores": 2.0}}, "machine": {}}

    def run(method: str, folder: Path) -> None:
        write(folder, scores(0.5))
        if method == "dm":
            (folder / "plan.json").write_text(json.dumps(plan))

    for _ in range(2):  # the second call meets the plans of the first
        compare_methods(tmp_path, ["dm", "mtt"], run, settings=SETTINGS)
        stored = json.loads((tmp_path / "compare.json").read_text())
        assert stored == {**SETTINGS, "plans": {"dm": {key: value for key, value in plan.items() if key != "machine"}}}
