"""No test image reaches training: not as an image, not as a statistic, not as a start, not in an expert's batch."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.apps import MedNISTDataset
from monai.data import Dataset
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, ScaleIntensityd
from torch import Tensor

from monai_distill.data import ClassBank, SplitBanks, TrajectoryStore, real_images
from monai_distill.data.datasets import DigitsDataset
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment, Standardize, ZCAWhitening
from monai_distill.transforms.siamese_augment import AugmentParameters
from tests.data.conftest import write_image

NAMES = ["a", "b"]


class Section(Dataset):  # type: ignore[misc]
    """A section in memory."""

    def __init__(self, images: Tensor, labels: Tensor, class_names: list[str] | None = None) -> None:
        items = zip(images, labels.tolist(), strict=True)
        super().__init__([{"image": image, "label": label} for image, label in items])
        self.class_names = tuple(class_names or NAMES)


def fresh(count: int, *path: object, shape: tuple[int, ...] = (1, 8, 8)) -> tuple[Tensor, Tensor]:
    images = torch.rand(count, *shape, generator=seeded_generator(0, *map(str, path)))
    return images * 3 + 1, torch.arange(count) % 2


def hashes_of(images: Tensor) -> list[str]:
    return ClassBank(images, torch.zeros(len(images), dtype=torch.long), NAMES).image_hashes()


@pytest.fixture
def planted() -> dict[str, tuple[Tensor, Tensor]]:
    """Training holds two test images and one validation image, validation holds one test image."""
    test, validation, training = fresh(6, "test"), fresh(5, "validation"), fresh(12, "training")
    validation[0][3] = test[0][2]
    training[0][[0, 7]] = test[0][[0, 5]]
    training[0][4] = validation[0][1]
    return {"training": training, "validation": validation, "test": test}


def banks(sections: dict[str, tuple[Tensor, Tensor]], fit: Any = Standardize.fit) -> SplitBanks:
    return SplitBanks(*(Section(*sections[name]) for name in ("training", "validation", "test")), fit=fit)


def test_shared_images_are_dropped_from_the_earlier_section_counted_and_warned_of_once(
    planted: dict[str, tuple[Tensor, Tensor]],
) -> None:
    with pytest.warns(UserWarning, match="dropped 3 from training and 1 from validation") as caught:
        data = banks(planted)
    assert len(caught) == 1
    assert Path(caught[0].filename).name != "split_banks.py"
    assert data.dropped == {"training": 3, "validation": 1}
    assert data.provenance["identical_images_dropped"] == data.dropped
    raw = {n: data.preprocessing.inverse(getattr(data, n).images[:]) for n in ("training", "validation", "test")}
    expected = {"training": [1, 2, 3, 5, 6, 8, 9, 10, 11], "validation": [0, 1, 2, 4], "test": list(range(6))}
    for name, positions in expected.items():
        torch.testing.assert_close(raw[name], planted[name][0][positions])
        assert getattr(data, name).labels.tolist() == planted[name][1][positions].tolist()
        counts = np.bincount(planted[name][1][positions], minlength=2).tolist()
        assert data.provenance["counts"][name] == counts


def test_sections_that_share_nothing_lose_nothing_and_warn_of_nothing() -> None:
    sections = {name: fresh(6, name) for name in ("training", "validation", "test")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = banks(sections)
    assert data.dropped == {"training": 0, "validation": 0}
    assert [len(bank) for bank in (data.training, data.validation, data.test)] == [6, 6, 6]


def test_an_image_that_training_holds_twice_stays_twice() -> None:
    sections = {name: fresh(6, name) for name in ("training", "validation", "test")}
    sections["training"][0][2] = sections["training"][0][0]
    assert len(banks(sections).training) == 6


def test_statistics_are_those_of_the_kept_training_images() -> None:
    sections = {name: fresh(6, name, shape=(3, 5, 5)) for name in ("training", "validation", "test")}
    fitted = banks(sections).preprocessing
    pixels = sections["training"][0].double().numpy()
    np.testing.assert_allclose(fitted.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(fitted.std, pixels.std(axis=(0, 2, 3)), rtol=1e-12)
    data = banks(sections)
    np.testing.assert_allclose(
        data.test.images[:].numpy(),
        (sections["test"][0].numpy() - pixels.mean(axis=(0, 2, 3)).reshape(3, 1, 1))
        / pixels.std(axis=(0, 2, 3)).reshape(3, 1, 1),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("fit", [Standardize.fit, ZCAWhitening.fit])
def test_neither_test_nor_validation_images_change_what_is_fitted(fit: Any) -> None:
    sections = {name: fresh(6, name, shape=(1, 4, 4)) for name in ("training", "validation", "test")}
    first = banks(sections, fit)
    others = {**sections, "validation": fresh(6, "x", shape=(1, 4, 4)), "test": fresh(9, "y", shape=(1, 4, 4))}
    others["test"][0].mul_(100)
    second = banks(others, fit)
    assert first.preprocessing.config() == second.preprocessing.config()
    for name, tensor in first.preprocessing.tensors().items():
        assert torch.equal(tensor, second.preprocessing.tensors()[name])
    assert first.training.fingerprint() == second.training.fingerprint()
    assert first.provenance["training_sha256"] == second.provenance["training_sha256"]
    assert first.provenance["test_sha256"] != second.provenance["test_sha256"]
    changed = {**sections, "training": fresh(6, "z", shape=(1, 4, 4))}
    assert first.training.fingerprint() != banks(changed, fit).training.fingerprint()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_class_without_training_images_is_named(missing: int) -> None:
    sections = {name: fresh(6, name) for name in ("training", "validation", "test")}
    sections["training"] = (sections["training"][0], torch.full((6,), 1 - missing))
    with pytest.raises(ValueError, match=rf"got none of \['{NAMES[missing]}'\]"):
        banks(sections)


@pytest.mark.filterwarnings("ignore:Identical images")
@pytest.mark.parametrize(
    ("absent", "says"),
    [
        (["validation"], "No validation image of b, which therefore has no part in the selection. Balanced accuracy"),
        (["test"], "No test image of b, which therefore has no part in the reported scores. Balanced accuracy"),
        (["validation", "test"], "No validation image of b, .* the selection. No test image of b, .* AUROC are means"),
    ],
)
def test_a_class_that_no_score_can_see_gives_one_warning(absent: list[str], says: str) -> None:
    sections = {name: fresh(8, name) for name in ("training", "validation", "test")}
    for name in absent:
        sections[name] = sections[name][0], torch.zeros(8, dtype=torch.long)
    with pytest.warns(UserWarning, match=says) as warned:
        banks(sections)
    assert len(warned) == 1


def test_a_class_that_loses_its_last_training_image_to_the_test_section_is_named() -> None:
    sections = {name: fresh(6, name) for name in ("training", "validation", "test")}
    sections["training"] = (sections["training"][0], torch.tensor([0, 0, 0, 0, 0, 1]))
    sections["training"][0][5] = sections["test"][0][0]
    with pytest.raises(ValueError, match=r"got none of \['b'\].* Left out were 1 of training identical to"):
        banks(sections)


@pytest.mark.parametrize("name", ["validation", "test"])
def test_sections_of_other_classes_or_shapes_are_refused(name: str) -> None:
    sections = {n: Section(*fresh(6, n)) for n in ("training", "validation", "test")}
    for other in (Section(*fresh(6, "x"), ["a", "c"]), Section(*fresh(6, "x", shape=(3, 8, 8)))):
        with pytest.raises(ValueError, match=f"training and {name} to share classes and image shape"):
            SplitBanks(*{**sections, name: other}.values(), fit=Standardize.fit)


class _Spy(SiameseAugment):
    """Applies nothing and remembers every image that an expert is about to see."""

    def __init__(self) -> None:
        super().__init__(())
        self.seen: set[str] = set()

    def apply(self, images: Tensor, augmentation: AugmentParameters) -> Tensor:
        self.seen |= set(hashes_of(images))
        return super().apply(images, augmentation)


@pytest.mark.filterwarnings("ignore:Identical images")
def test_no_test_image_reaches_a_statistic_a_start_or_an_expert(
    planted: dict[str, tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    fitted_on: list[str] = []

    def fit(images: Tensor) -> Standardize:
        fitted_on.extend(hashes_of(images))
        return Standardize.fit(images)

    data = banks(planted, fit)
    raw_held_out = {*hashes_of(planted["test"][0]), *hashes_of(planted["validation"][0])}
    assert len(raw_held_out & set(hashes_of(planted["training"][0]))) == 3  # the leak is there to be found
    assert len(fitted_on) == 9
    assert not raw_held_out & set(fitted_on)

    held_out = {*data.test.image_hashes(), *data.validation.image_hashes()}
    leaked = data.preprocessing(planted["training"][0][[0, 4, 7]])
    assert set(hashes_of(leaked)) <= held_out  # were they still in training, they would be recognized there

    starts, _ = real_images(data.training, 4, seeded_generator(0, "start"))
    assert set(hashes_of(starts)) <= set(data.training.image_hashes())
    assert not held_out & set(hashes_of(starts))

    network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
    store = TrajectoryStore(tmp_path, {}, experts=2, snapshots=3, parameters=network.size)
    spy = _Spy()
    protocol = ExpertProtocol(spy, epochs=2, batch_size=4)
    ExpertTrainer(network=network, bank=data.training, store=store, protocol=protocol).run()
    assert spy.seen == set(data.training.image_hashes())
    assert not held_out & spy.seen


def test_any_dataset_of_monai_will_do(tmp_path: Path) -> None:
    """MedNIST's own class on its layout: no ``class_names``, MetaTensors, items with ``class_name``."""
    for label, name in enumerate(("AbdomenCT", "CXR", "Hand")):
        for number in range(20):
            write_image(tmp_path / "MedNIST" / name / f"{number}.jpeg", (16, 16), seed=100 * label + number)
    read = Compose([LoadImaged("image"), EnsureChannelFirstd("image"), ScaleIntensityd("image")])
    parts = [MedNISTDataset(tmp_path, part, read, progress=False) for part in ("training", "validation", "test")]
    data = SplitBanks(*parts, fit=Standardize.fit)
    assert data.class_names == ("AbdomenCT", "CXR", "Hand")
    assert (data.image_shape, len(data.training), len(data.test)) == ((1, 16, 16), 48, 6)
    assert type(data.training.images[:]) is Tensor
    for bank, part in zip((data.training, data.validation, data.test), parts, strict=True):
        assert bank.labels.tolist() == [item["label"] for item in part.data]


