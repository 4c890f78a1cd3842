"""Messages of the command on warnings and on Ctrl-C."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from monai_distill.cli import evaluate, export, run
from monai_distill.cli.execution import run_bundle
from tests.configs.command import command


def test_warnings_are_a_line_of_the_command_whatever_monai_set_while_it_was_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = []

    def bundle_run(**values: Any) -> None:
        shown.append(warnings.formatwarning("two patients", UserWarning, "split_banks.py", 101))

    monkeypatch.setattr("monai.bundle.run", bundle_run)
    monkeypatch.setattr(warnings, "formatwarning", lambda *arguments: "as MONAI does")
    run_bundle({})
    assert shown == ["monai-distill: warning: two patients\n"]


@pytest.mark.parametrize("words", [("evaluate",), ("audit",), ("export", "--to", "release")])
def test_a_run_without_its_set_is_told_to_go_on(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"config_format": 3, "initialize": [], "run": [], "evaluate": [], "data": {}}'
    )
    outcome = command(words[0], tmp_path, *words[1:])
    assert outcome.code == 1
    assert outcome.err.strip().endswith(f"holds no set yet. Go on with: monai-distill resume {tmp_path}")


@pytest.mark.parametrize("word", ["evaluate", "resume"])
@pytest.mark.parametrize(
    ("content", "says"), [("{ cut", "is no JSON"), ("[]", "no configuration of a run"), ('{"a": 1}', "folder of a run")]
)
def test_a_configuration_that_is_none_is_named(word: str, content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    outcome = command(word, tmp_path)
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert f"{tmp_path / 'config.json'} is " in outcome.err
    assert says in outcome.err


@pytest.mark.parametrize(
    "words", [("resume",), ("evaluate",), ("audit", "--shadows", "3"), ("export", "--to", "release")]
)
@pytest.mark.parametrize("format", [None, 2, 4])
def test_a_run_folder_of_another_version_is_refused(words: tuple[str, ...], format: int | None, tmp_path: Path) -> None:
    config = {"initialize": [], "run": [], "evaluate": [], "data": {}, "config_format": format}
    (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    (tmp_path / "synthetic.safetensors").touch()
    outcome = command(words[0], tmp_path, *words[1:])
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert f"format 3, got format {format or 1}" in outcome.err
    assert "another version" in outcome.err


@pytest.mark.parametrize(
    ("module", "words", "says"),
    [
        (evaluate, ("evaluate", "out"), "Interrupted. The same command goes on where it stopped."),
        (export, ("export", "out", "--to", "release"), "Interrupted. Nothing was begun or changed."),
        (run, ("run", "--output_dir", "out"), "Interrupted. Nothing was begun or changed."),
    ],
)
def test_ctrl_c_says_how_to_go_on_and_nothing_that_would_fail(
    module: Any, words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(options: Any, rest: Any) -> int:
        options.folder = tmp_path  # made, and without a configuration so far
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "execute", interrupted)
    outcome = command(*words)
    assert (outcome.code, outcome.err.strip()) == (130, says)
