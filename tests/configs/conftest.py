"""A run through the command at smoke size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.cli import main

SMALLEST = {
    "validation_students": 1,
    "validation_steps": 1,
    "students": 1,
    "evaluation_steps": 1,
    "full_students": 1,
    "full_steps": 1,
    "width": 4,
    "iterations": 3,
    "validate_every": 3,
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """``run("dm", dataset="digits", ...)`` does three iterations of everything and returns the scores."""

    def call(method: str, **settings: Any) -> dict[str, Any]:
        folder = tmp_path / "_".join(["run", method, *map(str, settings.values())]).replace("/", "-")[-80:]
        values = {**SMALLEST, "method": method, "device": "cpu", "output_dir": folder, **settings}
        words = [word for name, value in values.items() for word in (f"--{name}", str(value))]
        assert main(["run", *words]) == 0
        return {"folder": folder, **json.loads((folder / "scores.json").read_text())}

    return call
