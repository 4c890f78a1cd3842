"""The GPU's schedule: limits, resumption, rows at once, and a dry run of every line that a CPU can run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks import gpu, gpu_parts, pack
from tests.benchmarks.comparison import Row
from tests.benchmarks.gpu_rows import Rows, read_rows


def given(folder: Path, *words: str) -> list[str]:
    return ["--device=cpu", "--tiny", "--brief", "--out", str(folder / "out"), "--work", str(folder / "work"), *words]


def ends_within(seconds: float, state: Path) -> bool:
    """Whether a process ends soon, perhaps without being reaped: a signal arrives some time after it was sent."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if state.read_text().split()[2] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_a_dry_run_knows_a_row_of_every_part_and_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main(given(tmp_path), gpu.here) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert list(content["parts"]) == list(gpu.LIMITS)
    assert {part["ended"] for part in content["parts"].values()} == {"done"}
    assert {row["part"] for row in content["rows"]} == set(gpu.LIMITS)
    assert all(row.get("target_met", True) for row in content["rows"])
    assert content["machine"]["device"] == "cpu"
    assert all(f"{row['part']} | {row['row']} | " in said for row in content["rows"])
    begun: list[str] = []
    assert gpu.main(given(tmp_path), lambda part, *_: begun.append(part) or "done") == 0  # type: ignore[func-returns-value]
    assert begun == []


def test_a_part_ends_at_its_limit_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, pid = tmp_path / "endless.py", tmp_path / "pid"
    script.write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid)); time.sleep(60)\n"
    )
    launcher = tmp_path / "launcher"
    launcher.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    launcher.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(launcher))
    begin = time.monotonic()
    assert gpu.apart("training", [], 1.5) == "time limit"
    assert time.monotonic() - begin < 10
    assert ends_within(5.0, Path(f"/proc/{pid.read_text()}/stat"))
    launcher.write_text("#!/bin/sh\nexit 3\n")
    assert gpu.apart("training", [], 5.0) == "failed with 3"


def test_a_stopped_call_ends_its_part_and_leaves_its_machine(tmp_path: Path) -> None:
    waits = "import time; time.sleep(60)"
    (tmp_path / "stopped.py").write_text(
        "import sys\n"
        "from tests.benchmarks import gpu\n"
        "sys.executable = sys.argv[1]\n"
        f"gpu.main({given(tmp_path, '--parts', 'training')!r})\n"
    )
    pid, launcher = tmp_path / "pid", tmp_path / "launcher"
    launcher.write_text(f"#!/bin/sh\necho $$ > {pid}.made; mv {pid}.made {pid}\nexec {sys.executable} -c '{waits}'\n")
    launcher.chmod(0o755)
    call = subprocess.Popen([sys.executable, str(tmp_path / "stopped.py"), str(launcher)], cwd=gpu.ROOT)
    limit = time.monotonic() + 60
    while not pid.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    call.terminate()
    assert call.wait(timeout=20) == 1
    assert ends_within(5.0, Path(f"/proc/{pid.read_text().strip()}/stat"))
    assert json.loads((tmp_path / "out" / "gpu.json").read_text())["machine"]["device"] == "cpu"


def test_a_later_call_repeats_what_was_not_done(tmp_path: Path) -> None:
    begun: list[tuple[str, float]] = []

    def start(part: str, words: Sequence[str], seconds: float) -> str:
        begun.append((part, seconds))
        return "time limit" if part == "training" and len(begun) < 4 else "done"

    words = given(tmp_path, "--parts", "correctness", "training", "scores")
    assert gpu.main(words, start) == 0
    assert [seconds for _, seconds in begun] == [120.0, 60.0, 180.0]
    gpu.main(words, start)
    assert [part for part, _ in begun[3:]] == ["training"]
    gpu.main(given(tmp_path, "--minutes", "0.01"), start)
    parts = json.loads((tmp_path / "out" / "gpu.json").read_text())["parts"]
    assert parts["iterations"]["ended"] == "no time left"
    missing = given(tmp_path, "--data_dir", str(tmp_path))
    gpu.main(missing, start)
    assert "is not there" in json.loads((tmp_path / "out" / "gpu.json").read_text())["parts"]["ladder"]["ended"]


def test_a_failed_part_or_a_missed_target_fails_the_benchmark(tmp_path: Path) -> None:
    words = given(tmp_path, "--parts", "training")
    assert gpu.main(words, lambda *_: "failed with 1") == 1
    Rows(tmp_path / "out" / "rows.jsonl", "training").add("x", target_met=False)
    assert gpu.main(words, lambda *_: "done") == 1


def test_rows_are_known_again_even_after_a_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = Rows(file, "iterations")
    rows.add("plain", per_second=1.0, repeats=1)
    rows.add("plain", per_second=2.0, repeats=5)
    rows.add("compiled", error="OutOfMemoryError")
    file.write_text(file.read_text() + '{"part": "iterations", "ro')
    again = Rows(file, "iterations")
    assert again.has("plain", 5)
    assert not again.has("plain", 6)
    assert not again.has("compiled")
    assert not Rows(file, "training").has("plain")
    again.add("graphs", per_second=3.0)
    assert [row["row"] for row in read_rows(file)] == ["plain", "compiled", "graphs"]
    assert read_rows(file)[0]["per_second"] == 2.0


def test_rows_hold_their_ratio_to_the_official_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def row(name: str, seconds: float, kind: str = "distillation", units: float = 1.0) -> Row:
        return Row(name, kind, {}, units, [seconds], [seconds], {"mib": 100 * seconds})

    group = [row("plain", 2.0), row("8 segments", 4.0, units=8), row("official", 6.0, "official distillation")]
    monkeypatch.setattr(gpu_parts, "measure", lambda rows, repeats, start, after_round: after_round(1))
    log = Rows(tmp_path / "rows.jsonl", "iterations")
    gpu_parts._compared(group, gpu.parsed(given(tmp_path)), log, 5.0)
    times = {found["row"]: found.get("times_official") for found in read_rows(log.file)}
    assert times == {"plain": pytest.approx(3.0), "8 segments": pytest.approx(12.0), "official": None}


def test_what_travels_fits_and_holds_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (
        "wheels/a.whl",
        "official/utils.py",
        "official/LICENSE.txt",
        f"data/{pack.BLOOD}",
        f"data/{pack.CIFAR}",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 2**18)
    words = ["--to", str(tmp_path / "to"), "--wheels", str(tmp_path / "wheels")]
    words += ["--reference", str(tmp_path / "official"), "--data_dir", str(tmp_path / "data")]
    assert pack.main(words) == 0
    said = capsys.readouterr().out
    assert said.count("-m tests.benchmarks gpu") == 2
    files = {str(file.relative_to(tmp_path / "to")) for file in (tmp_path / "to").rglob("*") if file.is_file()}
    assert files >= {"wheels/a.whl", "reference/utils.py", "reference/LICENSE.txt", f"data/{pack.CIFAR}", ".gitignore"}
    assert pack.main([*words, "--most", "0.5"]) == 1


@pytest.mark.slow
def test_every_part_in_a_process_of_its_own(tmp_path: Path) -> None:
    words = [word for word in given(tmp_path, "--parts", "training", "--minutes", "2") if word != "--brief"]
    assert gpu.main(words) == 0
