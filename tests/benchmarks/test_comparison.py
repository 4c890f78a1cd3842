"""The arithmetic of the comparison, and its processes at tiny size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import sys

import pytest
import torch

from monai_distill.networks.cuda_graphs import CUDA_GRAPHS
from tests.benchmarks import growth, own, table
from tests.benchmarks.comparison import Here, Row, measure, ratios
from tests.benchmarks.subject import arguments

TINY = ["--threads=1", "--width=4", "--depth=2", "--side=8", "--images=10", "--student_steps=3", "--training_steps=2"]
TINY += ["--real_images=20", "--experts_at_once=2", "--students_at_once=2"]


def tiny(*words: str) -> argparse.Namespace:
    return arguments().parse_args([*TINY, *words])


def test_ratios_are_of_paired_repeats_and_of_the_same_unit() -> None:
    ours = Row("ours", "experts", {}, units=5, seconds=[10.0, 20.0, 5.0], cpu_seconds=[5.0] * 3, report={"mib": 100})
    theirs = Row(
        "official", "official experts", {}, seconds=[2.0, 2.0, 2.0], cpu_seconds=[2.0] * 3, report={"mib": 400}
    )
    assert ratios(ours, theirs) == (1.0, 0.5, 0.25)
    assert (ours.median, theirs.median) == (2.0, 2.0)


@pytest.mark.parametrize(("value", "says"), [(1.0, "ok"), (1.01, "missed")])
def test_a_figure_above_its_target_is_missed(value: float, says: str) -> None:
    assert says in table.verdict("time, chosen chunk", value)
    assert "target" not in table.verdict("memory, chunk 1", value)


@pytest.mark.parametrize("kind", ["distillation", "experts", "students"])
def test_a_subject_works_once_for_every_call(kind: str) -> None:
    work = getattr(own, kind)(tiny())
    work()
    work()
    if kind == "distillation":
        assert work.chosen == {"chunk": 3, "images_at_once": 10}
        assert work.iteration == 2
        start = own.distillation(tiny()).synthetic
        assert not torch.equal(start.images, work.synthetic.images)


def test_a_process_is_asked_in_turn_and_tells_its_memory() -> None:
    settings = vars(tiny("--chunk=1", "--images_at_once=4"))
    row = Row("chunk 1", "distillation", settings)
    measure([row], repeats=2)
    assert len(row.seconds) == len(row.cpu_seconds) == 2
    assert row.report["chosen"] == {"chunk": 1, "images_at_once": 4}
    assert row.report["mib"] > row.report["added_mib"] >= 0


def test_compiled_steps_are_a_row_of_their_own_where_asked() -> None:
    rows = {row.name: row.settings for row in table.distillation_rows(vars(tiny("--compiled", "--chunk=3")))}
    assert {name: (given["compiled"], given["chunk"]) for name, given in rows.items()} == {
        "chosen chunk": (False, 3),
        "chunk 1": (False, 1),
        "compiled": (True, None),
    }
    assert "compiled" not in [row.name for row in table.distillation_rows(vars(tiny()))]
    on_a_gpu = vars(tiny("--compiled", "--segments=4", "--device=cuda"))
    several = {row.name: row for row in table.distillation_rows(on_a_gpu) if row.units == 4}
    assert {name: (row.settings["compiled"], row.settings["segments"]) for name, row in several.items()} == {
        "chosen chunk, 4 segments": (False, 4),
        "compiled, 4 segments": (True, 4),
        "recorded, 4 segments": (CUDA_GRAPHS, 4),
        "compiled with CUDA graphs, 4 segments": ("reduce-overhead", 4),
    }
    half = table.distillation_rows(vars(tiny("--autocast=bfloat16")))
    assert [(row.name, row.settings["autocast"]) for row in half][2:] == [("bfloat16", "bfloat16")]
    names = [(row.name, row.settings["compiled"]) for row in table.training_rows("experts", on_a_gpu)]
    assert names == [("ours", False), ("recorded", CUDA_GRAPHS), ("one after another", False), ("compiled", True)]


def test_several_segments_are_one_call() -> None:
    work = own.distillation(tiny("--segments=3"))
    work()
    assert [segment.place for segment in work.segments] == [0, 1, 2]
    assert work.objective._in_one_call(work.synthetic)


def test_rows_are_known_after_every_round() -> None:
    row, rounds = Row("here", "distillation", vars(tiny())), []
    measure([row], 2, Here, lambda number: rounds.append((number, len(row.seconds), row.report["mib"] > 0)))
    assert rounds == [(1, 1, True), (2, 2, True)]


def test_a_process_that_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "true")
    with pytest.raises(RuntimeError, match="its process ended"):
        measure([Row("nothing", "no such kind", {})], repeats=1)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["distillation", "experts", "students"])
def test_the_table_at_tiny_size(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main([*TINY, "--repeats=1", f"--parts={part}"]) == 0
    assert capsys.readouterr().out.startswith("| ")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_student_steps() -> None:
    words = ["--threads=1", "--width=32", "--images=40", "--repeats=1"]
    assert growth.main(words) == 0
