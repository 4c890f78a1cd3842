"""Cached arrays: written once, never taken for whole when they are not."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_distill.data import image_cache
from monai_distill.data.image_cache import cached_array, default_cache_dir

BYTE = np.dtype("uint8")
FORK = multiprocessing.get_context("fork")  # a new interpreter would import torch again


def never(array: np.ndarray) -> None:
    raise AssertionError("written again")


def test_a_second_run_reads_what_the_first_wrote(tmp_path: Path) -> None:
    first = cached_array(tmp_path, {"a": 1}, (3, 4), BYTE, lambda array: array.fill(7))
    again = cached_array(tmp_path, {"a": 1}, (3, 4), BYTE, never)
    assert isinstance(again, np.memmap)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("change", [{"a": 2}, {"a": 1, "b": 0}])
def test_another_job_gets_another_file(tmp_path: Path, change: dict[str, int]) -> None:
    cached_array(tmp_path, {"a": 1}, (2,), BYTE, lambda array: array.fill(1))
    assert cached_array(tmp_path, change, (2,), BYTE, lambda array: array.fill(2)).tolist() == [2, 2]
    assert cached_array(tmp_path, {"a": 1}, (2,), BYTE, never).tolist() == [1, 1]


@pytest.mark.parametrize("harm", ["cut", "flip", "no note", "other note", "no json"])
def test_a_damaged_file_is_written_again(tmp_path: Path, harm: str) -> None:
    cached_array(tmp_path, {"a": 1}, (64,), BYTE, lambda array: array.fill(1))
    (file,) = tmp_path.glob("*.npy")
    note = file.with_suffix(".json")
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-10])
    elif harm == "flip":
        file.write_bytes(file.read_bytes()[:-1] + b"\x05")
    elif harm == "no note":
        note.unlink()
    elif harm == "other note":
        note.write_text(json.dumps({**json.loads(note.read_text()), "job": {"a": 2}}))
    else:
        note.write_text("{")
    assert cached_array(tmp_path, {"a": 1}, (64,), BYTE, lambda array: array.fill(3)).tolist() == [3] * 64


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def broken(array: np.ndarray) -> None:
        array[0] = 1
        raise ValueError("image 17 is damaged")

    with pytest.raises(ValueError, match="image 17"):
        cached_array(tmp_path, {"a": 1}, (2,), BYTE, broken)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda path: usage(10, 10, 0))
    with pytest.raises(RuntimeError, match=r"2\.0 GiB.*--cache_dir"):
        cached_array(tmp_path, {}, (2, 2**30), BYTE, never)


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write everywhere, so that the error of the system is made here."""

    def refused(*arguments: Any, **more: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(image_cache.np.lib.format, "open_memmap", refused)
    with pytest.raises(RuntimeError, match=r"writable.*--cache_dir"):
        cached_array(tmp_path / "x", {}, (2,), BYTE, never)


@pytest.mark.parametrize("place", ["reserved", "written"])
def test_a_disk_that_fills_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The other writer of the disk was faster: nothing is left, and the size is named."""

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if place == "reserved":
        monkeypatch.setattr(image_cache.os, "posix_fallocate", full)
    with pytest.raises(RuntimeError, match=r"GiB.*--cache_dir"):
        cached_array(tmp_path, {"a": 1}, (2,), BYTE, full)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(RuntimeError, match="cache_dir"):
        cached_array(tmp_path / "x", {}, (2,), BYTE, never)


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    def fill(array: np.ndarray) -> None:
        with (tmp_path / "log").open("a") as log:
            log.write("x")
        time.sleep(0.5)
        array.fill(4)

    def process(number: int) -> None:
        array = cached_array(tmp_path / "cache", {"a": 1}, (8,), BYTE, fill)
        (tmp_path / f"sum {number}").write_text(str(int(array.sum())))

    runs = [FORK.Process(target=process, args=(number,)) for number in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [(tmp_path / f"sum {number}").read_text() for number in range(2)] == ["32", "32"]
    assert (tmp_path / "log").read_text() == "x"


def test_a_killed_writer_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    def fill(array: np.ndarray) -> None:
        array[0] = 1
        os.kill(os.getpid(), signal.SIGKILL)

    run = FORK.Process(target=cached_array, args=(tmp_path, {"a": 1}, (8,), BYTE, fill))
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    assert cached_array(tmp_path, {"a": 1}, (8,), BYTE, lambda array: array.fill(2)).tolist() == [2] * 8


def test_the_default_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "monai_distill" / "images"
