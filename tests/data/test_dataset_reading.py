"""Items of a large dataset come from several processes, in order and unchanged."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_distill.data import dataset_reading
from monai_distill.data.dataset_reading import loaded_items, read_dataset

CONSTANT = [{"image": torch.full((1, 3, 2), float(i)), "label": i, "name": str(i)} for i in range(9)]
SIZES = [{"image": torch.full((1, 3, 1 + i), float(i)), "label": i} for i in range(9)]
MIXED = [CONSTANT[0], {"image": [1.0, 2.0]}, {"label": 3}, 4, "five"]


@pytest.mark.parametrize("items", [CONSTANT, SIZES, MIXED], ids=["one shape", "several shapes", "of any kind"])
def test_several_processes_give_the_items_in_order(items: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_reading, "WORKERS_FROM", 1)
    monkeypatch.setattr(dataset_reading, "_cores", lambda: 2)
    monkeypatch.setattr(dataset_reading, "BATCH_BYTES", 3 * 24)  # three images of the first kind
    read = list(loaded_items(items))
    assert len(read) == len(items)
    for got, given in zip(read, items, strict=True):
        if not isinstance(given, dict):
            assert got == given
            continue
        assert got.keys() == given.keys()
        for key, value in given.items():
            assert torch.equal(got[key], value) if isinstance(value, torch.Tensor) else got[key] == value


@pytest.mark.parametrize(("image", "count"), [(torch.zeros(1, 28, 28), 64), (torch.zeros(2**19), 2), (None, 1)])
def test_a_worker_sends_a_few_mebibytes_at_once(image: torch.Tensor | None, count: int) -> None:
    assert dataset_reading._items_at_once({"image": image}) == count


BYTES = [torch.full((1, 2, 2), k / 255) for k in (0, 7, 255)]
OTHERS = [torch.full((1, 2, 2), value) for value in (0.3, -1.0, 7.0)]
ORDERS = {
    "bytes": BYTES * 2,
    "bytes, then others": BYTES + OTHERS,
    "others, then bytes": OTHERS + BYTES,
    "in turn": [image for pair in zip(BYTES, OTHERS, strict=True) for image in pair],
    "numbers of the user": [torch.full((1, 2, 2), k, dtype=torch.uint8) for k in (0, 1, 200)],
    "doubles": [image.double() for image in OTHERS],
}


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("images", ORDERS.values(), ids=ORDERS)
def test_the_values_do_not_depend_on_the_blocks(
    images: list[torch.Tensor], cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_reading, "WORKERS_FROM", 1)
    monkeypatch.setattr(dataset_reading, "_cores", lambda: cores)
    monkeypatch.setattr(dataset_reading, "BATCH_BYTES", 2 * 16)  # two images
    content = read_dataset([{"image": image, "label": number % 2} for number, image in enumerate(images)])
    assert torch.equal(content.images[:], torch.stack(images).float())
    assert (content.images.pixels.dtype == torch.uint8) == (images is ORDERS["bytes"])
    assert content.labels.tolist() == [number % 2 for number in range(len(images))]


def test_one_process_reads_every_item_once() -> None:
    read: list[int] = []

    class Counted(list[Any]):
        def __getitem__(self, position: Any) -> Any:
            read.append(position)
            return super().__getitem__(position)

    list(loaded_items(Counted(CONSTANT)))
    assert read == list(range(9))  # a random transform would give other values when it is called once more
