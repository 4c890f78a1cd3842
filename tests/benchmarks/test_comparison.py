"""The arithmetic of the comparison, and its processes at tiny size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import sys

import pytest
import torch

from tests.benchmarks import gpu, growth, own, table
from tests.benchmarks.comparison import Row, measure, ratios
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
        "CUDA graphs, 4 segments": ("reduce-overhead", 4),
    }
    names = [(row.name, row.settings["compiled"]) for row in table.training_rows("experts", on_a_gpu)]
    assert names == [("ours", False), ("one after another", False), ("compiled", True)]


def test_several_segments_are_one_call() -> None:
    work = own.distillation(tiny("--segments=3"))
    work()
    assert [segment.place for segment in work.segments] == [0, 1, 2]
    assert work.objective._in_one_call(work.synthetic)


def test_a_process_that_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "true")
    with pytest.raises(RuntimeError, match="its process ended"):
        measure([Row("nothing", "no such kind", {})], repeats=1)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["distillation", "experts", "students"])
def test_the_table_at_tiny_size(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert table.main([*TINY, "--repeats=1", f"--parts={part}"]) == 0
    assert capsys.readouterr().out.startswith("| ")


def test_the_target_is_held_against_the_fastest_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, seconds: float, kind: str = "distillation") -> Row:
        return Row(name, kind, {}, seconds=[seconds], cpu_seconds=[seconds], report={"mib": 100})

    monkeypatch.setattr(gpu, "measure", lambda rows, repeats: None)
    own_rows = [row("chosen chunk", 2.0), row("compiled", 1.0)]
    several = row("8 segments", 0.5)
    several.settings["segments"] = 8
    verdicts = gpu.compared([*own_rows, several, row("official", 6.0, "official distillation")], 1, "iterations", 5.0)
    assert "3.00 times" in verdicts[0]
    assert "6.00 (at least 5: ok)" in verdicts[1]
    assert "12.00 times" in verdicts[2]
    assert not any("times" in line for line in gpu.compared(own_rows, 1, "iterations", 5.0))
    rows = table.training_rows("experts", vars(tiny("--compiled", "--segments=8", "--reference=there")))
    for place, one in enumerate(rows):
        one.seconds = one.cpu_seconds = [one.units * (4.0 if place == 3 else 1.0 - 0.1 * place)]
        one.report = {"mib": 100}
    assert "5.00 (at least 8: missed)" in gpu.compared(rows, 1, "expert epochs", 8.0)[2]


@pytest.mark.slow
def test_the_gpu_command_at_tiny_size_on_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([*TINY, "--device=cpu", "--repeats=1", "--shrink=10"]) == 0
    assert "IPC 10, N 3, iterations" in capsys.readouterr().out


@pytest.mark.slow
def test_memory_does_not_grow_with_the_student_steps() -> None:
    words = ["--threads=1", "--width=32", "--images=40", "--repeats=1"]
    assert growth.main(words) == 0
