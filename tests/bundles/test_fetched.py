"""A bundle fetched by MONAI, on a machine that has the package as a wheel and no checkout."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import download

from tests.bundles.conftest import BUNDLES, QUICK, TRAJECTORY

DIGITS = "digits_dataset_distillation"
CHECKOUT = BUNDLES.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked by pip; everything that it depends on is where the tests run."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    root = tmp_path_factory.mktemp("installed")
    built = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(root / "wheel")]
    subprocess.run([*built, str(CHECKOUT)], check=True, capture_output=True)
    (wheel,) = (root / "wheel").iterdir()
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(root / "site"), str(wheel)]
    subprocess.run(words, check=True, capture_output=True)
    return root / "site"


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    archive = shutil.make_archive(str(tmp_path / "store" / DIGITS), "zip", BUNDLES, DIGITS)
    download(DIGITS, bundle_dir=tmp_path / "fetched here", url=Path(archive).as_uri(), progress=False)
    return tmp_path / "fetched here" / DIGITS


@pytest.mark.slow
def test_every_command_of_its_readme_runs_from_another_working_directory(
    installed: Path, fetched: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "working directory"
    elsewhere.mkdir()

    def python(*words: str | Path) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        line = [sys.executable, *map(str, words)]
        done = subprocess.run(line, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def bundle(configs: str, **settings: Any) -> str:
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        root = ("--bundle_root", fetched)
        return python("-m", "monai.bundle", "run", "--config_file", configs, *root, "--device", "cpu", *words)

    assert str(installed) in python("-c", "import monai_distill; print(monai_distill.__file__)")
    configs, quick = fetched / "configs", {k: v for k, v in QUICK.items() if k != "device"}
    bundle(f"{configs}/inference.json")
    assert (fetched / "eval" / "predictions.csv").is_file()

    # as it was shipped, no training before it
    scoring = {"evaluation_steps": 3, "students": 1, "release_dir": elsewhere / "first"}
    bundle(f"{configs}/export.json", no_claim="true", **scoring)
    assert "every checksum fits" in python("-m", "monai_distill", "verify", elsewhere / "first")

    bundle(f"{configs}/train.json", **quick, **TRAJECTORY)
    table = bundle(f"['{configs}/train.json','{configs}/evaluate.json']", **quick, **TRAJECTORY)
    assert "| distilled" in table
    assert "Release folder: " in bundle(f"{configs}/export.json", no_claim="true", **quick)
    assert "every checksum fits" in python("-m", "monai_distill", "verify", fetched / "release")
    assert (fetched / "models" / "model.ts").is_file()
    assert {path.name for path in elsewhere.iterdir()} == {"first"}
