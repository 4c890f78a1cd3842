"""Reading a CSV table as people and spreadsheets write it, with errors that name the row and the way out."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

__all__ = ["read_table"]


def read_table(path: Path) -> pd.DataFrame:
    """Every cell as text under the header's names; rows keep their place in the file (0 is the header).

    Cells that a short row lacks are empty, rows without any content and columns without a name are left out; a byte
    order mark and Windows' line ends carry no meaning.

    Raises:
        ValueError: if the file is no such table, a row is longer than the header, or a column is named twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "t.csv").write_text("image,label\\na.png,01\\n")
        ...     read_table(Path(folder, "t.csv")).to_dict("index")
        {1: {'image': 'a.png', 'label': '01'}}
    """
    try:
        # everything as text: labels such as 01 or NA are names, not numbers and not missing values; the header as a
        # row among others, or pandas would take longer rows for rows with names, and rename columns
        cells = pd.read_csv(
            path, dtype=str, header=None, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
        )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(
            f"cannot read {path} as a CSV table: {' '.join(str(error).split())}; expected UTF-8 text with a header and "
            "as many cells in every row, separated by commas: save it as CSV UTF-8."
        ) from error
    cells = cells.fillna("")
    names = [str(name).strip() for name in cells.iloc[0]]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise ValueError(f"{path} has the header {names[0]!r}, expected commas between cells: save it with commas.")
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise ValueError(f"{path} names the column(s) {twice} twice, expected once; rename or remove one.")
    table = cells.set_axis(names, axis="columns").iloc[1:].loc[:, [name != "" for name in names]]
    return table[(table.map(str.strip) != "").any(axis="columns")]
