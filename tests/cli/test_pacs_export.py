"""A folder as a PACS exports it, by the command: every file is accounted for, and none is misread."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

from tests.configs.command import fast_run
from tests.data.pacs_export import COUNTS, write_pacs_export


def test_every_file_is_read_or_counted(tmp_path: Path) -> None:
    root, run = tmp_path / "scans", tmp_path / "run"
    write_pacs_export(root)
    words = ("--dataset", "folder", "--dataset_dir", root, "--image_size", "[8,8]")
    mixed = fast_run(run, *words)
    assert (mixed.code, "--modalities CR,DX" in mixed.err) == (1, True)
    assert all(f"{n} of modality {m}" in mixed.err for n, m in ((8, "CR"), (8, "DX"), (5, "CT")))
    outcome = fast_run(run, *words, "--modalities", "CR,DX")
    assert outcome.code == 0, outcome.err
    (line,) = [line for line in outcome.data.splitlines() if "images read" in line]
    assert line.endswith("; left out: " + ", ".join(f"{count} {kind}" for count, kind in COUNTS.items()) + ".")
    count_read = int(re.search(r"(\d+) images read", line)[1])
    files = [path for path in root.rglob("*") if path.is_file()]
    assert (count_read, count_read + sum(map(int, COUNTS))) == (16, len(files))
    assert outcome.data.count("patients are") == 1  # the headers' take the place of the folders'
