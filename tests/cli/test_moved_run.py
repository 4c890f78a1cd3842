"""A run folder that was moved, data that were moved, and data that are others now."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.configs.command import command, contents, fast_run, read
from tests.data.conftest import write_image, write_table


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run made with relative paths, moved afterwards, the shell in another folder than then."""
    rows = [f"{i}.png,{'ab'[i % 2]}" for i in range(60)]
    for i in range(60):
        write_image(tmp_path / "data" / f"{i}.png", (8, 8), seed=i)
    write_table(tmp_path / "data", rows)
    monkeypatch.chdir(tmp_path)
    done = fast_run(Path("made"), "--dataset", "table", "--dataset_dir", "data", "--image_size", "8")
    assert done.code == 0, done.err
    (tmp_path / "archive").mkdir()
    shutil.move("made", "archive/run")
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path / "archive" / "run"


def test_evaluates_and_exports_from_anywhere_where_the_data_lie_where_they_were(moved: Path) -> None:
    before = read(moved, "scores.json")["distilled"]
    outcome = command("evaluate", "run")
    assert (outcome.code, outcome.err) == (0, "")
    assert read(moved, "scores.json")["distilled"] == before
    license = moved.parent / "terms"
    license.write_text("For use inside the clinic.")
    outcome = command("export", "run", "--to", "release", "--no_claim", "--license", license)
    assert outcome.code == 0, outcome.err
    assert command("verify", "release").code == 0


def test_says_where_the_data_were_and_takes_where_they_are(moved: Path) -> None:
    data = moved.parent.parent / "data"
    shutil.move(data, moved.parent / "elsewhere")
    for word in ("evaluate", "resume"):
        outcome = command(word, "run")
        assert outcome.code == 1
        assert f"got '{data}'" in outcome.err
        outcome = command(word, "run", "--dataset_dir", "elsewhere")
        assert (outcome.code, outcome.err) == (0, "")


def test_other_data_are_refused_and_nothing_changes(moved: Path) -> None:
    table = moved.parent.parent / "data" / "table.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-3]))  # so that another split is drawn
    before = contents(moved)
    for words in (("evaluate", "run"), ("evaluate", "run", "--protocols", "continual")):
        outcome = command(*words)
        assert outcome.code == 1
        assert "Expected the images that the set was made from" in outcome.err
        assert contents(moved) == before
    (moved.parent / "terms").write_text("For use inside the clinic.")
    outcome = command("export", "run", "--to", "release", "--no_claim", "--license", moved.parent / "terms")
    assert outcome.code == 1
    assert "Expected the images that the set was made from" in outcome.err
    assert not (moved.parent / "release").exists()
