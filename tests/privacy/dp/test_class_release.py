"""Class sums are released once: their accuracy, their file, and no access to real images afterwards."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import json
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.engines.distillation import Distiller, attention_features
from monai_distill.engines.distillation.fixed_view_matching import NoisyMeanMatching, RandomViews
from monai_distill.networks.nets import ConvNet
from monai_distill.privacy.dp import ClassRelease, PrivacyLedger
from monai_distill.privacy.dp.release_file import ReleaseFile
from monai_distill.privacy.dp.site_ledger import SiteLedger
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

NOISE = 4.0


def bank_of(count: int, patients: Tensor | None = None) -> ClassBank:
    labels = torch.arange(count) % 3 % 2  # classes of different size
    images = torch.randn(count, 1, 8, 8, generator=seeded_generator(0, "images")) + labels.reshape(-1, 1, 1, 1)
    return ClassBank(images, labels, ["a", "b"], patients)


def views_of(count: int = 2, seed: int = 0) -> RandomViews:
    augment = SiameseAugment(("crop", "rotate"))
    return RandomViews(
        lambda: ConvNet(2, 1, 2, 8, width=4, depth=2), augment, features=attention_features, views=count, seed=seed
    )


def release_of(
    bank: ClassBank, file: Path, noise: float = NOISE, views: Any = None, public_records: int | None = 1000
) -> ClassRelease:
    unit = "image" if bank.patients is None else "patient"
    ledger = PrivacyLedger(None, epsilon=50.0, delta=1e-5, unit=unit)
    return ClassRelease(
        bank,
        views_of() if views is None else views,
        ledger,
        noise_multiplier=noise,
        file=ReleaseFile(file, {"seed": 0}),
        public_records=public_records,
    )


def test_views_depend_on_the_image_alone_and_have_length_one() -> None:
    views, images = views_of(), bank_of(6).images
    together = views(1, images)
    assert torch.allclose(together.norm(dim=1), torch.ones(6), atol=1e-5)
    alone = torch.cat([views(1, image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(views(0, images), together)
    assert torch.equal(views_of()(1, images), together)


def test_means_equal_those_of_the_images_up_to_the_noise(tmp_path: Path) -> None:
    bank, views = bank_of(6000), views_of()
    release = release_of(bank, tmp_path / "r", noise=0.5, views=views)
    truth = [torch.stack([views(v, bank.images[bank.labels == c]).mean(dim=0) for c in (0, 1)]) for v in (0, 1)]
    release.prepare()
    for iteration in (0, 1, 2):
        batch = release[iteration]
        assert (batch.iteration, batch.view) == (iteration, iteration % 2)
        # a coordinate's noise is 0.5 sqrt(2 / 0.9) over the 2000 images of the smaller class
        assert float((batch.means - truth[batch.view]).abs().max()) < 6 * 0.5 * (2 / 0.9) ** 0.5 / 2000 + 1e-3


def test_a_resumed_run_reads_the_file_and_no_image(tmp_path: Path) -> None:
    first = release_of(bank_of(300), tmp_path / "r")
    first.prepare()
    unreadable = bank_of(300)
    unreadable.images.fill_(float("nan"))
    again = release_of(unreadable, tmp_path / "r")
    again.prepare()
    assert torch.equal(first[1].means, again[1].means)
    assert again.ledger.events == first.ledger.events
    assert len(again.ledger.events) == 1


def test_another_run_of_the_same_seed_draws_other_noise(tmp_path: Path) -> None:
    releases = [release_of(bank_of(300), tmp_path / name) for name in "ab"]
    for release in releases:
        release.prepare()
    assert not torch.equal(releases[0][0].means, releases[1][0].means)


def test_a_release_of_another_job_is_refused(tmp_path: Path) -> None:
    release_of(bank_of(300), tmp_path / "r").prepare()
    with pytest.raises(RuntimeError, match="another job"):
        release_of(bank_of(300), tmp_path / "r", noise=5.0).prepare()


def test_beyond_the_budget_nothing_is_released(tmp_path: Path) -> None:
    release = release_of(bank_of(300), tmp_path / "r")
    release.ledger.epsilon = 0.1
    with pytest.raises(RuntimeError, match="beyond the budget"):
        release.prepare()
    assert not (tmp_path / "r").exists()
    with pytest.raises(RuntimeError, match="prepare"):
        release[0]


def test_a_small_public_number_is_refused_with_the_minimum(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least (\d+) images in every class.*public_records is 30") as refusal:
        release_of(bank_of(300), tmp_path / "r", public_records=30).prepare()
    minimum = int(str(refusal.value).split("at least ")[1].split()[0])
    directions = 64  # pixels of an image; the two views have 160 features
    assert minimum == pytest.approx(NOISE * (directions / 0.9) ** 0.5, abs=1)
    assert not (tmp_path / "r").exists()
    release_of(bank_of(300), tmp_path / "r", public_records=2 * minimum).prepare()


def test_without_a_public_number_nothing_is_released(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected public_records.*got None.*--public_records N"):
        release_of(bank_of(300), tmp_path / "r", public_records=None).prepare()
    assert not (tmp_path / "r").exists()


def test_the_exact_count_does_not_decide_whether_there_is_a_release(tmp_path: Path) -> None:
    """Otherwise the existence of the release would reveal the last record."""
    small = release_of(bank_of(3), tmp_path / "r")
    with pytest.warns(UserWarning, match=r"counts are .*about \d+.* little but noise"):
        small.prepare()
    assert (tmp_path / "r").exists()


def test_patients_are_counted_instead_of_images(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="counts are a about"):
        release_of(bank_of(6000, patients=torch.arange(6000) % 2), tmp_path / "r").prepare()


def test_a_lost_release_is_not_drawn_again(tmp_path: Path) -> None:
    def release() -> ClassRelease:
        ledger = PrivacyLedger(tmp_path / "ledger.json", epsilon=50.0, delta=1e-5, unit="image")
        release = release_of(bank_of(300), tmp_path / "r")
        release.ledger = ledger
        return release

    release().prepare()
    content = (tmp_path / "r").read_bytes()
    (tmp_path / "r").unlink()
    with pytest.raises(RuntimeError, match=r"released before.*another output_dir"):
        release().prepare()
    assert not (tmp_path / "r").exists()
    (tmp_path / "r").write_bytes(content)
    release().prepare()


def test_a_run_killed_before_its_file_was_written_draws_again_and_pays_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def release() -> ClassRelease:
        site = SiteLedger(tmp_path / "site.json", epsilon=50.0, delta=1e-5, unit="image")
        ledger = PrivacyLedger(tmp_path / "ledger.json", epsilon=50.0, delta=1e-5, unit="image", site=site)
        release = release_of(bank_of(300), tmp_path / "r")
        release.ledger = ledger
        return release

    def killed(file: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("monai_distill.privacy.dp.release_file.atomic_write", killed)
        with pytest.raises(KeyboardInterrupt):
            release().prepare()
    assert not (tmp_path / "r").exists()
    release().prepare()
    assert [len(run["events"]) for run in json.loads((tmp_path / "site.json").read_text())["runs"].values()] == [1]


def reachable(*roots: Any) -> list[Any]:
    """All objects that ``roots`` refer to, except through modules and classes."""
    found: dict[int, Any] = {}
    pending = list(roots)
    while pending:
        thing = pending.pop()
        if id(thing) in found or isinstance(thing, types.ModuleType | type):
            continue
        if isinstance(thing, dict) and "__builtins__" in thing:  # a module's globals
            continue
        found[id(thing)] = thing
        pending += gc.get_referents(thing)
    return list(found.values())


def test_no_real_image_is_reachable_from_the_distillation_and_longer_costs_nothing(tmp_path: Path) -> None:
    bank, views = bank_of(300), views_of()
    real = {bank.images.untyped_storage().data_ptr(), bank.labels.untyped_storage().data_ptr()}
    release = release_of(bank, tmp_path / "r", views=views)

    def touched(*roots: Any) -> bool:
        tensors = [thing for thing in reachable(*roots) if isinstance(thing, Tensor)]
        assert tensors
        return any(tensor.untyped_storage().data_ptr() in real for tensor in tensors)

    assert touched(release)  # the search finds them before
    release.prepare()
    spent = release.ledger.spent()
    data = SyntheticDataset(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), ["a", "b"])
    optimizer = torch.optim.Adam([data.images], lr=0.05)
    trainer = Distiller(data, NoisyMeanMatching(views), release, optimizer, max_epochs=1, epoch_length=100)
    trainer.run()
    assert not touched(trainer, release, data, views)
    assert release.ledger.spent() == spent
    assert trainer.state.output[0]["loss"] < 10
