"""The accuracy benchmark: cells, commands, resumption and rows, without the runs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monai_distill.configuration.composition import run_settings
from monai_distill.configuration.overrides import parsed_overrides
from tests.benchmarks import accuracy
from tests.benchmarks.gpu_rows import read_rows

TABLE = {metric: {"mean": 0.5, "std": 0.1} for metric in ("accuracy", "balanced_accuracy")}


def test_a_cell_stands_for_its_seeds() -> None:
    assert accuracy.cells_of("blood:10:dm:2") == ["blood:10:dm:2:0"]
    assert accuracy.cells_of("blood:1:dm:1:3-4") == ["blood:1:dm:1:3", "blood:1:dm:1:4"]
    for wrong in ("spleen:1:dm:1", "blood:1:dm"):
        with pytest.raises(ValueError, match=r"Expected DATA:IMAGES:METHOD:FACTOR.*got"):
            accuracy.cells_of(wrong)


@pytest.mark.parametrize("data", accuracy.DATA)
def test_the_settings_of_a_cell_are_settings_of_a_run(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = _commands(monkeypatch, [])
    assert accuracy.main([f"{data}:1:dm:2", "--work", str(tmp_path)]) == 1
    (words,) = commands
    assert words[:4] == [sys.executable, "-m", "monai_distill", "run"]
    settings = parsed_overrides([word for word in words[4:] if word != "--no_plan"])
    given = {name: value for name, value in settings.items() if name not in ("dataset", "method", "preset_of")}
    _, values = run_settings("npz", "convnet", "dm", given, "published")
    assert (values["factor"], values["iterations"], values["width"]) == (2, 1000, 32)


def test_a_begun_folder_is_resumed_and_a_done_one_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, done = (tmp_path / f"blood_{images}_dm_1_0_w32" for images in (1, 10))
    for folder in (begun, done):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    (done / "scores.json").write_text(json.dumps({"distilled": TABLE, "prior": {}, "controls": {"packed": TABLE}}))
    commands = _commands(monkeypatch, [])
    words = ["blood:1:dm:1", "blood:10:dm:1", "--work", str(tmp_path)]
    assert accuracy.main(words) == 1
    assert [command[3:] for command in commands] == [["resume", str(begun)]]
    rows = {row["row"]: row for row in read_rows(tmp_path / "rows.jsonl")}
    assert "no such disk" in rows["blood:1:dm:1:0"]["error"]
    assert rows["blood:10:dm:1:0"]["packed"] == [0.5, 0.1, 0.5, 0.1]
    assert accuracy.main(words[1:]) == 0
    assert len(commands) == 1
    assert "blood:10:dm:1:0" in capsys.readouterr().out


def test_a_run_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Endless(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__([sys.executable, "-c", "import time; time.sleep(60)"], **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Endless)
    assert accuracy.main(["blood:1:dm:1", "--work", str(tmp_path), "--seconds", "1.5"]) == 1
    assert started[0].poll() is not None
    assert read_rows(tmp_path / "rows.jsonl") == []


def _commands(monkeypatch: pytest.MonkeyPatch, commands: list[list[str]]) -> list[list[str]]:
    """Note the commands, all of which fail."""

    class Failed:
        returncode = 1

        def __init__(self, command: list[str], **_: Any) -> None:
            commands.append(command)

        def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
            return b"", b"no such disk"

    names = {"DEVNULL": -1, "PIPE": -1, "TimeoutExpired": subprocess.TimeoutExpired}
    monkeypatch.setattr(accuracy, "subprocess", SimpleNamespace(Popen=Failed, **names))  # others start processes, too
    return commands
