"""``run.log`` holds what a command printed and logged, and never leaves the run folder."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_distill.export.release.scan.scan import scan_release
from tests.configs.command import command, contents, fast_run


def test_a_run_and_its_resume_leave_what_they_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = fast_run(run)
    assert first.code == 0, first.err
    log = (run / "run.log").read_text()
    assert f"$ monai-distill run --output_dir {run}" in log
    for text in (first.out, first.err, first.data):
        assert text in log
    second = command("resume", run, "--profile")
    longer = (run / "run.log").read_text()
    assert longer.startswith(log)
    assert f"$ monai-distill resume {run} --profile" in longer
    assert longer.endswith(second.out)
    released = tmp_path / "release"
    outcome = command("export", run, "--to", released, "--no_claim")
    assert outcome.code == 0, outcome.err
    assert [name for name in contents(released) if "log" in name] == []
    shutil.copyfile(run / "run.log", released / "run.log")
    assert any(finding.startswith("run.log: is a file that no release has") for finding in scan_release(released))


def test_an_error_is_in_the_log_and_a_refused_folder_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    outcome = fast_run(run, "--image_lr", "1e30")
    assert (outcome.code, outcome.err in (run / "run.log").read_text()) == (1, True)
    before = contents(run)
    assert fast_run(run).code == 1  # the folder holds a run
    assert contents(run) == before
