"""Students that diverge in a validation: that candidate is out, the run goes on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.engines.distillation import TrajectoryMatching
from monai_distill.engines.students import StudentDivergedError, StudentTraining
from tests.configs.command import command, contents, fast_run, read

ONE_EACH = ("--experts", "1", "--students", "1", "--full_students", "0", "--validation_students", "1")


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``diverging(1, 3)``: students diverge when they are trained for the first and the third time from then on."""
    plain = StudentTraining.__call__

    def patch(*times: int) -> None:
        calls: list[int] = []

        def train(self: StudentTraining, *arguments: Any, **more: Any) -> Any:
            calls.append(1)
            if len(calls) in times:
                raise StudentDivergedError(arguments[3])
            return plain(self, *arguments, **more)

        monkeypatch.setattr(StudentTraining, "__call__", train)

    return patch


def test_the_candidate_is_out_and_noted_and_a_resumed_run_ends_as_one_that_was_not_interrupted(
    tmp_path: Path, diverging: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(1)
    with pytest.warns(UserWarning, match="diverged at learning rate") as warned:
        outcome = fast_run(tmp_path / "whole", *ONE_EACH)
    assert outcome.code == 0, outcome.err
    assert len([row for row in warned if "diverged" in str(row.message)]) == 1
    rows = read(tmp_path / "whole", "history.json")["validations"]
    assert [row.get("diverged", False) for row in rows] == [True, False]
    assert rows[0]["balanced_accuracy"] is None
    assert read(tmp_path / "whole", "manifest.json")["chosen_iteration"] == 4
    assert "diverged in 1 of 2 validations" in (tmp_path / "whole" / "report.html").read_text()

    plain = TrajectoryMatching.__call__

    def interrupted(self: Any, synthetic: Any, draw: Any) -> Any:
        if draw[0].iteration == 2:  # the first after that validation
            raise KeyboardInterrupt
        return plain(self, synthetic, draw)

    diverging(1)
    with monkeypatch.context() as patched:
        patched.setattr(TrajectoryMatching, "__call__", interrupted)
        with pytest.warns(UserWarning, match="diverged at learning rate"):
            outcome = fast_run(tmp_path / "cut", *ONE_EACH)
    assert outcome.code == 130
    diverging()
    assert command("resume", tmp_path / "cut").code == 0
    whole, cut = contents(tmp_path / "whole"), contents(tmp_path / "cut")
    for name in ("synthetic.safetensors", "history.json"):
        assert whole[name] == cut[name], name


def test_a_run_without_a_candidate_left_ends_with_the_error(tmp_path: Path, diverging: Callable[..., None]) -> None:
    diverging(1, 2)
    with pytest.warns(UserWarning, match="cannot be selected"):
        outcome = fast_run(tmp_path / "run", *ONE_EACH)
    assert outcome.code == 1
    assert "none in 2 validations" in outcome.err
    assert "learning rate 0.01" in outcome.err
    assert not (tmp_path / "run" / "synthetic.safetensors").exists()
