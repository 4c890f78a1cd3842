"""``compare`` with a file of settings: what is given wins, and a search's settings are its method's."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_distill.metrics.score_tables import METRIC_TITLES
from tests.configs.command import Outcome, command

Compare = tuple[dict[str, dict[str, Any]], Outcome]


def compared(folder: Path, monkeypatch: pytest.MonkeyPatch, content: Any, *words: str) -> Compare:
    """The arguments of the runs of ``dm`` and ``mtt``, which do not run."""
    seen: dict[str, dict[str, Any]] = {}
    monkeypatch.setattr(
        "monai_distill.cli.compare.run_bundle", lambda values: seen.update({Path(values["output_dir"]).name: values})
    )
    (folder / "settings.json").write_text(json.dumps(content))
    files = ("--settings", folder / "settings.json", "--output_dir", folder / "out")
    return seen, command("compare", "--methods", "dm,mtt", *files, *words)


TUNED = {"method": "dm", "images_per_class": 2, "settings": {"base_image_lr": 0.5, "operations": ["crop"], "width": 4}}


@pytest.mark.filterwarnings("ignore:.* (failed|runs without)")
def test_given_settings_win_over_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"seed": 3, "factor": 1, "iterations": 5, "width": 4, "base_image_lr": 0.5}
    words = ("--seed", "1", "--factor", "2", "--iterations", "7", "--images_per_class", "1")
    seen, _ = compared(tmp_path, monkeypatch, {**content, "images_per_class": 2}, *words)
    for values in seen.values():
        assert [values[name] for name in ("seed", "factor", "iterations", "images_per_class")] == [1, 2, 7, 1]
        assert values["width"] == 4
    assert seen["dm"]["base_image_lr"] == 0.5


@pytest.mark.filterwarnings("ignore:.* failed")
def test_the_settings_of_a_search_are_those_of_its_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="of dm") as warned:
        seen, _ = compared(tmp_path, monkeypatch, TUNED)
    said = [str(warning.message) for warning in warned]
    assert "was tuned at 2 images per class, this is for 1" in said[0]
    assert "is of dm: mtt without its base_image_lr." in said[1]
    assert "base_image_lr" not in seen["mtt"]
    for setting, value in (("width", 4), ("operations", ["crop"])):  # scores are made in the same way
        assert [values[setting] for values in seen.values()] == [value, value]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({**TUNED, "method": "datadam"}, "Expected datadam among --methods, got dm, mtt"),
        ({"dataset": "digits", "network": "vgg11", "seed": 1}, "Give --dataset digits --network vgg11."),
        ({"method": "dm", "seed": 1}, "Give --method dm."),
    ],
)
@pytest.mark.filterwarnings("ignore:.*was tuned at")
def test_a_file_of_something_else_is_refused(
    content: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, outcome = compared(tmp_path, monkeypatch, content)
    assert outcome.code == 1
    assert says in outcome.err
    assert not seen
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*dm failed")
def test_a_number_that_fails_does_not_end_those_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(values: dict[str, Any]) -> None:
        if values["images_per_class"] == 2:
            raise RuntimeError("no memory")
        row = {name: {"mean": 0.5, "std": 0.1} for name in METRIC_TITLES}
        scores = {"dataset": "digits", "images_per_class": 3, "distilled": row, "prior": {"accuracy": 0.1}}
        folder = Path(values["output_dir"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scores.json").write_text(json.dumps(scores))

    monkeypatch.setattr("monai_distill.cli.compare.run_bundle", run)
    outcome = command("compare", "--methods", "dm", "--images_per_class", "2,3", "--output_dir", tmp_path / "out")
    assert outcome.code == 1
    assert "2 per class did not finish" in outcome.err
    assert "0.500" in (tmp_path / "out" / "images.md").read_text()
