"""MONAI's ways to load a bundle and to change parts of it: they work, or the change is refused at once."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import load

from monai_distill.data import SyntheticDataset
from tests.bundles.conftest import NAMES, run, workflow
from tests.bundles.test_bundles import first_cause
from tests.configs.command import contents

DIGITS = "digits_dataset_distillation"
pytestmark = pytest.mark.filterwarnings("ignore:parsing config_file")


@pytest.mark.parametrize("kind", ["train", "inference"])
@pytest.mark.parametrize("name", NAMES)
def test_load_returns_the_network_reads_no_data_and_writes_nothing(
    name: str, kind: str, copied: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copied(name)
    before = contents(root)
    monkeypatch.chdir(tmp_path)
    network = load(name, bundle_dir=str(root.parent), workflow_type=kind, device="cpu")
    weights = torch.load(root / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())
    assert contents(root) == before
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_load_with_net_override_makes_the_other_network(copied: Any) -> None:
    root = copied(DIGITS)
    network = load(DIGITS, bundle_dir=str(root.parent), device="cpu", net_override={"width": 8})
    assert network.state_dict()["features.conv0.weight"].shape[0] == 8


def test_another_network_is_distilled_with_and_becomes_the_classifier(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    other = {"network_def#_target_": "monai_distill.networks.nets.AlexNet", "network_def#depth": None}
    with pytest.raises(RuntimeError) as caught:
        run(workflow(root, "train", kind="train", **for_train, **other))
    assert "depth" in first_cause(caught.value)  # AlexNet has no depth: refused before the experts are trained
    assert not (root / "train").exists()
    run(workflow(root, "train", kind="train", **for_train, **{"network_def#width": 6}))
    assert SyntheticDataset.load(root / "models").manifest["network"]["width"] == 6
    weights = torch.load(root / "models" / "model.pt", weights_only=True)
    assert weights["features.conv0.weight"].shape[0] == 6


def test_an_argument_that_only_the_classifier_would_get_is_refused(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    made = workflow(root, "train", kind="train", **for_train, **{"network_def#norm": "batch"})
    made.initialize()
    with pytest.raises(RuntimeError) as caught:
        made.run()
    assert "network_factory#NAME" in first_cause(caught.value)
    assert not (root / "train").exists()


def test_the_training_data_can_be_replaced_by_a_list(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    made = workflow(root, "train", kind="train", **for_train)
    made.initialize()
    assert len(made.train_dataset_data) == 1078
    items = [made.train_dataset_data[i] for i in range(0, 1078, 8)]
    made.train_dataset_data = [{"image": item["image"], "label": item["label"]} for item in items]
    run(made)
    manifest = SyntheticDataset.load(root / "models").manifest
    assert sum(manifest["source"]["counts"]["training"]) == len(items)
    assert list(SyntheticDataset.load(root / "models").class_names) == [str(digit) for digit in range(10)]


def test_data_of_another_kind_is_refused(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    made = workflow(root, "train", kind="train", **for_train)
    made.initialize()
    made.train_dataset_data = [{"image": torch.ones(1, 8, 8)}]
    with pytest.raises(RuntimeError) as caught:
        run(made)
    assert "image and label" in first_cause(caught.value)
