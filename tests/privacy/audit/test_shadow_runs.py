"""Shadows are stored in files: made once, resumed, never mixed with those of another audit."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.privacy.audit.attacks import NearestNeighbor
from monai_distill.privacy.audit.attacks.features import pixel_features
from monai_distill.privacy.audit.candidates import Candidates
from monai_distill.privacy.audit.shadow_runs import ShadowRuns
from tests.privacy.audit.conftest import copies_of, means_of, random_bank

Make = Callable[..., ShadowRuns]


@pytest.fixture
def runs(candidates: Candidates, tmp_path: Path) -> Make:
    """``runs(shadows, done)``: shadows that append their seed to ``done``."""

    def make(shadows: int, done: list[int], setting: int = 1, at: int = -1) -> ShadowRuns:
        def distill(members: ClassBank, seed: int, patients: object = None) -> SyntheticDataset:
            if len(done) == at:
                raise KeyboardInterrupt
            done.append(seed)
            return means_of(members, seed)

        attacks = {"pixels": NearestNeighbor(candidates.images, candidates.labels, pixel_features)}
        job = {"setting": setting}
        return ShadowRuns(candidates, distill, attacks, random_bank(60, 9), folder=tmp_path, job=job, shadows=shadows)

    return make


def test_stored_shadows_are_not_repeated_and_more_can_be_added(runs: Make) -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        runs(4, done, at=2).run()
    assert len(done) == 2
    first = runs(4, done).run()
    assert len(done) == len(set(done)) == 4
    again = runs(5, done).run()
    assert len(done) == 5
    for one, other in zip(first, again, strict=False):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_interrupted_audit_ends_like_an_uninterrupted_one(
    runs: Make, candidates: Candidates, tmp_path: Path
) -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        runs(3, done, at=1).run()
    runs(3, done).run()
    interrupted = {file.name: load_file(file) for file in tmp_path.iterdir()}
    for file in tmp_path.iterdir():
        file.unlink()
    runs(3, []).run()
    for file in tmp_path.iterdir():  # to rounding: products of matrices on several threads are not bit-identical
        torch.testing.assert_close(load_file(file), interrupted[file.name])
    assert sorted(interrupted) == [f"shadow_000{i}.safetensors" for i in range(3)]


def test_a_shadow_holds_members_and_every_statistic(runs: Make, candidates: Candidates) -> None:
    shadow = runs(3, []).run()[2]
    assert torch.equal(shadow["members"], candidates.members(2))
    assert {name for name in shadow if "." in name} == {
        f"{release}.{name}" for release in ("release", "positive", "negative") for name in ("pixels", "copies")
    }
    assert float(shadow["positive.copies"][:, 0].min()) > 0.999
    assert float(shadow["negative.copies"].max()) < 0.999


def test_another_audit_s_shadows_and_damaged_ones_are_refused(runs: Make) -> None:
    runs(3, []).run()
    with pytest.raises(RuntimeError, match=r"belongs to an audit with another setting\. Delete"):
        runs(3, [], setting=2).run()
    runs(3, []).file(1).write_bytes(b"half a file")
    with pytest.raises(RuntimeError, match="damaged"):
        runs(3, []).run()


def test_the_first_shadow_gives_an_estimate(runs: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="monai_distill.privacy")
    runs(3, []).run()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("One shadow took 0.")
    assert re.search(r"all 3 shadows take about \d+ seconds", message)
    runs(3, []).run()
    assert len(caplog.records) == 1  # nothing left to estimate


def test_files_are_plain_tensors(runs: Make) -> None:
    one = runs(3, [])
    one.run()
    assert load_file(one.file(0))["members"].dtype == torch.bool


def test_refuses_too_few_shadows_and_no_attack(candidates: Candidates, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 3 shadows"):
        ShadowRuns(candidates, copies_of, {}, random_bank(9, 9), folder=tmp_path, job={}, shadows=3)