def test_classes_that_nobody_named_are_called_by_their_number() -> None:
    plain = Dataset([{"image": torch.rand(1, 4, 4), "label": label} for label in (0, 2, 1, 2)])
    assert ClassBank.from_dataset(plain).class_names == ("0", "1", "2")
    small = Dataset([{"image": torch.rand(1, 4, 4), "label": 1}])  # a section that lacks the last class
    data = SplitBanks(plain, small, small, fit=Standardize.fit)
    assert data.test.class_names == ("0", "1", "2")
    with pytest.raises(ValueError, match=r"Expected labels from 0 to 1"):
        SplitBanks(Section(*fresh(4, "a")), plain, plain, fit=Standardize.fit)


def test_a_set_is_tied_to_its_images_by_their_sums_or_by_their_files() -> None:
    data = SplitBanks(*(DigitsDataset(s) for s in ("training", "validation", "test")), fit=Standardize.fit)
    source = json.loads(json.dumps(data.provenance))
    data.require_source(source)
    data.require_source({"name": "a set with a guarantee, which tells no sums"})
    data.require_source({**source, "training_sha256": "as another processor resized them"})
    data.require_source({**source, "files": {"moved.npz": "sha256:0"}})
    with pytest.raises(RuntimeError, match=r"images that the set was made from.*got others.*dataset_dir"):
        data.require_source({**source, "test_sha256": "0", "counts": {"test": [1]}})
    with pytest.raises(RuntimeError, match="as many others, or other class names"):
        data.require_source({**source, "files": {}, "test_sha256": "0"})
