"""The forecast of memory: sizes counted by hand, and the sum of its parts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

from monai_distill.runtime.memory_forecast import (
    DataSize,
    ExpertSize,
    MemoryForecast,
    NetworkSize,
    StepSize,
    memory_forecast,
)

DATA = DataSize(images=107_180, values=3 * 224 * 224)
NETWORK = NetworkSize(parameters=320_010, graph_per_image=70 * 2**20)
STEP = StepSize(synthetic=9, steps=20)


def test_the_store_and_the_stored_images_are_counted() -> None:
    """100 experts of 51 states at width 128 take 6.1 GiB; PathMNIST at 224 pixels takes 15 GiB as bytes."""
    forecast = memory_forecast(DATA, NETWORK, STEP, ExpertSize(100, 51), cache=7)
    assert forecast.store == 100 * 51 * 320_010 * 4
    assert forecast.data == 107_180 * 3 * 224 * 224
    assert forecast.disk == forecast.store + 7
    assert memory_forecast(DATA, NETWORK, STEP).store == 0


def test_stored_images_count_where_they_lie() -> None:
    """Memory-mapped images take no memory; on a GPU the parts of the run move there, the snapshots do not."""
    by_place = {
        place: memory_forecast(dataclasses.replace(DATA, place=place), NETWORK, STEP, ExpertSize(100, 51))
        for place in ("host", "device", "disk")
    }
    on_disk = by_place["disk"]
    assert by_place["host"].host("cpu") - on_disk.host("cpu") == on_disk.data
    assert by_place["device"].device("cuda") - on_disk.device("cuda") == on_disk.data
    assert on_disk.device("cpu") == 0
    assert on_disk.host("cuda") == on_disk.libraries + on_disk.snapshots + on_disk.reading
    assert on_disk.snapshots == 2 * 51 * 5 * 4 * 320_010  # of the group in training and of the one that is written


def test_the_budget_bounds_the_graph_but_one_image_must_fit() -> None:
    """A larger budget takes more memory until everything fits; a tiny one takes that of one image."""
    peaks = [
        memory_forecast(DATA, NETWORK, dataclasses.replace(STEP, budget=budget)).parts["scores"]
        for budget in (1.0, 70.0, 512.0, 4096.0, 1e6, 1e7)
    ]
    assert peaks[0] == peaks[1] < peaks[2] < peaks[3] < peaks[4] == peaks[5]


def test_the_parts_of_a_run_on_a_cpu_add_up() -> None:
    """Freed memory stays in the process, and blocks of another size seldom fit into its gaps."""
    forecast = memory_forecast(DataSize(10, 784), NetworkSize(1000, 2**20), StepSize(2, steps=5), ExpertSize(2, 3))
    assert len(forecast.parts) == 3
    rest = forecast.libraries + forecast.data + forecast.snapshots + forecast.reading
    equal = dataclasses.replace(forecast, parts={"distillation": 7, "experts": 7, "scores": 7})
    assert equal.host("cpu") == rest + 21
    assert forecast.host("cuda") == rest
    assert forecast.device("cuda") == max(forecast.parts.values())


def test_a_step_on_a_cpu_takes_more_than_its_graph() -> None:
    """Peaks of runs on 200 volumes of 16 x 16 x 16 (MiB): the one large part of such a run is that of the scores."""
    measured = {1277.4: ((32849272, 139392480), 27852800), 1140.1: ((15735160, 2535336, 79112736), 27852800)}
    for peak, (parts, reading) in measured.items():
        named = {str(number): size for number, size in enumerate(parts)}
        forecast = MemoryForecast(data=1392640, place="host", store=0, cache=0, parts=named, reading=reading)
        assert peak <= forecast.host("cpu") / 2**20 <= 1.02 * peak


def test_reading_takes_a_few_blocks_of_images_whatever_their_number() -> None:
    few, many, more = (memory_forecast(DataSize(n, 784), NETWORK, STEP).reading for n in (100, 10**5, 10**6))
    assert few == 5 * 100 * 784 * 4  # five copies of all of them
    assert many == more == 5 * 64 * 2**20
