# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Compose
from torch import Tensor

from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment, SiameseAugmentd
from monai_distill.transforms.siamese_augment import AugmentParameters
from monai_distill.transforms.siamese_augment_dict import SiameseAugmentD, SiameseAugmentDict

ALL = ("color", "crop", "cutout", "flip", "scale", "rotate")
SHAPES = [(8, 8), (9, 6), (5, 6, 7)]


def images_of(shape: Sequence[int], count: int = 3, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, *shape, generator=seeded_generator(0, "images"), dtype=torch.float64)


@pytest.mark.parametrize("operation", ALL)
def test_a_siamese_draw_is_the_same_for_batches_of_any_size(operation: str) -> None:
    augment, images = SiameseAugment((operation,)), images_of((8, 8), count=7)
    draw = augment.draw(7, (8, 8), seeded_generator(3), siamese=True)
    whole = augment.apply(images, draw)
    assert torch.equal(whole[2:4], augment.apply(images[2:4], draw))
    assert torch.equal(whole, augment.apply(images, draw)), "a replay must repeat the tensor"


def test_draws_are_repeatable_and_cover_the_list() -> None:
    augment = SiameseAugment(("flip", "cutout"))
    generator, again = seeded_generator(0), seeded_generator(0)
    draws = [augment.draw(2, (8, 8), generator) for _ in range(40)]
    assert {draw.operation for draw in draws} == {"flip", "cutout"}
    for draw in draws:
        other = augment.draw(2, (8, 8), again)
        assert draw.operation == other.operation
        assert all(torch.equal(value, other.values[name]) for name, value in draw.values.items())


def test_draws_stay_in_their_ranges_and_reach_the_ends() -> None:
    generator, augment = seeded_generator(0), {name: SiameseAugment((name,)) for name in ALL}
    values = {name: augment[name].draw(4000, (32, 16), generator).values for name in ALL}
    shift = values["crop"]["shift"]
    assert [sorted(set(column.tolist())) for column in shift.T] == [list(range(-4, 5)), list(range(-2, 3))]
    low, high = values["cutout"]["low"], values["cutout"]["high"]
    assert (low.amin(0).tolist(), high.amax(0).tolist()) == ([0, 0], [32, 16])
    assert (high - low).amax(0).tolist() == [16, 8]
    assert (high - low).amin(0).tolist() == [8, 4]
    for value, (least, most) in {
        values["scale"]["factor"]: (1 / 1.2, 1.2),
        values["rotate"]["radians"]: (-math.radians(15), math.radians(15)),
        values["color"]["brightness"]: (-0.5, 0.5),
        values["color"]["saturation"]: (0.0, 2.0),
        values["color"]["contrast"]: (0.5, 1.5),
    }.items():
        assert least <= value.min() < least + 0.01 * (most - least)
        assert most >= value.max() > most - 0.01 * (most - least)
    assert 0.45 < values["flip"]["flipped"].double().mean() < 0.55


@pytest.mark.parametrize(
    ("side", "shift", "box"),  # an eighth and a half of the side, halves upwards
    [(5, 1, 3), (8, 1, 4), (9, 1, 5), (20, 3, 10), (28, 4, 14), (32, 4, 16), (36, 5, 18)],
)
def test_fractions_of_a_side_are_rounded_half_up(side: int, shift: int, box: int) -> None:
    generator = seeded_generator(side)
    shifts = SiameseAugment(("crop",)).draw(1000, (side, side), generator).values["shift"]
    assert (int(shifts.min()), int(shifts.max())) == (-shift, shift)
    values = SiameseAugment(("cutout",)).draw(1000, (side, side), generator).values
    assert int((values["high"] - values["low"]).max()) == box


def test_without_flip_nothing_is_mirrored() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 3:13, 2:6] = 1.0  # all of it left of the center, further than a shift can bring it across
    augment = SiameseAugment(("crop", "cutout", "scale", "rotate"), cutout_fraction=0.25)
    generator = seeded_generator(0)
    for _ in range(200):
        out = augment.apply(image, augment.draw(1, (16, 16), generator))
        assert not torch.equal(out, image.flip(-1))
        assert out[..., :8].sum() > out[..., 8:].sum()


