"""The class bank: draws by class, refusals, and names for images and for the whole."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from monai.data import Dataset, MetaTensor
from torch import Tensor

from monai_distill.data import ClassBank
from monai_distill.runtime.randomness import seeded_generator

NAMES = ["a", "b", "c", "d"]
LABELS = torch.tensor([2, 0, 2, 2, 0, 2, 3])  # class 1 is empty


class Items(Dataset):  # type: ignore[misc]
    """A MONAI dataset with class names."""

    def __init__(self, items: list[dict[str, Any]], class_names: list[str]) -> None:
        super().__init__(items)
        self.class_names = class_names


def make(*shape: int) -> ClassBank:
    images = torch.rand(len(LABELS), *(shape or (1, 4, 4)), generator=seeded_generator(0, "bank"))
    return ClassBank(images, LABELS, NAMES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 5, 4), (1, 4, 4, 4), (3, 3, 4, 5)])
def test_unequal_classes_are_indexed_and_drawn_from(shape: tuple[int, ...]) -> None:
    bank = make(*shape)
    assert (len(bank), bank.num_classes, bank.counts) == (7, 4, (2, 0, 4, 1))
    assert [index.tolist() for index in bank.indices] == [[1, 4], [], [0, 2, 3, 5], [6]]
    for label, count in ((0, 1), (2, 3), (2, 11), (3, 2), (0, 0)):
        drawn = bank.sample(label, count, generator())
        assert drawn.shape == (count, *shape)
        members = set(bank.subset(bank.indices[label]).image_hashes())
        assert set(ClassBank(drawn, torch.full((count,), label), NAMES).image_hashes()) <= members


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_image_comes_once_before_any_comes_twice(count: int, seed: int) -> None:
    positions = make().draw_indices(2, count, generator(seed)).tolist()
    assert len(positions) == count
    for low in range(0, count, 4):
        assert len(set(positions[low : low + 4])) == len(positions[low : low + 4])
    times = Counter(positions)
    assert set(times) <= {0, 2, 3, 5}
    assert max(times.values()) - min([*times.values(), *([0] if len(times) < 4 else [])]) <= 1


def test_draws_repeat_with_the_generator_and_differ_otherwise() -> None:
    bank = make()
    assert torch.equal(bank.draw_indices(2, 40, generator(3)), bank.draw_indices(2, 40, generator(3)))
    assert not torch.equal(bank.draw_indices(2, 40, generator(3)), bank.draw_indices(2, 40, generator(4)))


def test_a_draw_from_an_empty_class_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Class 1 \(b\) has no training image"):
        make().sample(1, 1, generator())


def test_items_of_a_dataset_become_plain_tensors_in_order() -> None:
    bank = make(3, 4, 4)
    items = [
        {"image": MetaTensor(image, meta={"source": "x"}), "label": torch.tensor(int(label))}
        for image, label in zip(bank.images[:], bank.labels, strict=True)
    ]
    read = ClassBank.from_dataset(Items(items, NAMES))
    assert type(read.images[:]) is Tensor
    assert type(read.labels) is Tensor
    assert type(read.sample(2, 2, generator())) is Tensor
    assert (read.images.dtype, read.labels.dtype) == (torch.float32, torch.int64)
    assert torch.equal(read.images[:], bank.images[:])
    assert torch.equal(read.labels, LABELS)
    assert read.class_names == tuple(NAMES)
    read.images[:].zero_()
    assert float(items[0]["image"].abs().max()) > 0


def test_arrays_of_other_number_types_are_read_as_float32() -> None:
    item = {"image": torch.arange(16, dtype=torch.uint8).reshape(1, 4, 4).numpy(), "label": 1}
    bank = ClassBank.from_dataset(Items([item], NAMES))
    assert torch.equal(bank.images[0][0].flatten(), torch.arange(16.0))


def test_images_of_different_shape_are_refused_with_the_position() -> None:
    items = [{"image": torch.zeros(1, side, 4), "label": 0} for side in (4, 4, 5)]
    with pytest.raises(ValueError, match=r"\[1, 4, 4\] and .*position 2 has \[1, 5, 4\]"):
        ClassBank.from_dataset(Items(items, NAMES))


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        ClassBank.from_dataset(Items([], NAMES))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_images_that_are_not_finite_are_refused(value: float) -> None:
    images = torch.zeros(2, 1, 4, 4)
    images[1, 0, 3, 3] = value
    with pytest.raises(ValueError, match="finite"):
        ClassBank(images, torch.tensor([0, 1]), NAMES)


@pytest.mark.parametrize(
    ("shape", "labels", "words"),
    [
        ((2, 1, 4, 4), [0], "got"),
        ((2, 4, 4), [0, 1], "channels"),
        ((2, 1, 4, 4), [0, 4], "labels from 0 to 3"),
        ((2, 1, 4, 4), [-1, 0], "got -1 to 0"),
    ],
)
def test_images_and_labels_that_disagree_are_refused(shape: tuple[int, ...], labels: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ClassBank(torch.zeros(shape), torch.tensor(labels), NAMES)


def test_hashes_are_equal_exactly_for_equal_images() -> None:
    images = torch.rand(3, 1, 4, 4, generator=generator())
    images = torch.cat([images, images[1:2], images[1:2] + 0])
    images[4, 0, 0, 0] = torch.nextafter(images[4, 0, 0, 0], torch.tensor(2.0))
    hashes = ClassBank(images, torch.zeros(5, dtype=torch.long), NAMES).image_hashes()
    assert hashes[1] == hashes[3]
    assert len(set(hashes)) == 4
    part = ClassBank(images[2:], torch.ones(3, dtype=torch.long), NAMES).image_hashes()
    assert part == hashes[2:]


def test_without_drops_the_named_images_and_keeps_the_order() -> None:
    bank = make()
    hashes = bank.image_hashes()
    left = bank.without({hashes[0], hashes[4], "no such hash"})
    assert left.image_hashes() == [hashes[i] for i in (1, 2, 3, 5, 6)]
    assert left.labels.tolist() == [0, 2, 2, 2, 3]
    assert left.class_names == bank.class_names
    assert bank.without(set()).image_hashes() == hashes
    assert bank.without(set(hashes)).counts == (0, 0, 0, 0)


def test_the_fingerprint_changes_with_a_pixel_a_label_a_name_and_the_order() -> None:
    bank = make()
    pixel, label = bank.images.clone(), bank.labels.clone()
    pixel[3, 0, 2, 1] += 1e-6
    label[0] = 3
    others = [
        ClassBank(pixel, bank.labels, NAMES),
        ClassBank(bank.images, label, NAMES),
        ClassBank(bank.images, bank.labels, ["a", "b", "c", "e"]),
        bank.subset(torch.tensor([1, 0, 2, 3, 4, 5, 6])),
        ClassBank(bank.images.reshape(7, 1, 2, 8), bank.labels, NAMES),
    ]
    prints = [bank.fingerprint(), *(other.fingerprint() for other in others)]
    assert len(set(prints)) == len(prints)
    assert make().fingerprint() == bank.fingerprint()


class _Visits:
    """Four images of two patients, one of whom may be unknown."""

    class_names = ("a", "b")

    def __init__(self, patients: list[str | None]) -> None:
        self.patients = patients

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, index: int) -> dict[str, object]:
        item = {"image": torch.full((1, 2, 2), float(index)), "label": index % 2}
        return item if self.patients[index] is None else {**item, "patient": self.patients[index]}


def test_patients_are_stored_as_numbers_through_subsets_and_mappings() -> None:
    bank = ClassBank.from_dataset(_Visits(["Doe", "Roe", "Doe", "Roe"]))
    assert bank.patients is not None
    assert bank.patients.tolist() == [0, 1, 0, 1]
    for other in (bank.subset(torch.tensor([3, 0])), bank.mapped(lambda x: x + 1), bank.without([])):
        assert other.patients is not None
    assert bank.subset(torch.tensor([3, 0])).patients.tolist() == [1, 0]  # type: ignore[union-attr]
    assert "Doe" not in str(vars(bank))


def test_patients_are_none_unless_every_image_has_one() -> None:
    assert ClassBank.from_dataset(_Visits(["Doe", None])).patients is None
    with pytest.raises(ValueError, match="as many patients"):
        ClassBank(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]), ["a", "b"], torch.tensor([0]))


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ((torch.zeros(1, 4, 4), 0), "dictionaries with image and label, got tuple at position 0"),
        ({"img": torch.zeros(1, 4, 4), "label": 0}, r"got the keys \['img', 'label'\] at position 0"),
        ({"image": torch.zeros(1, 4, 4), "label": "cat"}, "class number from 0 as label, got 'cat'"),
        ({"image": torch.zeros(1, 4, 4), "label": 0.5}, "class number from 0 as label, got 0.5"),
        ({"image": torch.zeros(1, 4, 4), "label": torch.tensor([0, 1])}, "One class per image"),
    ],
)
def test_items_of_another_kind_are_refused_with_their_position(item: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        ClassBank.from_dataset([item])


def test_one_string_is_no_list_of_class_names() -> None:
    with pytest.raises(TypeError, match="class_names as a list of names"):
        ClassBank(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), "ab")
