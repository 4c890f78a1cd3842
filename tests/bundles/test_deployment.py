"""The inference bundle as MONAI Label 0.8.5 and MONAI Deploy App SDK 4.0 load it: their loaders' calls, in order."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, MapTransform, apply_transform
from PIL import Image
from sklearn.datasets import load_digits

from monai_distill.data.datasets import DigitsDataset
from tests.bundles.conftest import run, workflow

DIGITS = "digits_dataset_distillation"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A digit as a PNG of the size of its data set."""
    file = tmp_path / "digit.png"
    Image.fromarray((load_digits().images[3] / 16 * 255).round().astype(np.uint8)).save(file)
    return file


def loaded(root: Path) -> ConfigParser:
    """``BundleInferTask._load_bundle_config`` of MONAI Label."""
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.json"))
    parser.config.update({"bundle_root": str(root)})
    return parser


def network_of(root: Path, parser: ConfigParser) -> Any:
    network = parser.get_parsed_content("network_def", instantiate=True).eval()
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    return network


def test_monai_label_goes_from_file_to_probabilities(copied: Any, picture: Path) -> None:
    root = copied(DIGITS)
    parser = loaded(root)
    made = parser.get_parsed_content("preprocessing", instantiate=True)
    assert isinstance(made, Compose)
    for transform in made.transforms:  # MONAI Label changes the transform that loads, and wraps it
        if isinstance(transform, LoadImaged):
            transform._loader.image_only = False
    (root / "models" / "manifest.json").unlink()  # the numbers are in the configuration
    data: Any = {"image": str(picture)}
    for transform in made.transforms:
        data = apply_transform(transform, data)
    inferer = parser.get_parsed_content("inferer", instantiate=True)
    with torch.no_grad():
        outputs = inferer(data["image"][None], network_of(root, parser))
    data["pred"] = outputs[0]
    post = parser.get_parsed_content("postprocessing", instantiate=True)
    assert isinstance(post, Compose)
    pred = post(data)["pred"]
    assert int(pred.argmax()) == 3
    assert float(pred.sum()) == pytest.approx(1)


def test_monai_deploy_hands_over_an_image_that_it_has_read(copied: Any, picture: Path) -> None:
    """``MonaiBundleInferenceOperator``: without transforms named LoadImage, the rest run on an array."""
    root = copied(DIGITS)
    parser = loaded(root)
    compose = parser.get_parsed_content("preprocessing")
    compose.transforms = tuple(t for t in compose.transforms if "LoadImage" not in type(t).__name__)
    assert isinstance(compose.transforms[0], MapTransform)
    assert len(compose.transforms) == 2
    pixels = np.asarray(Image.open(picture))
    value = MetaTensor(torch.as_tensor(pixels.T[..., None].copy()), meta={"original_channel_dim": "no_channel"})
    inputs = compose({"image": value})
    from_file = loaded(root).get_parsed_content("preprocessing")({"image": str(picture)})
    assert torch.equal(torch.as_tensor(inputs["image"]), torch.as_tensor(from_file["image"]))
    network = parser.get_parsed_content("network")  # the key that Deploy looks for first
    network.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True), strict=True)
    with torch.no_grad():
        (output,) = parser.get_parsed_content("inferer")(inputs=inputs["image"][None], network=network.eval())
    result = parser.get_parsed_content("postprocessing")({"pred": output, **inputs})
    assert int(result["pred"].argmax()) == 3


def test_a_trained_bundle_has_the_numbers_of_its_own_set(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    made = workflow(root, "train", kind="train", **for_train)
    made.initialize()
    dimmed = [{"image": item["image"] / 2, "label": item["label"]} for item in DigitsDataset("training")]
    made.train_dataset_data = dimmed[::8]
    run(made)
    *_, last = json.loads((root / "configs" / "inference.json").read_text())["preprocessing"]["transforms"]
    images = torch.stack([item["image"] for item in dimmed[::8]])
    assert last["subtrahend"] == pytest.approx([float(images.mean())])
    assert last["divisor"] == pytest.approx([float(images.std(correction=0))])
