"""RESULTS.md is what its JSON files say, and README's numbers stand in it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import batch_norms, record, results, run_rows, set_scores
from tests.configs.command import command
from tests.runtime.processes.two_processes import NO_EXPERTS

README = Path(__file__).resolve().parents[2] / "README.md"
MEASURED = re.compile(r"\b\d+\.\d{3,}\b")  # three decimals: no version, no setting
TABLE: dict[str, Any] = {
    "columns": ["trained on", "accuracy", "s"], "rows": [["`dm`", [0.8123, 0.0096], 12], ["`dc`", [0.5, None], None]],
    "format": {"s": ".1f"}, "command": "monai-distill run", "commit": "abc", "hardware": "a core", "seeds": "0",
}  # fmt: skip


def test_the_tables_of_the_document_are_those_of_the_files() -> None:
    assert results.main(["--check"]) == 0, "Run python -m tests.benchmarks results"


def test_every_measured_number_of_readme_is_a_result() -> None:
    results_text = results.DOCUMENT.read_text()
    text = re.sub(r"https?://\S+", "", README.read_text())
    assert set(MEASURED.findall(text)) <= set(MEASURED.findall(results_text))


def test_a_record_names_where_its_numbers_come_from() -> None:
    for file in results.FOLDER.glob("*.json"):
        content = json.loads(file.read_text())
        assert [field for field in results.NEEDED if not content.get(field)] == [], file.name


def test_a_table_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(TABLE))
    document = "before\n<!-- results/one.json -->\nold\n<!-- end -->\nafter\n"
    expected = (
        "| `dm` | 0.812 ± 0.010 | 12 |\n| `dc` | 0.500 |  |\n\n`monai-distill run`\nCommit abc; a core; seeds: 0.\n"
    )
    written = results.rebuilt(document, tmp_path)
    assert expected in written
    assert written.startswith("before\n")
    assert written.endswith("<!-- end -->\nafter\n")
    assert results.rebuilt(written, tmp_path) == written
    (tmp_path / "two.json").write_text(json.dumps(TABLE))
    with pytest.raises(ValueError, match="two"):
        results.rebuilt(document, tmp_path)


def test_commands_that_differ_in_a_few_settings_are_one_line() -> None:
    commands = ["run --a 1 --b 2 --c", "run --a 1 --b 3 --c", "other --x [1,2]"]
    assert results.folded(commands) == ["`run --a 1 --c` with `--b 2` or `--b 3`", "`other --x [1,2]`"]
    different = ["run --a 1 --b 2 --c 3", "run --a 2 --b 3 --c 4", "run"]  # nothing is gained
    assert results.folded(different) == [f"`{command}`" for command in different]


def test_a_record_without_its_source_or_with_uneven_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    for changed in ({"commit": ""}, {"rows": [["`dm`"]]}):
        with pytest.raises(ValueError, match="Expected"):
            results.write_record("x", {**TABLE, **changed})
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_run_are_those_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    few = ("--depth", "2", "--method", "dm", "--iterations", "2", "--validate_every", "1", "--factor", "2")
    outcome = command("run", *NO_EXPERTS, *few, "--output_dir", run)
    assert outcome.code == 0, outcome.err
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert record.main(["small", str(run)]) == 0
    written = json.loads((tmp_path / "small.json").read_text())
    rows = {row[1]: dict(zip(run_rows.COLUMNS, row, strict=True)) for row in written["rows"]}
    distilled = json.loads((run / "scores.json").read_text())["distilled"]["accuracy"]
    assert rows["`dm`"]["accuracy"] == [distilled["mean"], distilled["std"]]
    assert (rows["`dm`"]["images a class: stored"], rows["`dm`"]["effective"]) == (1, 4)
    assert (rows["random real"]["effective"], rows["all training images"]["effective"]) == (1, None)
    packed, shown = rows["packed, not distilled"], rows["random real, as many as are seen"]
    assert (packed["images a class: stored"], packed["effective"], shown["images a class: stored"]) == (1, 4, 4)
    assert str(tmp_path) not in (tmp_path / "small.json").read_text()
    assert written["command"][0].startswith("monai-distill run ")
    assert record.main(["seeds", str(run), str(run), "--kind", "seeds"]) == 0
    (values,) = json.loads((tmp_path / "seeds.json").read_text())["rows"]
    row = dict(zip(run_rows.SEEDS, values, strict=True))
    assert (row["run seeds"], row["accuracy, over the seeds"]) == (2, [distilled["mean"], 0.0])
    assert set_scores.main([str(run), "--students", "2", "--steps", "1"]) == 0
    assert record.main(["seeds", str(run), "--kind", "seeds"]) == 0
    written = json.loads((tmp_path / "seeds.json").read_text())
    row = dict(zip(run_rows.SEEDS, written["rows"][0], strict=True))
    again = json.loads((run / "set_scores.json").read_text())["accuracy"]
    assert (row["networks a seed"], row["accuracy, over the seeds"]) == (2, [again["mean"], None])
    assert written["command"][-1].endswith("set_scores RUN --students 2 --steps 1")
    other = shutil.copytree(run, tmp_path / "other")
    log = (run / "run.log").read_text()
    (other / "run.log").write_text(log.replace("--factor 2", "--factor 2 --real_batches clusters", 1))
    assert record.main(["ablation", str(run), str(other), "--kind", "settings"]) == 0
    both = json.loads((tmp_path / "ablation.json").read_text())["rows"]
    assert [dict(zip(run_rows.SETTINGS, row, strict=True))["settings"] for row in both] == [
        "",
        "`--real_batches clusters`",
    ]
    words = ["--networks", "{'torchvision.models.resnet18': {}}", "--steps", "1", "--seeds", "1"]
    assert batch_norms.main([str(run), *words, "--rows", str(tmp_path / "rows.jsonl")]) == 0
    found = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["row"].partition(" on ")[2] for row in found] == ["the set, seed 0", "random, seed 0"]
    assert all(row["as_it_is"] != row["real_statistics"] for row in found)
    plan = {
        "forecast": {"cpu_seconds": {"start": 5.0, "reading": 1.0, "scores": 2.0}},
        "given_up": ["iterations 2 of 9"],
    }
    (run / "plan.json").write_text(json.dumps(plan))
    assert record.main(["planned", str(run), "--kind", "plans"]) == 0
    (values,) = json.loads((tmp_path / "planned.json").read_text())["rows"]
    row = dict(zip(run_rows.PLANNED, values, strict=True))
    assert (row["forecast, CPU s"], row["iterations"], row["given up"]) == (3, 2, "iterations 2 of 9")
    assert row["distilled"] == [distilled["mean"], distilled["std"]]


def test_the_parts_of_the_gpu_benchmark_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    machine = {"device": "card", "torch": "2", "python": "3", "processors": 2, "commit": "abcdefghij"}
    parts = {"training": {"limit": 60.0, "seconds": 12.3, "ended": "done"}, "ladder": {"seconds": 0.0, "ended": "no"}}
    words = ["--out", "/hidden", "--tiny"]
    content = {"words": words, "machine": machine, "parts": parts, "rows": [{"part": "training", "row": "x"}]}
    (tmp_path / "gpu.json").write_text(json.dumps(content))
    assert record.main(["rehearsal", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "rehearsal.json").read_text())
    assert written["rows"] == [["training", 60.0, 12.3, "done", 1], ["ladder", None, 0.0, "no", 0]]
    assert written["command"] == "python -m tests.benchmarks gpu --tiny"
    row = {"part": "training", "row": "x"}
    lines = [{**row, "per_second": 2.0, "mib": 3.0, "repeats": 1}, {"part": "correctness", "row": "y", "furthest": 0.5}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert record.main(["speed", str(tmp_path), "--parts", "training"]) == 0
    assert json.loads((tmp_path / "speed.json").read_text())["rows"] == [["training", "x", 2.0, None, 3.0, None, 1]]
    assert record.main(["same", str(tmp_path), "--parts", "correctness"]) == 0
    assert json.loads((tmp_path / "same.json").read_text())["rows"] == [["correctness", "y", 0.5, None]]
