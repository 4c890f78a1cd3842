"""The tutorial of the digits bundle runs from its first cell to its last."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot
from monai.utils import set_determinism

from monai_distill import cli
from tests.bundles.conftest import BUNDLES

NOTEBOOK = BUNDLES / "digits_dataset_distillation" / "docs" / "tutorial.ipynb"
QUICK = "--validation_steps 2 --validation_students 1 --evaluation_steps 5 --full_steps 2 --full_students 1 --width 8"
FEWER = {"iterations": 4, "students": 1, "epochs": 2}  # the notebook names them in one cell


def quick(arguments: Sequence[str]) -> int:
    return cli.main([*arguments, *(QUICK.split() if arguments[0] == "run" else [])])


@pytest.mark.filterwarnings("ignore")
def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pyplot, "show", pyplot.close)
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(cells):
        exec(compile(source, f"cell {number}", "exec"), names)
        names |= {key: value for key, value in {**FEWER, "main": quick}.items() if key in names}
        assert names.get("status", 0) == 0, source
    set_determinism(None)
    shown = capsys.readouterr().out
    assert "as many random real images" in shown
    assert "passed the check" in shown
    assert (names["release"] / "DATA_CARD.md").is_file()


def test_what_is_shown_was_run_in_this_order() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
