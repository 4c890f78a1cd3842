"""The scores protocol as the configuration wires it, on a finished run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_distill.cli.execution import resumed, run_bundle
from monai_distill.configuration import config_dir
from monai_distill.engines.students import StudentTraining
from tests.configs.command import fast_run, read


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert fast_run(folder).code == 0
    return folder


def long_scores(folder: Path, **settings: Any) -> dict[str, Any]:
    steps = ["$@run_folder.save_scores({**@about, **@protocols#scores.run(@evaluated)})"]
    files = [str(folder / "config.json"), str(config_dir() / "protocols.yaml")]
    run_bundle({**resumed(folder), "config_file": files, **settings, "run_id": "long", "long": steps})
    return read(folder, "scores.json")


def test_the_configured_protocol_adds_its_keys_and_keeps_the_rows(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(whole, "scores.json")
    after = long_scores(whole)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"controls", "robust", "clinical"}
    assert list(after["controls"]) == ["herding", "k_center", "soft_label_random"]
    assert after["clinical"]["classes"] == [str(i) for i in range(10)]
    assert 0 <= after["robust"]["lrs"] <= 1
    json.dumps(after, allow_nan=False)
    monkeypatch.delattr(StudentTraining, "__call__")
    assert long_scores(whole, controls=["k_center"])["controls"] == {"k_center": after["controls"]["k_center"]}
