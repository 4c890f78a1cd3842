"""The synthetic set: exact on disk, harmless to load, at home in torch's and MONAI's loaders, savers and optimisers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import monai.data
import numpy as np
import pytest
import torch
import torch.utils.data
from ignite.engine import Engine
from monai.handlers import CheckpointLoader, CheckpointSaver
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import Standardize, ZCAWhitening

NAMES = ["a", "b", "c"]
LABELS = torch.tensor([2, 0, 1, 1])


def pixels(*shape: int) -> Tensor:
    return torch.rand(*(shape or (4, 2, 3, 3)), generator=seeded_generator(0, "pixels"))


def make(*, soft: bool = False, preprocessing: Any = None, **others: Any) -> SyntheticDataset:
    images = pixels() if preprocessing is None else preprocessing(pixels())
    logits = torch.randn(4, 3, generator=seeded_generator(0, "logits")) if soft else None
    return SyntheticDataset(
        images, LABELS, NAMES, student_lr=0.1 / 3, label_logits=logits, preprocessing=preprocessing, **others
    )


def fitted(name: str) -> Any:
    many = pixels(40, 2, 3, 3)
    return {"none": None, "Standardize": Standardize.fit(many), "ZCAWhitening": ZCAWhitening.fit(many)}[name]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("preprocessing", ["none", "Standardize", "ZCAWhitening"])
def test_a_saved_set_is_read_back_bit_by_bit(tmp_path: Path, preprocessing: str, soft: bool) -> None:
    data = make(soft=soft, preprocessing=fitted(preprocessing), manifest={"license": "CC0"})
    data.save(tmp_path / "deep" / "folder", {"seed": 7})
    read = SyntheticDataset.load(tmp_path / "deep" / "folder")
    assert read.state_dict().keys() == data.state_dict().keys()
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in data.state_dict().items())
    assert [n for n, _ in read.named_parameters()] == [n for n, _ in data.named_parameters()]
    assert all(parameter.requires_grad for parameter in read.parameters())
    assert (read.class_names, read.soft) == (tuple(NAMES), soft)
    assert read.manifest["license"] == "CC0"
    assert read.manifest["seed"] == 7
    assert read.manifest == json.loads((tmp_path / "deep" / "folder" / "manifest.json").read_text())
    assert type(read.preprocessing) is type(data.preprocessing)
    assert torch.equal(read.pixels(), data.pixels())
    if data.preprocessing is not None:
        fresh = pixels(5, 2, 3, 3)
        assert torch.equal(read.preprocessing(fresh), data.preprocessing(fresh))


def test_saving_a_loaded_set_writes_the_same_bytes(tmp_path: Path) -> None:
    make(soft=True, preprocessing=fitted("ZCAWhitening")).save(tmp_path / "one", {"seed": 1})
    SyntheticDataset.load(tmp_path / "one").save(tmp_path / "two")
    for name in ("synthetic.safetensors", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["manifest.json", "synthetic.safetensors"]


@pytest.mark.parametrize("preprocessing", ["none", "Standardize", "ZCAWhitening"])
def test_pixels_undo_the_preprocessing(preprocessing: str) -> None:
    torch.testing.assert_close(make(preprocessing=fitted(preprocessing)).pixels(), pixels(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("soft", [False, True])
def test_items_are_image_label_and_class_name(soft: bool) -> None:
    data = make(soft=soft)
    assert len(data) == 4
    for index, name in enumerate("cabb"):
        item = data[index]
        assert list(item) == ["image", "label", "class_name"]
        assert torch.equal(item["image"], data.images.detach()[index])
        assert not item["image"].requires_grad
        assert item["class_name"] == name
        if soft:
            assert torch.equal(item["label"], data.label_logits.detach()[index].softmax(dim=0))
            assert not item["label"].requires_grad
        else:
            assert type(item["label"]) is int
            assert item["label"] == LABELS[index]


def test_changing_an_item_in_place_leaves_the_set_alone() -> None:
    data = make(soft=True)
    before = {name: value.clone() for name, value in data.state_dict().items()}
    for item in (data[0], data[1]):
        item["image"].zero_()
        item["label"].zero_()
    assert all(torch.equal(value, before[name]) for name, value in data.state_dict().items())


def test_the_given_tensors_are_copied() -> None:
    images, labels, logits = pixels(), LABELS.clone(), torch.zeros(4, 3)
    data = SyntheticDataset(images, labels, NAMES, label_logits=logits)
    for tensor in (images, labels, logits):
        tensor.add_(1)
    assert torch.equal(data.images.detach(), pixels())
    assert torch.equal(data.labels, LABELS)
    assert torch.equal(data.label_logits.detach(), torch.zeros(4, 3))


@pytest.mark.parametrize("loader", [torch.utils.data.DataLoader, monai.data.DataLoader])
@pytest.mark.parametrize("soft", [False, True])
def test_loaders_batch_the_items(loader: Any, soft: bool) -> None:
    data = make(soft=soft)
    batches = list(loader(data, batch_size=3, num_workers=0))
    assert [len(batch["image"]) for batch in batches] == [3, 1]
    assert torch.equal(torch.cat([batch["image"] for batch in batches]), data.images.detach())
    expected = data.targets.detach().softmax(dim=1) if soft else data.targets
    torch.testing.assert_close(torch.cat([batch["label"] for batch in batches]), expected)
    assert [name for batch in batches for name in batch["class_name"]] == list("cabb")


@pytest.mark.parametrize("soft", [False, True])
def test_an_optimizer_moves_every_parameter_and_no_label_number(soft: bool) -> None:
    data = make(soft=soft)
    before = {name: value.clone() for name, value in data.state_dict().items()}
    optimizer = torch.optim.SGD(data.parameters(), lr=0.5)
    sum((parameter**2).sum() / 2 for parameter in data.parameters()).backward()
    optimizer.step()
    after = data.state_dict()
    assert torch.equal(after["labels"], before["labels"])
    for name in {"images", "student_lr", *(["label_logits"] if soft else [])}:
        torch.testing.assert_close(after[name], before[name] / 2)
    assert data.targets is (data.label_logits if soft else data.labels)


@pytest.mark.parametrize("soft", [False, True])
def test_monai_saves_and_loads_it_as_a_checkpoint(tmp_path: Path, soft: bool) -> None:
    data = make(soft=soft)
    engine = Engine(lambda engine, batch: None)
    CheckpointSaver(str(tmp_path), {"synthetic": data}, save_final=True).attach(engine)
    engine.run([0], max_epochs=1)
    (file,) = tmp_path.iterdir()
    other = make(soft=soft)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    engine = Engine(lambda engine, batch: None)
    CheckpointLoader(str(file), {"synthetic": other}).attach(engine)
    engine.run([0], max_epochs=1)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in data.state_dict().items())


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_damaged_tensors_are_refused(tmp_path: Path, place: float) -> None:
    file = make().save(tmp_path) / "synthetic.safetensors"
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 1
    file.write_bytes(content)
    with pytest.raises(RuntimeError, match="damaged"):
        SyntheticDataset.load(tmp_path)


def test_truncated_tensors_are_refused(tmp_path: Path) -> None:
    file = make().save(tmp_path) / "synthetic.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match="damaged"):
        SyntheticDataset.load(tmp_path)


@pytest.mark.parametrize("name", ["synthetic.safetensors", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make().save(tmp_path) / name).unlink()
    with pytest.raises(RuntimeError, match=f"Cannot find .*{name}"):
        SyntheticDataset.load(tmp_path)


@pytest.mark.parametrize("text", ["", '{"class_names": ', "{}"])
def test_a_damaged_manifest_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (make().save(tmp_path) / "manifest.json").write_text(text)
    with pytest.raises(RuntimeError, match="manifest"):
        SyntheticDataset.load(tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.exec",
        "subprocess.run",
        "monai_distill.data.SyntheticDataset.load",
        "monai_distill.transformsX.os.system",
        "monai_distill.transforms.standardize.torch.os.system",
        "monai_distill.transforms.NoSuchTransform",
        "monai_distill.transforms.",
        "monai_distill.transforms.standardize",
    ],
)
def test_a_manifest_that_names_foreign_code_is_refused_and_nothing_runs(tmp_path: Path, target: str) -> None:
    file = make(preprocessing=fitted("Standardize")).save(tmp_path) / "manifest.json"
    witness = tmp_path / "witness"
    content = json.loads(file.read_text())
    content["preprocessing"] = {"_target_": target, "command": f"touch {witness}"}
    file.write_text(json.dumps(content))
    with pytest.raises(RuntimeError, match=target.replace(".", r"\.")):
        SyntheticDataset.load(tmp_path)
    assert not witness.exists()


def test_an_interrupted_save_leaves_the_old_files_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make()
    data.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with torch.no_grad():
        data.images.zero_()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(RuntimeError, match="No space"):
            data.save(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert torch.equal(SyntheticDataset.load(tmp_path).images.detach(), pixels())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": torch.zeros(4, 3, 3)}, "Expected images"),
        ({"images": torch.zeros(3, 1, 3, 3)}, "Expected images"),
        ({"labels": torch.tensor([0, 1, 2, 3])}, "labels from 0 to 2"),
        ({"labels": torch.tensor([0, 1, 2, -1])}, "labels from 0 to 2"),
        ({"student_lr": 0.0}, "above 0"),
        ({"student_lr": -0.1}, "above 0"),
        ({"student_lr": float("nan")}, "above 0"),
        ({"label_logits": torch.zeros(4, 2)}, "label_logits"),
        ({"label_logits": torch.zeros(3, 3)}, "label_logits"),
    ],
)
def test_what_does_not_fit_together_is_refused(change: dict[str, Any], words: str) -> None:
    fitting = {"images": pixels(), "labels": LABELS, "class_names": NAMES}
    assert len(SyntheticDataset(**fitting)) == 4
    with pytest.raises(ValueError, match=words):
        SyntheticDataset(**{**fitting, **change})


def test_the_manifest_states_shape_labels_and_step_size(tmp_path: Path) -> None:
    make(soft=True).save(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    assert content["images"] == {"count": 4, "shape": [2, 3, 3], "dtype": "float32"}
    assert content["labels"] == "learned logits"
    assert np.float32(content["student_lr"]) == np.float32(0.1 / 3)


@pytest.mark.parametrize(
    ("images", "labels", "names", "says"),
    [
        (np.zeros((2, 1, 4, 4)), torch.tensor([0, 1]), ["a", "b"], "images as a tensor, got ndarray"),
        (torch.zeros(2, 1, 4, 4), [0, 1], ["a", "b"], "labels as a tensor, got list"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0.5, 1]), ["a", "b"], "soft labels as label_logits"),
        (torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), "ab", "class_names as a list of names"),
    ],
)
def test_wrong_types_are_refused(images: Any, labels: Any, names: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        SyntheticDataset(images, labels, names)
