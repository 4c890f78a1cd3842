"""Computed once, read afterwards, and never taken for another."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.runtime import ResultCache, result_cache
from monai_distill.runtime.checksums import tensor_checksum
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.runtime.result_cache import job_path

JOB = {"seed": 0, "network": {"width": 4}}


def refuse() -> torch.Tensor:
    raise AssertionError("made again")


def test_another_version_of_a_package_computes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ResultCache(tmp_path)(JOB, lambda: torch.zeros(1))
    monkeypatch.setattr(result_cache, "__version__", "another")
    assert ResultCache(tmp_path)(JOB, lambda: torch.ones(1)).values == 1


def test_equal_jobs_share_a_path_and_different_ones_never_do() -> None:
    assert job_path("root", JOB) == job_path(Path("root"), {"network": {"width": 4}, "seed": 0})
    assert job_path("root", JOB).parent == Path("root")
    assert len({job_path("root", job) for job in (JOB, {**JOB, "seed": 1}, {**JOB, "more": None}, {})}) == 4


def test_a_job_is_made_once_and_read_bit_for_bit(tmp_path: Path) -> None:
    values = torch.randn(3, 5, generator=seeded_generator(0, "values"))
    values[0, 0] = float("nan")
    cache = ResultCache(tmp_path / "new" / "folder")
    first = cache(JOB, lambda: values)
    again = ResultCache(tmp_path / "new" / "folder")({"network": {"width": 4}, "seed": 0}, refuse)
    assert again.values.numpy().tobytes() == first.values.numpy().tobytes() == values.numpy().tobytes()
    assert again.values.shape == values.shape
    assert again.seconds == first.seconds >= 0


@pytest.mark.parametrize("other", [{"seed": 1}, {"network": {"width": 5}}, {"more": None}])
def test_another_job_is_computed_again(tmp_path: Path, other: dict[str, Any]) -> None:
    cache = ResultCache(tmp_path)
    cache(JOB, lambda: torch.zeros(1))
    assert cache({**JOB, **other}, lambda: torch.ones(1)).values == 1


def test_nothing_is_left_when_making_fails_and_nothing_is_cached_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="made again"):
        ResultCache(tmp_path)(JOB, refuse)
    assert list(tmp_path.iterdir()) == []
    nowhere = ResultCache(None)
    assert [float(nowhere(JOB, lambda v=v: torch.tensor(v)).values) for v in (1.0, 2.0)] == [1.0, 2.0]


@pytest.mark.parametrize("damage", [b"", b"no tensors", "half"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes | str) -> None:
    cache = ResultCache(tmp_path)
    cache(JOB, lambda: torch.zeros(100))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-50] if isinstance(damage, str) else damage)
    with pytest.raises(RuntimeError, match=f"{file.name} is damaged"):
        cache(JOB, refuse)


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    cache(JOB, lambda: torch.zeros(1))
    (file,) = tmp_path.iterdir()
    cache({"seed": 1}, lambda: torch.ones(1))
    (other,) = set(tmp_path.iterdir()) - {file}
    file.replace(other)
    with pytest.raises(RuntimeError, match="got another"):
        cache({"seed": 1}, refuse)


def test_the_checksum_sees_values_shape_and_type_but_not_layout() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    others = [values + 1, values.reshape(3, 2), values.double(), values.int()]
    assert len({tensor_checksum(v) for v in (values, *others)}) == 5
    assert tensor_checksum(values.T.contiguous().T) == tensor_checksum(values)


def test_runs_take_from_the_shared_folder_only_what_may_be_shared(tmp_path: Path) -> None:
    first, second = (ResultCache(tmp_path / name, tmp_path / "shared") for name in ("first", "second"))
    first(JOB, lambda: torch.ones(1), share=True)
    first({"seed": 1}, lambda: torch.ones(1))
    assert second(JOB, refuse, share=True).values == 1
    assert ResultCache(tmp_path / "second")(JOB, refuse).values == 1, "the run folder has a copy of its own"
    assert second({"seed": 1}, lambda: torch.zeros(1), share=True).values == 0
    assert ResultCache(tmp_path / "third", tmp_path / "shared")(JOB, lambda: torch.zeros(1)).values == 0


def test_a_shared_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("a file")
    cache = ResultCache(tmp_path / "own", tmp_path / "shared")
    with pytest.warns(UserWarning, match="shared_controls"):
        assert cache(JOB, lambda: torch.ones(1), share=True).values == 1
    assert cache(JOB, refuse, share=True).values == 1
