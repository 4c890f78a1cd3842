"""Made once, read ever after, and never taken for another."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.runtime import TensorCache, job_path, tensor_checksum
from monai_distill.runtime.randomness import seeded_generator

JOB = {"seed": 0, "network": {"width": 4}}


def refuse() -> torch.Tensor:
    raise AssertionError("made again")


def test_a_job_is_made_once_and_read_bit_for_bit(tmp_path: Path) -> None:
    values = torch.randn(3, 5, generator=seeded_generator(0, "values"))
    values[0, 0] = float("nan")
    cache = TensorCache(tmp_path / "new" / "folder")
    assert cache(JOB, lambda: values) is not None
    again = TensorCache(tmp_path / "new" / "folder")({"network": {"width": 4}, "seed": 0}, refuse)
    assert again.numpy().tobytes() == values.numpy().tobytes()
    assert again.shape == values.shape


@pytest.mark.parametrize("other", [{"seed": 1}, {"network": {"width": 5}}, {"more": None}])
def test_another_job_is_made_anew(tmp_path: Path, other: dict[str, Any]) -> None:
    cache = TensorCache(tmp_path)
    cache(JOB, lambda: torch.zeros(1))
    assert cache({**JOB, **other}, lambda: torch.ones(1)) == 1


def test_nothing_is_left_when_making_fails_and_nothing_kept_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="made again"):
        TensorCache(tmp_path)(JOB, refuse)
    assert list(tmp_path.iterdir()) == []
    nowhere = TensorCache(None)
    assert [float(nowhere(JOB, lambda v=v: torch.tensor(v))) for v in (1.0, 2.0)] == [1.0, 2.0]


@pytest.mark.parametrize("damage", [b"", b"no tensors", "half"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes | str) -> None:
    cache = TensorCache(tmp_path)
    cache(JOB, lambda: torch.zeros(100))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-50] if isinstance(damage, str) else damage)
    with pytest.raises(RuntimeError, match=f"{file.name} is damaged"):
        cache(JOB, refuse)


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    cache = TensorCache(tmp_path)
    cache(JOB, lambda: torch.zeros(1))
    (file,) = tmp_path.iterdir()
    file.rename(job_path(tmp_path, {"seed": 1}).with_suffix(".safetensors"))
    with pytest.raises(RuntimeError, match="got another"):
        cache({"seed": 1}, refuse)


def test_the_checksum_sees_values_shape_and_type_but_not_layout() -> None:
    values = torch.arange(6.0).reshape(2, 3)
    others = [values + 1, values.reshape(3, 2), values.double(), values.int()]
    assert len({tensor_checksum(v) for v in (values, *others)}) == 5
    assert tensor_checksum(values.T.contiguous().T) == tensor_checksum(values)
