"""The rules of MONAI's model zoo that its CONTRIBUTING.md states and ci/verify_bundle.py checks, on every bundle."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.bundles.conftest import BUNDLES, NAMES

# docs/readme_template.md of the zoo; Limitations, Citation Info and References are optional there
HEADINGS = [
    *("### **Authors**", "### **Tags**", "## **Model Description**", "## **Data**", "#### **Preprocessing**"),
    *("## **Performance**", "## **Additional Usage Steps**", "## **System Configuration**", "## **Limitations**"),
    "## **References**",
]
# CONTRIBUTING.md, "Preferred Files and Keys"
INFERENCE = ("bundle_root", "device", "network_def", "inferer", "output_dir")
TRAIN = (
    *("bundle_root", "device", "dataset_dir", "output_dir", "val_interval"),
    *("train#trainer", "train#trainer#max_epochs", "train#dataset", "train#dataset#data", "train#handlers"),
    *("validate#evaluator", "validate#handlers", "validate#dataset", "validate#dataset#data"),
)
LARGEST = 25 * 2**20
PERSONAL = re.compile(r"/(home|root|Users|work)/")


@pytest.fixture(params=NAMES)
def root(request: pytest.FixtureRequest) -> Path:
    return BUNDLES / str(request.param)


def content(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "configs" / f"{name}.json").read_text())
    return found


def has(config: Any, key: str) -> bool:
    for part in key.split("#"):
        if not isinstance(config, dict) or part not in config:
            return False
        config = config[part]
    return True


def test_the_readme_has_the_headings_of_the_zoo_s_template(root: Path) -> None:
    text = (root / "docs" / "README.md").read_text()
    assert re.findall(r"^##+ .*$", text, re.M) == HEADINGS
    assert text.startswith(f"# {content(root, 'metadata')['name']}\n")  # the name that the zoo's browser shows


def test_the_configurations_have_the_zoo_s_keys(root: Path) -> None:
    assert [key for key in INFERENCE if not has(content(root, "inference"), key)] == []
    train = content(root, "train")
    assert [key for key in TRAIN if not has(train, key)] == []
    validation = [h for h in train["train"]["handlers"] if h["_target_"].endswith("ValidationHandler")]
    assert [handler["interval"] for handler in validation] == ["@val_interval"]


def test_the_zoo_installs_versions_that_this_package_takes(root: Path) -> None:
    metadata = content(root, "metadata")
    named = {key: metadata[f"{key}_version"] for key in ("monai", "pytorch", "numpy")}
    named["torch"] = named.pop("pytorch")
    packages = {**metadata["required_packages_version"], **named}
    assert packages.pop("monai-distill") == importlib.metadata.version("monai-distill")
    requirements = {r.name: r.specifier for r in map(Requirement, importlib.metadata.requires("monai-distill") or [])}
    assert {n: v for n, v in packages.items() if not requirements[n].contains(v)} == {}
    assert metadata["version"] in metadata["changelog"]
    assert "optional_packages_version" not in metadata  # MONAI would drop the required ones


def test_files_are_small_and_name_no_place_of_ours(root: Path) -> None:
    for file in root.rglob("*"):
        if file.is_file() and "train" not in file.relative_to(root).parts:
            assert file.stat().st_size < LARGEST
            if file.suffix in (".json", ".md", ".txt", ".ipynb"):
                assert PERSONAL.search(file.read_text()) is None, file
