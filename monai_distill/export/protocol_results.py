"""Results of protocols: checked when they are stored, drawn as heat maps, and compared between methods."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from monai_distill.metrics.score_record import Cell, Comparison, ProtocolResult, RunScores, Summary, Table
from monai_distill.metrics.score_tables import ROW_TITLES

from .figures import draw_heat_map
from .tables import is_summary, markdown_table

__all__ = ["compare_protocols", "require_protocol_result", "save_heat_maps"]

FILES = ("compare", "curves", "grid")  # pictures that a folder of runs holds besides those of the protocols


def require_protocol_result(name: str, result: object) -> None:
    """Refuse a result that the tables, the report and the comparison cannot show.

    Args:
        name: of the protocol, which also names its picture.
        result: a :class:`~monai_distill.metrics.score_record.ProtocolResult`.

    Raises:
        TypeError: if the result is not a dictionary.
        ValueError: if it has unknown keys, a table whose rows do not match its header, or the name is no file name.

    Example:
        >>> require_protocol_result("size", {"images": 10})
        Traceback (most recent call last):
        ValueError: Expected a ProtocolResult from size with some of title, figures, paragraphs, tables, charts, \
comparisons, uses, networks, scores, got images. Put numbers into figures.
    """
    if not isinstance(result, Mapping):
        raise TypeError(f"Expected a ProtocolResult from {name}, got {type(result).__name__}. Return a dictionary.")
    known = list(ProtocolResult.__annotations__)
    unknown = [str(key) for key in result if key not in known]
    if unknown:
        raise ValueError(
            f"Expected a ProtocolResult from {name} with some of {', '.join(known)}, got {', '.join(unknown)}. Put "
            "numbers into figures."
        )
    if not re.fullmatch(r"[A-Za-z0-9]\w*", name) or name in FILES:
        raise ValueError(f"Expected a protocol named by letters, digits and _, not {' or '.join(FILES)}, got {name!r}.")
    for table in result.get("tables", []):
        lengths = {len(row) for row in table["rows"]} - {len(table["header"])}
        if lengths:
            raise ValueError(
                f"Expected rows of {len(table['header'])} cells in table {table['title']!r} of {name}, got {lengths}."
            )


def save_heat_maps(scores: RunScores, folder: str | Path) -> list[Path]:
    """Draw ``PROTOCOL.png`` for every protocol whose comparisons are scores: the distilled and the random images.

    Args:
        scores: the content of ``scores.json``.
        folder: receives the pictures.

    Returns:
        The files.
    """
    about = f"{scores['dataset']}, {scores['method']}: " if "dataset" in scores and "method" in scores else ""
    files = []
    for name, result in scores.get("protocols", {}).items():
        panels = {
            comparison["title"]: _summaries({kind: comparison[kind] for kind in ("distilled", "random")})
            for comparison in result.get("comparisons", [])
            if comparison["heat_map"]
        }
        if panels:
            files.append(draw_heat_map(panels, f"{about}{result.get('title', name)}", Path(folder) / f"{name}.png"))
    return files


def compare_protocols(folder: str | Path, runs: Mapping[str, RunScores]) -> str:
    """Markdown tables of the protocols that at least one run has, a row a method.

    Below the methods stand the random images, as the first run with the protocol scored them. Scores are drawn as well,
    as ``PROTOCOL.png``.

    Args:
        folder: receives the pictures.
        runs: the content of ``scores.json`` by method, in the order of the rows.

    Returns:
        Empty text when no run has any protocol.

    Example:
        >>> comparison = {"title": "size", "distilled": {"images": 10}, "random": {"images": 10}, "heat_map": False}
        >>> print(compare_protocols(".", {"dm": {"protocols": {"size": {"comparisons": [comparison]}}}}))
        | size                       | images |
        |----------------------------|--------|
        | dm                         | 10     |
        | as many random real images | 10     |
    """
    names = dict.fromkeys(name for scores in runs.values() for name in scores.get("protocols", {}))
    tables: list[str] = []
    for name in names:
        results = {
            method: scores["protocols"][name] for method, scores in runs.items() if name in scores.get("protocols", {})
        }
        comparisons = {method: result.get("comparisons", []) for method, result in results.items()}
        panels: dict[str, dict[str, dict[str, Summary]]] = {}
        for title in dict.fromkeys(
            comparison["title"] for results_of in comparisons.values() for comparison in results_of
        ):
            of_methods = {
                method: c for method, results_of in comparisons.items() for c in results_of if c["title"] == title
            }
            rows = _rows(of_methods)
            tables.append(markdown_table(_table(title, rows)))
            if all(comparison["heat_map"] for comparison in of_methods.values()):
                panels[title] = _summaries(rows)
        if panels:
            heading = next(iter(results.values())).get("title", name)
            draw_heat_map(panels, heading, Path(folder) / f"{name}.png")
    return "\n\n".join(tables)


def _rows(comparisons: Mapping[str, Comparison]) -> dict[str, dict[str, Cell]]:
    """The distilled cells of every method, then the random ones of the first."""
    rows = {method: comparison["distilled"] for method, comparison in comparisons.items()}
    return {**rows, ROW_TITLES["random"]: next(iter(comparisons.values()))["random"]}


def _table(title: str, rows: Mapping[str, Mapping[str, Cell]]) -> Table:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = [[name, *(row.get(column) for column in columns)] for name, row in rows.items()]
    return {"title": title, "header": [title, *columns], "rows": lines}


def _summaries(rows: Mapping[str, Mapping[str, Cell]]) -> dict[str, dict[str, Summary]]:
    return {
        ROW_TITLES.get(name, name): {column: cell for column, cell in row.items() if is_summary(cell)}  # type: ignore[misc]
        for name, row in rows.items()
    }
