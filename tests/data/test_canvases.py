"""A set whose canvases hold several images: everything but the parameter and the file sees the images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset, real_images
from monai_distill.data.initial_images import initial_set, packed_subset, refuse_small_start
from monai_distill.export.release.formats.labels import hard_labels, with_hard_labels
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import CanvasDecode, Standardize, ZCAWhitening

NAMES = ["a", "b"]
LABELS = torch.tensor([1, 0, 0])


def pixels(count: int, size: int = 4) -> Tensor:
    return torch.rand(count, 2, size, size, generator=seeded_generator(0, "pixels"))


def make(preprocessing: Any = None, *, soft: bool = False, **decode: Any) -> SyntheticDataset:
    images = pixels(3) if preprocessing is None else preprocessing(pixels(3))
    images_of = CanvasDecode(**{"factor": 2, **decode})
    count = len(images_of.cells(LABELS.tolist(), 2).canvas)
    logits = torch.randn(count, 2, generator=seeded_generator(0, "logits")) if soft else None
    return SyntheticDataset(images, LABELS, NAMES, label_logits=logits, preprocessing=preprocessing, decode=images_of)


def fitted(name: str) -> Any:
    return {"Standardize": Standardize, "ZCAWhitening": ZCAWhitening}[name].fit(pixels(40))


def test_items_labels_and_training_images_are_the_decoded_ones() -> None:
    data = make()
    assert len(data) == 12
    assert data.labels.tolist() == [1] * 4 + [0] * 8
    assert data.canvas_labels.tolist() == [1, 0, 0]
    images, targets, _ = data.training_set()
    assert images.shape == (12, 2, 4, 4)
    assert len(targets) == 12
    assert data.canvas_pixels().shape == (3, 2, 4, 4)
    assert torch.equal(data[5]["image"], images[5])
    assert data[3]["class_name"] == "b"
    assert data.images_per_canvas.tolist() == [4, 4, 4]


@pytest.mark.parametrize("kind", ["single", "multi", "bound"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_decode_travels_with_the_files(tmp_path: Path, kind: str, soft: bool) -> None:
    data = make(fitted("Standardize"), soft=soft, kind=kind, **({"at_most": 5} if kind == "bound" else {}))
    data.save(tmp_path)
    read = SyntheticDataset.load(tmp_path)
    assert torch.equal(read.pixels(), data.pixels())
    assert torch.equal(read.targets, data.targets)
    images = json.loads((tmp_path / "manifest.json").read_text())["images"]
    assert (images["count"], images["decoded"]) == (3, len(data))


def test_a_manifest_cannot_name_another_decode(tmp_path: Path) -> None:
    make().save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["decode"] = {"_target_": "os.system", "command": "true"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RuntimeError, match=r"os\.system"):
        SyntheticDataset.load(tmp_path)


@pytest.mark.parametrize("name", ["Standardize", "ZCAWhitening"])
def test_a_canvas_is_decoded_as_pixels_and_then_preprocessed(name: str) -> None:
    preprocessing = fitted(name)
    plain, prepared = make(), make(preprocessing)
    torch.testing.assert_close(prepared.pixels(), plain.pixels(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(prepared.decoded(), preprocessing(plain.decoded()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["Standardize", "ZCAWhitening"])
def test_real_images_start_shrunk_one_in_every_cell(name: str) -> None:
    flat = torch.arange(16.0)[:, None, None, None].expand(-1, 2, 4, 4) / 16
    preprocessing = fitted(name)
    bank = ClassBank(preprocessing(flat.contiguous()), torch.arange(2).repeat(8), NAMES)
    decode = CanvasDecode(2)
    canvases, labels = initial_set(
        {"real": real_images}, "real", bank, 2, seed=0, decode=decode, preprocessing=preprocessing
    )
    assert labels.tolist() == [0, 0, 1, 1]
    data = SyntheticDataset(canvases, labels, NAMES, decode=decode, preprocessing=preprocessing)
    values = (16 * data.pixels().mean(dim=(1, 2, 3))).round().int().tolist()
    assert sorted(values) == list(range(16))
    assert {value % 2 for value in values[:8]} == {0}
    packed, targets = packed_subset(bank, 2, seeded_generator(0, "control"), data)
    assert packed.shape == (16, 2, 4, 4)
    assert torch.equal(targets, data.labels)
    assert float(preprocessing.inverse(packed).var(dim=(2, 3)).max()) < 1e-4  # whole images, none is cut


def test_too_few_images_for_all_cells_are_refused_before_the_run() -> None:
    bank = ClassBank(pixels(8), torch.arange(2).repeat(4), NAMES)
    refuse_small_start(bank, 1, "real", CanvasDecode(2))
    refuse_small_start(bank, 2, "noise", CanvasDecode(2))
    with pytest.raises(ValueError, match="a has 4, b has 4"):
        refuse_small_start(bank, 2, "real", CanvasDecode(2))
    with pytest.raises(ValueError, match="--factor"):
        refuse_small_start(bank, 1, "noise", CanvasDecode(3))


def test_hard_labels_are_shared_by_the_images_of_a_canvas() -> None:
    data = make(soft=True)
    numbers = hard_labels(data)
    means = torch.stack([data.targets[4 * i : 4 * i + 4].softmax(dim=1).mean(dim=0) for i in range(3)])
    assert torch.equal(numbers, means.argmax(dim=1).repeat_interleave(4))
    plain = with_hard_labels(data)
    assert torch.equal(plain.labels, numbers)
    assert torch.equal(plain.pixels(), data.pixels())
