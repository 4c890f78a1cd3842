"""A bundle whose data are not there is loaded and checked, and refuses to run; federated statistics where they are."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.fl.client import MonaiAlgoStats
from monai.fl.utils.constants import ExtraItems, FlStatistics

from monai_distill.data.reading.data_stats import data_stats_transforms
from tests.bundles.conftest import NAMES, workflow
from tests.bundles.test_bundles import first_cause
from tests.configs.command import contents

pytestmark = pytest.mark.filterwarnings("ignore:parsing config_file", "ignore:.*trusted source")
SMALL = {"device": "cpu", "width": 4, "depth": 2, "images_per_class": 1}


@pytest.mark.parametrize("name", NAMES)
def test_its_properties_are_checked_and_nothing_is_written(name: str, copied: Any) -> None:
    root = copied(name)
    before = contents(root)
    small = SMALL if not name.startswith(("mhist", "covid")) else {**SMALL, "image_size": [12, 12]}
    training = workflow(root, "train", "no_data", kind="train", **small)
    training.initialize()
    assert training.check_properties() == []
    with pytest.raises(RuntimeError) as caught:
        training.run()
    assert "configs/no_data.json" in first_cause(caught.value)
    inference = workflow(root, "inference", kind="infer", device="cpu")
    inference.initialize()
    assert inference.check_properties() == []
    assert contents(root) == before


def test_inference_without_data_says_where_they_were_looked_for(copied: Any) -> None:
    root = copied("mhist_dataset_distillation")
    made = workflow(root, "inference", kind="infer", device="cpu")
    made.initialize()
    with pytest.raises((ValueError, RuntimeError)) as caught:
        made.run()
    assert str(root / "data") in first_cause(caught.value)
    assert not (root / "eval").exists()


def statistics(root: Path, app_root: Path, data: dict[str, list[dict[str, Any]]], **arguments: Any) -> dict[str, Any]:
    made = workflow(root, "train", kind="train", **SMALL)
    client = MonaiAlgoStats(str(root), workflow=made, **arguments)
    client.initialize({ExtraItems.CLIENT_NAME: "site", ExtraItems.APP_ROOT: str(app_root)})
    made.train_dataset_data, made.val_dataset_data = data["train"], data["eval"]
    made.initialize()
    requested = {FlStatistics.HIST_BINS: [4], FlStatistics.HIST_RANGE: [0.0, 1.0]}
    return dict(client.get_data_stats(requested).statistics)


def test_monai_s_federated_statistics_count_every_image_and_class(
    copied: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MONAI's analyzer pins memory for any accelerator, such as the stand-in that other tests register
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    images = torch.linspace(0, 1, 4 * 64).view(4, 1, 8, 8)
    items = [{"image": image, "label": label} for image, label in zip(images, [0, 0, 9, 9], strict=True)]
    data = {"train": items[:3], "eval": items[3:]}
    found = statistics(
        copied("digits_dataset_distillation"), tmp_path, data, data_stats_transform_list=data_stats_transforms()
    )
    train = found["train"]
    assert (train[FlStatistics.DATA_COUNT], train[FlStatistics.FAIL_COUNT]) == (3, 0)
    summary = train[FlStatistics.DATA_STATS]
    assert summary["label_stats"]["labels"] == [1, 10]  # the classes 0 and 9
    # the foreground statistics are of whole images
    mean = summary["image_foreground_stats"]["intensity"]["mean"]
    assert mean == pytest.approx(float(images[:3].mean()), abs=1e-5)
    assert found[FlStatistics.TOTAL_DATA][FlStatistics.DATA_COUNT] == 4
