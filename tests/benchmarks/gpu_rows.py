"""The rows of a benchmark, printed and written the moment they are known, and known again by a later call."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_rows(file: Path) -> list[dict[str, Any]]:
    """All rows; of rows with one name the last, which was measured more often."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the end of a line that a killed process wrote
        rows[row["part"], row["row"]] = row
    return list(rows.values())


class Rows:
    """The rows of a part."""

    def __init__(self, file: Path, part: str) -> None:
        self.file, self.part = file, part
        self._known = {row["row"]: row for row in read_rows(file) if row["part"] == part}

    def has(self, name: str, repeats: int = 0) -> bool:
        """Whether the row was measured without an error, and often enough."""
        row = self._known.get(name)
        return row is not None and "error" not in row and row.get("repeats", 0) >= repeats

    def add(self, name: str, **figures: Any) -> None:
        """Print and write a row."""
        row = {"part": self.part, "row": name, **figures}
        self._known[name] = row
        with self.file.open("a") as file:
            file.write("\n" * self._torn() + json.dumps(row) + "\n")
        said = ", ".join(f"{key} {_short(value)}" for key, value in figures.items())
        print(f"{self.part} | {name} | {said}", flush=True)

    def _torn(self) -> bool:
        return self.file.exists() and not self.file.read_bytes().endswith(b"\n") and self.file.stat().st_size > 0


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_short, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
