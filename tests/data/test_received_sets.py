"""Sets of several sites: what arrives is what was sent, and the union holds the same pixels."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.data.received_sets import joined_set, message_of, received_set
from monai_distill.transforms import CanvasDecode, Standardize, ZCAWhitening


def made(seed: int = 0, *, scale: float = 1.0, soft: bool = False, **arguments: Any) -> SyntheticDataset:
    generator = torch.Generator().manual_seed(seed)
    source = torch.rand(20, 1, 4, 4, generator=generator) * scale
    arguments = {"preprocessing": Standardize.fit(source), "student_lr": 0.01 * 4**seed, **arguments}
    images = torch.randn(2, 1, 4, 4, generator=generator)
    data = SyntheticDataset(images, torch.tensor([0, 1]), ["no", "yes"], **arguments)
    if soft:
        arguments["label_logits"] = torch.randn(len(data), 2, generator=generator)
        data = SyntheticDataset(images, torch.tensor([0, 1]), ["no", "yes"], **arguments)
    return data


@pytest.mark.parametrize("soft", [False, True])
def test_a_message_arrives_as_it_was_sent(soft: bool, tmp_path: Path) -> None:
    sent = made(soft=soft, decode=CanvasDecode(2, "multi"))
    message = message_of(sent.save(tmp_path, {"dataset": "mine"}))
    found = received_set({name: value.numpy() for name, value in message.items()})
    assert found.manifest == sent.manifest
    assert len(found) == len(sent) == 10
    for ours, theirs in zip(found.training_set(), sent.training_set(), strict=True):
        assert torch.equal(torch.as_tensor(ours), torch.as_tensor(theirs))


def test_an_average_of_messages_is_found_out(tmp_path: Path) -> None:
    first, second = (message_of(made(seed).save(tmp_path / str(seed))) for seed in (0, 1))
    averaged = {name: (value + second[name]) / 2 if name == "images" else value for name, value in first.items()}
    with pytest.raises(ValueError, match="changed on the way"):
        received_set(averaged)
    with pytest.raises(ValueError, match="changed on the way"):
        received_set({**first, "manifest": first["manifest"][:-3]})
    with pytest.raises(ValueError, match="without manifest"):
        received_set({"images": torch.ones(1), "labels": torch.ones(1)})
    with pytest.raises(TypeError, match="NoneType"):
        received_set(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("soft", [False, True])
def test_the_union_holds_the_pixels_of_the_parts_under_one_standardization(soft: bool) -> None:
    parts = {"a": made(0, soft=soft), "b": made(1, scale=0.4, soft=soft)}
    union = joined_set(parts)
    pixels = torch.cat([part.pixels() for part in parts.values()])
    torch.testing.assert_close(union.pixels(), pixels, rtol=0, atol=1e-6)
    # the statistics of two samples of one size, put together
    samples = [
        np.array([rule.mean[0] - rule.std[0], rule.mean[0] + rule.std[0]])
        for rule in (p.preprocessing for p in parts.values())
    ]
    both = np.concatenate(samples)
    assert union.preprocessing.mean == pytest.approx([both.mean()])
    assert union.preprocessing.std == pytest.approx([both.std()])
    assert float(union.student_lr.detach()) == pytest.approx(0.02)  # between 0.01 and 0.04
    assert torch.equal(union.targets, torch.cat([part.targets for part in parts.values()]))
    assert union.manifest["sites"].keys() == parts.keys()
    assert "privacy" not in union.manifest


def test_claims_stay_with_the_parts_and_what_differs_is_left_out(tmp_path: Path) -> None:
    parts = {}
    for seed, name in enumerate("ab"):
        part = made(seed)
        part.save(tmp_path / name, {"method": "dm", "dataset": name, "privacy": {"tier": "T2", "epsilon": 8.0}})
        parts[name] = part
    manifest = joined_set(parts).manifest
    assert manifest["method"] == "dm"
    assert "dataset" not in manifest
    assert manifest["sites"]["b"]["privacy"]["epsilon"] == 8.0
    assert manifest["initial_images"] == "unknown"


@pytest.mark.parametrize(
    ("other", "part"),
    [
        ({"decode": CanvasDecode(2, "multi")}, "decode"),
        ({"soft": True}, "labels"),
        ({"preprocessing": None}, "preprocessing"),
    ],
)
def test_sets_that_do_not_agree_are_not_joined(other: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=f"with {part}"):
        joined_set({"a": made(0), "b": made(1, **other)})


def test_other_classes_no_set_and_whitened_sets_are_refused() -> None:
    renamed = SyntheticDataset(
        torch.zeros(1, 1, 4, 4), torch.tensor([0]), ["yes", "no"], preprocessing=made().preprocessing
    )
    with pytest.raises(ValueError, match=r"classes \['yes', 'no'\]"):
        joined_set({"a": made(0), "b": renamed})
    with pytest.raises(ValueError, match="at least one"):
        joined_set({})
    whitened = made(preprocessing=ZCAWhitening.fit(torch.rand(40, 1, 4, 4)))
    with pytest.raises(ValueError, match="zca false"):
        joined_set({"a": whitened, "b": whitened})


def test_a_decode_that_depends_on_the_number_of_canvases_is_refused() -> None:
    bound = made(decode=CanvasDecode(2, "bound", at_most=4))
    with pytest.raises(ValueError, match="factor_kind"):
        joined_set({"a": bound, "b": bound})


def test_sets_of_pixel_values_are_joined_as_they_are() -> None:
    parts = {"a": made(0, preprocessing=None), "b": made(1, preprocessing=None)}
    assert torch.equal(joined_set(parts).images, torch.cat([part.images for part in parts.values()]))
