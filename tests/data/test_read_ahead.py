"""Reading ahead: the same batches in order, the next one in a thread, errors where they belong."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from monai_distill.data.read_ahead import ReadAhead, read_ahead

DEVICE = "meta"  # any device but the CPU


def test_the_next_batch_is_read_while_the_present_one_is_used() -> None:
    """Batch 1 is there before it is requested, from another thread; a jump reads the right one."""
    read: list[tuple[int, bool]] = []
    second = threading.Event()

    def batch(number: int) -> int:
        read.append((number, threading.current_thread() is threading.main_thread()))
        if number == 1:
            second.set()
        return 10 * number

    batches = ReadAhead(batch, DEVICE)
    assert batches[0] == 0
    assert second.wait(10)
    assert (batches[1], batches[7], batches[8]) == (10, 70, 80)
    batches.close()
    assert read[:2] == [(0, True), (1, False)]
    assert (7, True) in read


def test_on_a_cpu_nothing_is_read_ahead() -> None:
    read: list[int] = []
    batches = ReadAhead(lambda number: read.append(number), "cpu")
    for number in (3, 4):
        batches[number]
    assert read == [3, 4]


@pytest.mark.parametrize("device", ["cpu", DEVICE])
def test_an_error_comes_with_its_batch(device: str) -> None:
    """The batch before it is good, and the items end where they end."""

    def batch(number: int) -> int:
        if number == 2:
            raise ValueError("image 17 is damaged")
        return number

    assert list(read_ahead(batch, [0, 1], device)) == [0, 1]
    values = read_ahead(batch, [0, 1, 2, 3], device)
    assert (next(values), next(values)) == (0, 1)
    with pytest.raises(ValueError, match="image 17"):
        next(values)
