"""The tables of RESULTS.md that are written from JSON: ``python -m tests.benchmarks results`` writes them again.

A table stands between ``<!-- results/NAME.json -->`` and ``<!-- end -->``; what stands there is replaced. ``--check``
changes nothing and fails where there is a difference. ``python -m tests.benchmarks record`` and the benchmarks write
the JSON files: ``columns``, ``rows`` (a cell is a word, a number, or a mean with its deviation), ``command``,
``commit``, ``hardware``, ``seeds``, and ``format`` for the numbers of a column other than three decimals.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.runtime.atomic_file import atomic_write

FOLDER = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parent / "RESULTS.md"
BLOCK = re.compile(r"(<!-- results/(?P<name>[\w-]+)\.json -->\n)(?P<table>.*?)(<!-- end -->\n)", re.S)
NEEDED = ("columns", "rows", "command", "commit", "hardware", "seeds")


def commit() -> str:
    """The commit that is measured."""
    words = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, cwd=DOCUMENT.parent, capture_output=True, text=True, check=False).stdout.strip()


def hardware(threads: int) -> str:
    """The processor, and how much of it was used."""
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if os.name == "posix" else []
    used = "one thread" if threads == 1 else f"{threads} threads"
    return f"{names[0] if names else platform.processor()}, {used}, other work on the machine"


def write_record(name: str, record: dict[str, Any]) -> Path:
    """Write the JSON file of a table.

    Raises:
        ValueError: if a field is missing, or a row has another number of cells than there are columns.
    """
    missing = [field for field in NEEDED if not record.get(field)]
    uneven = [row for row in record["rows"] if len(row) != len(record["columns"])]
    if missing or uneven:
        raise ValueError(f"Expected {NEEDED} and even rows, got nothing for {missing} and rows {uneven[:2]}.")
    file = FOLDER / f"{name}.json"
    atomic_write(file, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    return file


def rendered(record: dict[str, Any]) -> str:
    """The table, and below it the command, commit, hardware and seeds."""
    formats = record.get("format", {})
    lines = ["| " + " | ".join(record["columns"]) + " |", "|" + "---|" * len(record["columns"])]
    for row in record["rows"]:
        cells = [_cell(cell, formats.get(column, ".3f")) for column, cell in zip(record["columns"], row, strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    commands = record["command"] if isinstance(record["command"], list) else [record["command"]]
    lines += ["", "  \n".join(folded(commands))]
    lines.append(f"Commit {record['commit']}; {record['hardware']}; seeds: {record['seeds']}.")
    return "\n".join(lines) + "\n"


def folded(commands: Sequence[str]) -> list[str]:
    """Commands as lines of the document; those that share most of their settings as one line and what they differ in.

    Example:
        >>> folded(["run --a 1 --b 2 --c", "run --a 1 --b 3 --c", "other"])
        ['`run --a 1 --c` with `--b 2` or `--b 3`', '`other`']
    """
    programs: dict[str, list[list[str]]] = {}
    for command in commands:
        program, *settings = re.split(r" (?=--[a-z])", command)
        programs.setdefault(program, []).append(settings)
    lines = []
    for program, calls in programs.items():
        shared = [setting for setting in calls[0] if all(setting in call for call in calls)]
        rest = [" ".join(setting for setting in call if setting not in shared) for call in calls]
        if 2 * len(shared) < max(map(len, calls)) or not all(rest):
            lines += [f"`{' '.join([program, *call])}`" for call in calls]
        else:
            *others, last = [f"`{settings}`" for settings in rest]
            lines.append(f"`{' '.join([program, *shared])}` with {', '.join(others)} or {last}")
    return lines


def _cell(cell: Any, form: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, list):
        mean, deviation = cell
        return format(mean, form) if deviation is None else f"{mean:{form}} ± {deviation:{form}}"
    return str(cell) if isinstance(cell, str | int) else format(cell, form)


def rebuilt(document: str, folder: Path = FOLDER) -> str:
    """The document with every table written again.

    Raises:
        ValueError: if a table has no file, or a file no table.
    """
    records = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    named = [match["name"] for match in BLOCK.finditer(document)]
    if sorted(named) != sorted(records):
        raise ValueError(f"Expected one table for every file, got tables {sorted(named)} and files {sorted(records)}.")
    return BLOCK.sub(lambda match: match[1] + rendered(records[match["name"]]) + match[4], document)


def main(words: list[str]) -> int:
    """Write the tables again; with ``--check`` 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(words)
    before = DOCUMENT.read_text()
    after = rebuilt(before)
    if not options.check:
        atomic_write(DOCUMENT, after.encode())
    return int(options.check and before != after)
