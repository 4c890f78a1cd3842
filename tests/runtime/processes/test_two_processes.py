"""Two processes under torchrun make what one makes, write once, stop together and end together."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from safetensors.torch import load_file

from monai_distill.runtime.processes import group
from tests.configs.command import FAST, command, read
from tests.runtime.processes.two_processes import DATADAM, NO_EXPERTS, SPREAD

ROOT = Path(__file__).resolve().parents[3]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


class Pair(NamedTuple):
    """The files and results of two processes."""

    folder: Path
    results: list[Any]
    code: int
    output: str


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """two_processes.py, once for all tests here: importing torch takes most of its time."""
    folder = tmp_path_factory.mktemp("pair")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    words = [*TORCHRUN, str(ROOT / "tests" / "runtime" / "processes" / "two_processes.py"), str(folder)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=900)
    output = done.stdout[-3000:] + done.stderr[-6000:]
    files = [folder / f"results_{rank}.json" for rank in range(2)]
    assert all(file.is_file() for file in files), output
    return Pair(folder, [json.loads(file.read_text()) for file in files], done.returncode, output)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same runs by one process, not interrupted."""
    folder = tmp_path_factory.mktemp("single")
    assert command("run", *FAST, *SPREAD, "--output_dir", folder / "mtt").code == 0
    assert command("run", *NO_EXPERTS, *DATADAM, "--output_dir", folder / "datadam").code == 0
    return folder


def furthest(one: Path, other: Path) -> float:
    """The largest difference of two sets in units of the largest value."""
    ours, theirs = (load_file(folder / "synthetic.safetensors") for folder in (one, other))
    assert ours.keys() == theirs.keys()
    return max(float((ours[k] - theirs[k]).abs().max() / theirs[k].abs().max()) for k in ours)


@pytest.mark.parametrize("rank", [0, 1])
def test_collective_calls(pair: Pair, rank: int) -> None:
    results = pair.results[rank]["primitives"]
    assert results["count"] == 2
    assert results["sums"] == [3.0, [[3.0, 30.0]]]
    assert results["means"] == 1.5
    assert results["anywhere"] == [True, False]
    assert results["copied"] == 1.0
    assert results["from_first"] == 1.0
    assert results["failed"].startswith(
        "JSONDecodeError" if rank == 0 else "RuntimeError: The first process failed: Expecting"
    )
    assert results["to_first"] == ([1.0, 2.0] if rank == 0 else [None, None])
    assert results["share"] == 2
    assert "Give --segments_per_step 4" in results["uneven"]


def test_a_store_that_is_not_shared_is_refused_in_every_process(pair: Pair) -> None:
    assert all("storage that the machines share" in results["primitives"]["hidden"] for results in pair.results)
    assert not (pair.folder / "disk of 1").exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_objectives_are_those_of_one_process(pair: Pair, rank: int) -> None:
    for name, value in pair.results[rank]["objectives"].items():
        assert value < 2e-5, name


def test_experts_and_trajectory_matching_are_those_of_one_process(pair: Pair, single: Path) -> None:
    files = (folder / "mtt" / "experts" / "trajectories.f32" for folder in (pair.folder, single))
    spread, alone = (np.fromfile(file, dtype="<f4") for file in files)
    assert spread == pytest.approx(alone, abs=1e-6)
    assert read(pair.folder / "mtt", "experts/manifest.json")["history"].keys() == {"0", "1", "2"}
    assert furthest(pair.folder / "mtt", single / "mtt") < 1e-5


def test_datadam_is_that_of_one_process(pair: Pair, single: Path) -> None:
    assert furthest(pair.folder / "datadam", single / "datadam") < 1e-5


def test_ctrl_c_in_one_process_stops_both_and_both_go_on(pair: Pair, single: Path) -> None:
    assert [results["jobs"] for results in pair.results] == [{"datadam": 0, "interrupted": 130, "resumed": 0}] * 2
    histories = (read(folder / "mtt", "history.json")["iterations"] for folder in (pair.folder, single))
    ours, theirs = ([row["iteration"] for row in history] for history in histories)
    assert ours == theirs == [1, 2, 3, 4]


def test_one_process_goes_on_with_what_two_began(pair: Pair, single: Path) -> None:
    assert command("resume", pair.folder / "left").code == 0
    assert furthest(pair.folder / "left", single / "mtt") < 1e-5


def test_the_first_alone_writes_and_scores(pair: Pair, single: Path) -> None:
    for name in ("mtt", "datadam"):
        names, expected = ({p.name for p in (f / name).iterdir()} for f in (pair.folder, single))
        assert names == expected
        scores = read(pair.folder / name, "scores.json")
        assert scores["cost"]["processes"] == 2
        assert scores["distilled"]["accuracy"]["mean"] == pytest.approx(
            read(single / name, "scores.json")["distilled"]["accuracy"]["mean"], abs=0.02
        )
    assert len(list((pair.folder / "datadam" / "tensorboard").iterdir())) == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_undivided_work_is_refused_in_every_process(pair: Pair, rank: int) -> None:
    errors = pair.results[rank]["refusals"]
    assert "multiple of the number of processes, 2, got 1. Give --segments_per_step 2" in errors["segments"]
    assert "A run with --epsilon cannot be divided over processes" in errors["epsilon"]
    assert "cannot be divided over processes, got 2. Start it without torchrun" in errors["evaluate"]
    assert "every process takes its own GPU" in errors["device"]
    assert not (pair.folder / "odd" / "experts").exists()


def test_a_failure_in_one_process_ends_the_job(pair: Pair) -> None:
    assert pair.code != 0
    assert not (pair.folder / "failed" / "scores.json").exists()


def test_a_single_process_is_alone() -> None:
    started = time.monotonic()
    group.join("cpu")
    assert (group.count(), group.rank(), group.is_first()) == (1, 0, True)
    group.leave()
    assert time.monotonic() - started < 1


def test_an_empty_share_is_refused() -> None:
    with pytest.raises(ValueError, match="--segments_per_step 1"):
        group.even_share(0, "segments_per_step")
