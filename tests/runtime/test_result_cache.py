"""What is finished is kept, found again by what decided it, and never done twice."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.runtime import ResultCache
from monai_distill.runtime.result_cache import Part, content_hash


def parts(done: list[int], *seeds: int, fails_at: int | None = None) -> list[Part]:
    def work(seed: int) -> Callable[[Callable[[int], object]], dict[str, Any]]:
        def call(on_step: Callable[[int], object]) -> dict[str, Any]:
            if seed == fails_at:
                raise KeyboardInterrupt
            on_step(3)
            done.append(seed)
            return {"value": seed / 10}

        return call

    return [({"seed": seed}, 3, work(seed)) for seed in seeds]


def test_an_interrupted_protocol_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder, done = tmp_path / "controls" / "x", list[int]()
    with pytest.raises(KeyboardInterrupt):
        ResultCache(folder, "x").results(parts(done, 1, 2, 3, fails_at=3))
    assert ResultCache(folder, "x").results(parts(done, 1, 2, 3)) == [{"value": 0.1}, {"value": 0.2}, {"value": 0.3}]
    assert done == [1, 2, 3]


def test_other_settings_are_done_anew_and_the_old_ones_found_again(tmp_path: Path) -> None:
    folder, done = tmp_path / "x", list[int]()
    for seeds in ((1,), (2,), (1,), (2, 1)):
        ResultCache(folder, "x").results(parts(done, *seeds))
    assert done == [1, 2]


def test_results_come_in_the_order_asked_for_and_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    done: list[int] = []
    for _ in range(2):
        assert ResultCache(None, "x").results(parts(done, 2, 1)) == [{"value": 0.2}, {"value": 0.1}]
    assert done == [2, 1, 2, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_asked_for_twice_is_done_once_and_its_results_are_not_one_object() -> None:
    done: list[int] = []
    first, second = ResultCache(None, "x").results(parts(done, 1, 1))
    assert done == [1]
    assert first == second
    assert first is not second


def test_two_that_share_a_folder_keep_one_anothers_parts(tmp_path: Path) -> None:
    done: list[int] = []
    one, other = ResultCache(tmp_path, "x"), ResultCache(tmp_path, "y")
    one.results(parts(done, 1))
    other.results(parts(done, 2, 1))
    one.results(parts(done, 1, 2))
    assert done == [1, 2]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"about": {}, "result": 1}'])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    ResultCache(tmp_path, "x").results(parts([], 1))
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    with pytest.raises(RuntimeError, match=rf"{file.name} is damaged"):
        ResultCache(tmp_path, "x").results(parts([], 1))


def test_a_result_under_another_name_is_refused(tmp_path: Path) -> None:
    ResultCache(tmp_path, "x").results(parts([], 1))
    (file,) = tmp_path.iterdir()
    ResultCache(tmp_path, "x").results(parts([], 2))
    (other,) = set(tmp_path.iterdir()) - {file}
    file.write_bytes(other.read_bytes())
    with pytest.raises(RuntimeError, match="another part's name"):
        ResultCache(tmp_path, "x").results(parts([], 1))


def test_the_hash_tells_apart_bytes_shapes_and_types() -> None:
    different = [torch.zeros(4), torch.zeros(2, 2), torch.zeros(4).double(), torch.ones(4), {"a": 0}, {"a": 1}]
    assert len({content_hash(value) for value in different}) == len(different)
    assert content_hash(torch.zeros(4)) == content_hash(torch.zeros(4, requires_grad=True))
