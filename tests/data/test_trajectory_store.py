"""Trajectories on disk: what is refused, what survives a full disk, and how little a segment reads."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_distill.data import TrajectoryStore
from monai_distill.runtime.randomness import seeded_generator

EXPERTS, SNAPSHOTS, PARAMETERS = 3, 4, 7
JOB = {"network": "ConvNet", "seed": 0, "operations": ("flip",)}


def open_store(folder: Path, job: dict[str, Any] | None = None, **sizes: int) -> TrajectoryStore:
    shape = {"experts": EXPERTS, "snapshots": SNAPSHOTS, "parameters": PARAMETERS, **sizes}
    return TrajectoryStore(folder, JOB if job is None else job, **shape)


def rows_of(expert: int) -> Tensor:
    return torch.randn(SNAPSHOTS, PARAMETERS, generator=seeded_generator(0, "rows", expert))


def history_of(expert: int) -> list[dict[str, float]]:
    return [{"epoch": e, "train_accuracy": expert + e / 10} for e in range(1, SNAPSHOTS)]


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def store(tmp_path: Path) -> TrajectoryStore:
    """A store whose experts 0 and 2 are finished."""
    store = open_store(tmp_path)
    for expert in (2, 0):
        store.write(expert, rows_of(expert), history_of(expert))
    return store


def test_segments_equal_what_was_written_also_after_reopening(store: TrajectoryStore) -> None:
    for current in (store, open_store(store.directory)):
        assert current.finished == [0, 2]
        assert current.history == {0: history_of(0), 2: history_of(2)}
        for expert in (0, 2):
            for start in range(SNAPSHOTS):
                for stop in range(start + 1, SNAPSHOTS):
                    first, last = current.segment(expert, start, stop)
                    assert torch.equal(first, rows_of(expert)[start])
                    assert torch.equal(last, rows_of(expert)[stop])
    store.write(1, rows_of(1), history_of(1))
    assert open_store(store.directory).finished == [0, 1, 2]


def test_the_file_is_the_plain_array_that_the_manifest_describes(store: TrajectoryStore) -> None:
    store.write(1, rows_of(1), [])
    array = np.frombuffer(store.array_file.read_bytes(), dtype="<f4").reshape(EXPERTS, SNAPSHOTS, PARAMETERS)
    assert np.array_equal(array, torch.stack([rows_of(e) for e in range(EXPERTS)]).numpy())
    manifest = json.loads(store.manifest_file.read_text())
    assert manifest["shape"] == [EXPERTS, SNAPSHOTS, PARAMETERS]
    assert manifest["job"] == {"network": "ConvNet", "seed": 0, "operations": ["flip"]}


def test_a_segment_owns_its_two_rows_and_reads_no_other(
    store: TrajectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []

    class Watched(np.memmap):
        def __getitem__(self, key: Any) -> Any:
            read.append(key)
            return super().__getitem__(key)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the whole file was read")

    monkeypatch.setattr(np, "memmap", Watched)
    for place, name in ((np, "fromfile"), (np, "load"), (torch, "load"), (torch, "from_file"), (Path, "read_bytes")):
        monkeypatch.setattr(place, name, forbidden)
    first, last = store.segment(2, 1, 3)
    assert read[0] == (2, 1)
    assert (2, 3) in read
    assert {key for key in read if isinstance(key, tuple)} <= {(2, 1), (2, 3), ()}
    for row in (first, last):
        assert row.untyped_storage().nbytes() == 4 * PARAMETERS
        assert row.is_contiguous()
    first += 1  # a copy: the file must not follow
    monkeypatch.undo()
    assert torch.equal(store.segment(2, 1, 3)[0], rows_of(2)[1])


@pytest.mark.parametrize(("expert", "start", "stop"), [(1, 0, 1), (3, 0, 1), (-1, 0, 1)])
def test_a_segment_of_an_unfinished_expert_is_refused(
    store: TrajectoryStore, expert: int, start: int, stop: int
) -> None:
    with pytest.raises(ValueError, match=rf"Expert {expert} is not finished; finished are \[0, 2\]"):
        store.segment(expert, start, stop)


@pytest.mark.parametrize(("start", "stop"), [(0, SNAPSHOTS), (-1, 1), (2, 2), (3, 1)])
def test_epochs_that_are_not_stored_are_refused(store: TrajectoryStore, start: int, stop: int) -> None:
    with pytest.raises(ValueError, match=f"<= {SNAPSHOTS - 1}, got {start} and {stop}"):
        store.segment(0, start, stop)


@pytest.mark.parametrize(
    ("job", "sizes", "named"),
    [
        ({**JOB, "seed": 1}, {}, "seed: stored 0, requested 1"),
        ({**JOB, "network": "VGG11"}, {}, 'network: stored "ConvNet", requested "VGG11"'),
        ({**JOB, "rho": 0.1}, {}, "rho: stored null, requested 0.1"),
        ({"network": "ConvNet", "seed": 0}, {}, r"operations: stored \[\"flip\"\], requested null"),
        ({**JOB, "settings": {"lr": 2, "decay": 0}}, {}, r"settings: stored null, requested"),
        (JOB, {"experts": 4}, r"shape: stored \[3, 4, 7\], requested \[4, 4, 7\]"),
        (JOB, {"parameters": 8}, r"shape: stored \[3, 4, 7\], requested \[3, 4, 8\]"),
    ],
)
def test_another_job_is_refused_with_the_difference_named(
    store: TrajectoryStore, job: dict[str, Any], sizes: dict[str, int], named: str
) -> None:
    before = store.array_file.read_bytes(), store.manifest_file.read_bytes()
    with pytest.raises(ValueError, match=named) as refusal:
        open_store(store.directory, job, **sizes)
    assert str(refusal.value).count("requested") == 1
    assert (store.array_file.read_bytes(), store.manifest_file.read_bytes()) == before


def test_of_settings_within_settings_those_that_differ_are_named(tmp_path: Path) -> None:
    store = open_store(tmp_path, {"settings": {"long": list(range(99)), "start": {"share": 0.5}}})
    store.write(0, rows_of(0), history_of(0))
    with pytest.raises(ValueError, match=r"job \(settings start share: stored 0.5, requested 0\)"):
        open_store(tmp_path, {"settings": {"long": list(range(99)), "start": {"share": 0}}})


def test_a_folder_without_a_finished_expert_is_free_for_another_job(tmp_path: Path) -> None:
    """A run that was refused after it opened the folder must not refuse the corrected one."""
    open_store(tmp_path, {"seed": 0}, experts=2)
    store = open_store(tmp_path, {"seed": 1})
    store.write(2, rows_of(2), history_of(2))
    assert open_store(tmp_path, {"seed": 1}).finished == [2]
    assert json.loads(store.manifest_file.read_text())["job"] == {"seed": 1}


def test_another_format_is_refused(store: TrajectoryStore) -> None:
    manifest = json.loads(store.manifest_file.read_text())
    store.manifest_file.write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(ValueError, match="another format"):
        open_store(store.directory)


@pytest.mark.parametrize("change", [-4, -1, 4])
def test_an_array_of_the_wrong_length_is_refused(store: TrajectoryStore, change: int) -> None:
    os.truncate(store.array_file, store.array_file.stat().st_size + change)
    with pytest.raises(ValueError, match="not as long as its manifest says"):
        open_store(store.directory)


def _broken_fsync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "fsync", no_room)  # the rows are in the file by then


def _broken_manifest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "write_text", no_room)


def _broken_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "open", no_room)


@pytest.mark.parametrize("broken", [_broken_fsync, _broken_manifest, _broken_open])
def test_a_half_written_expert_does_not_count_and_finished_ones_stay(
    store: TrajectoryStore, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    with monkeypatch.context() as patch:
        broken(patch)
        with pytest.raises(RuntimeError, match=r"the disk is full.*finished experts \(2 of 3\)"):
            store.write(1, rows_of(1), history_of(1))
    for current in (store, open_store(store.directory)):
        assert current.finished == [0, 2]
        assert torch.equal(current.segment(0, 0, 3)[1], rows_of(0)[3])
        assert torch.equal(current.segment(2, 0, 3)[1], rows_of(2)[3])
        with pytest.raises(ValueError, match="not finished"):
            current.segment(1, 0, 1)
    again = open_store(store.directory)
    again.write(1, rows_of(1), history_of(1))
    assert open_store(store.directory).finished == [0, 1, 2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_room_for_the_whole_array_is_met_at_once_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(RuntimeError, match=r"Cannot write the trajectories .* need 0\.0 MiB"):
            open_store(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert open_store(tmp_path).finished == []


def test_the_whole_array_is_claimed_on_the_disk_at_the_start(tmp_path: Path) -> None:
    status = open_store(tmp_path, parameters=5000).array_file.stat()
    assert status.st_size == 4 * EXPERTS * SNAPSHOTS * 5000
    assert status.st_blocks * 512 >= status.st_size


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_expert_that_diverged_is_refused(store: TrajectoryStore, value: float) -> None:
    rows = rows_of(1)
    rows[2, 3] = value
    with pytest.raises(ValueError, match="Expert 1 diverged"):
        store.write(1, rows, [])
    assert store.finished == open_store(store.directory).finished == [0, 2]


def test_rows_of_another_shape_are_refused(store: TrajectoryStore) -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 7\), got \(3, 7\)"):
        store.write(1, rows_of(1)[:3], [])


@pytest.mark.parametrize("sizes", [{"experts": 0}, {"snapshots": 0}, {"parameters": 0}])
def test_an_empty_store_is_refused(tmp_path: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        open_store(tmp_path, **sizes)


@pytest.mark.parametrize("expert", [-1, EXPERTS])
def test_an_expert_that_the_store_has_no_place_for_is_refused(store: TrajectoryStore, expert: int) -> None:
    with pytest.raises(ValueError, match="xpert"):
        store.write(expert, rows_of(1), [])


def test_an_expert_whose_rewriting_failed_does_not_count_after_reopening(
    store: TrajectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _broken_fsync(patch)
        with pytest.raises(RuntimeError):
            store.write(0, rows_of(1), history_of(1))
    again = open_store(store.directory)
    assert again.finished == [2] or torch.equal(again.segment(0, 0, 1)[0], rows_of(0)[0])


def test_a_manifest_without_its_array_is_refused_with_a_way_out(store: TrajectoryStore) -> None:
    store.array_file.unlink()
    with pytest.raises((ValueError, RuntimeError), match="Delete"):
        open_store(store.directory)


def test_a_snapshot_is_a_row_and_minus_one_the_last(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path / "rows", {}, experts=2, snapshots=3, parameters=2)
    store.write(1, torch.arange(6.0).reshape(3, 2), [])
    assert [store.snapshot(1, epoch).tolist() for epoch in (0, 2, -1)] == [[0.0, 1.0], [4.0, 5.0], [4.0, 5.0]]
    for epoch in (3, -2):
        with pytest.raises(ValueError, match="Expected an epoch from 0 to 2"):
            store.snapshot(1, epoch)
    with pytest.raises(ValueError, match="Expert 0 is not finished"):
        store.snapshot(0, 0)