def test_flip_is_an_exact_mirror_of_the_last_axis() -> None:
    images = images_of((5, 6))
    draw = AugmentParameters("flip", {"flipped": torch.tensor([True, False, True])})
    out = SiameseAugment(("flip",)).apply(images, draw)
    assert torch.equal(out[0], images[0].flip(-1))
    assert torch.equal(out[1], images[1])


def test_saturation_is_the_identity_on_one_channel() -> None:
    images = images_of((4, 4), channels=1)
    values = {"brightness": torch.zeros(1), "saturation": torch.zeros(1), "contrast": torch.ones(1)}
    torch.testing.assert_close(SiameseAugment().apply(images, AugmentParameters("color", values)), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_neutral_parameters_are_the_identity(shape: tuple[int, ...]) -> None:
    images, augment = images_of(shape), SiameseAugment()
    angles = 1 if len(shape) == 2 else 3
    for draw in (
        AugmentParameters("rotate", {"radians": torch.zeros(1, angles)}),
        AugmentParameters("scale", {"factor": torch.ones(1, len(shape))}),
        AugmentParameters("crop", {"shift": torch.zeros(1, len(shape), dtype=torch.int64)}),
    ):
        torch.testing.assert_close(augment.apply(images, draw), images)


def test_a_quarter_turn_of_a_rectangle_keeps_distances() -> None:
    image = torch.zeros(1, 1, 5, 11, dtype=torch.float64)
    image[0, 0, 2, 7] = 1.0  # two pixels from the center (2, 5) along the long axis
    draw = AugmentParameters("rotate", {"radians": torch.tensor([[math.pi / 2]], dtype=torch.float64)})
    out = SiameseAugment().apply(image, draw)
    assert out.argmax().item() in (0 * 11 + 5, 4 * 11 + 5)  # two pixels from the center along the short axis
    assert out.max() == pytest.approx(1.0)


def test_sides_of_one_pixel_survive() -> None:
    images = images_of((1, 8))
    for operation in ALL:
        augment = SiameseAugment((operation,))
        out = augment.apply(images, augment.draw(3, (1, 8), seeded_generator(0)))
        assert torch.isfinite(out).all()


def test_no_operations_change_nothing() -> None:
    augment, images = SiameseAugment(()), images_of((4, 4))
    draw = augment.draw(3, (4, 4), seeded_generator(0))
    assert draw.operation == "none"
    assert augment.apply(images, draw) is images


def test_global_random_states_are_left_alone() -> None:
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    augment = SiameseAugment()
    augment.set_random_state(1)
    for seed in range(12):
        augment.apply(images_of((8, 8)), augment.draw(3, (8, 8), seeded_generator(seed)))
        augment(torch.zeros(3, 8, 8))
    assert torch.equal(states[0], torch.random.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # type: ignore[index]
    assert states[2] == random.getstate()


def test_config_is_json_and_rebuilds_the_augmentation() -> None:
    augment = SiameseAugment(["flip", "scale"], flip_probability=0.25, scale_ratio=1.5, contrast=0.1)
    config = json.loads(json.dumps(augment.config()))
    assert config.pop("_target_") == "monai_distill.transforms.SiameseAugment"
    rebuilt = SiameseAugment(**config)
    assert rebuilt.config() == augment.config()
    assert rebuilt.operations == augment.operations


def test_single_items_follow_the_random_state_and_keep_metadata() -> None:
    augment, image = SiameseAugment(), MetaTensor(torch.rand(3, 8, 8, generator=seeded_generator(0)), meta={"a": 1})
    first = [augment.set_random_state(4)(image)] + [augment(image) for _ in range(5)]
    again = [augment.set_random_state(4)(image)] + [augment(image) for _ in range(5)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({float(out.sum()) for out in first}) > 1
    assert isinstance(first[0], MetaTensor)
    assert first[0].meta["a"] == 1
    assert augment(np.zeros((3, 8, 8), dtype=np.float32)).shape == (3, 8, 8)


def test_dictionary_form_gives_all_keys_one_draw() -> None:
    assert SiameseAugmentD is SiameseAugmentDict is SiameseAugmentd
    image = torch.rand(3, 8, 8, generator=seeded_generator(0))
    pipeline = Compose([SiameseAugmentd(["image", "other"], ("rotate", "scale"), rotation_degrees=30.0)])
    pipeline.set_random_state(1)
    items = [pipeline({"image": image, "other": image.clone(), "label": 3}) for _ in range(4)]
    for item in items:
        assert torch.equal(item["image"], item["other"])
        assert not torch.equal(item["image"], image)
        assert item["label"] == 3
    pipeline.set_random_state(1)
    assert torch.equal(pipeline({"image": image, "other": image})["image"], items[0]["image"])
    with pytest.raises(KeyError):
        SiameseAugmentd("absent")({"image": image})
    assert SiameseAugmentd("absent", allow_missing_keys=True)({"image": image})["image"] is image


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Pass \['color', 'crop'\]"):
        SiameseAugment("color_crop")
    with pytest.raises(ValueError, match=r"Expected operations among .*'blur'"):
        SiameseAugment(("blur", "flip"))
    for numbers in ({"flip_probability": 2.0}, {"scale_ratio": 0.9}, {"rotation_degrees": -1.0}):
        with pytest.raises(ValueError, match="Expected"):
            SiameseAugment(**numbers)
    augment = SiameseAugment(("crop",))
    with pytest.raises(ValueError, match="2 or 3 sides"):
        augment.draw(1, (8,), seeded_generator(0))
    with pytest.raises(ValueError, match=r"count of at least 1.*got 0"):
        augment.draw(0, (8, 8), seeded_generator(0))
    draw = augment.draw(2, (8, 8), seeded_generator(0))
    with pytest.raises(ValueError, match="got 2 rows of shift"):
        augment.apply(torch.zeros(3, 1, 8, 8), draw)
    with pytest.raises(ValueError, match="parameters for 3 spatial axes"):
        augment.apply(torch.zeros(2, 1, 8, 8, 8), draw)
    with pytest.raises(TypeError, match="floating-point"):
        augment.apply(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), draw)
    with pytest.raises(ValueError, match="got 'blur'"):
        augment.apply(torch.zeros(2, 1, 8, 8), AugmentParameters("blur", {}))
    assert draw.to("cpu").operation == "crop"


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**62),
    count=st.integers(1, 6),
    sides=st.lists(st.integers(1, 9), min_size=2, max_size=3),
    channels=st.integers(1, 3),
    siamese=st.booleans(),
    order_seed=st.integers(0, 2**31),
)
def test_parameters_repeat_and_images_do_not_influence_each_other(
    seed: int, count: int, sides: list[int], channels: int, siamese: bool, order_seed: int
) -> None:
    """Property: equal seeds give equal parameters, and a permuted batch gives the permuted result to the bit."""
    augment = SiameseAugment()
    first, again = (augment.draw(count, sides, torch.Generator().manual_seed(seed), siamese=siamese) for _ in range(2))
    assert first.operation == again.operation
    assert all(torch.equal(value, again.values[name]) for name, value in first.values.items())
    generator = torch.Generator().manual_seed(order_seed)
    images, order = (
        torch.randn(count, channels, *sides, generator=generator),
        torch.randperm(count, generator=generator),
    )
    values = first.values if siamese else {name: value[order] for name, value in first.values.items()}
    permuted = augment.apply(images[order], AugmentParameters(first.operation, values))
    torch.testing.assert_close(permuted, augment.apply(images, first)[order], rtol=0, atol=0)
    alone = augment.apply(
        images[:1], first if siamese else first._replace(values={n: v[:1] for n, v in first.values.items()})
    )
    torch.testing.assert_close(alone, augment.apply(images, first)[:1], rtol=1e-6, atol=1e-6)
