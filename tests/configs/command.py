"""The command, run in this process: importing torch again takes longer than a whole small run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import gc
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from PIL import Image

from monai_distill.cli import main

QUICK = (
    *("--device", "cpu", "--iterations", "4", "--validate_every", "2", "--experts", "2", "--max_start_epoch", "1"),
    *("--expert_epochs", "1", "--student_steps", "2", "--evaluation_steps", "3", "--full_steps", "3"),
    *("--validation_steps", "2", "--students", "2", "--full_students", "2", "--width", "4"),
    # named here, so that a better preset changes no test
    *("--expert_lr", "0.01", "--expert_batch_size", "256", "--image_lr", "10", "--student_lr", "0.01"),
    *("--zca", "false"),
)
FAST = (*QUICK, "--depth", "1")  # which other networks than the ConvNet do not take
ABOUT_DATA = ("monai-distill: Data: ", "monai-distill: Forecast: ")
ELAPSED = re.compile(r" elapsed(, |$)")
SILENCED = ("monai.bundle.scripts", "monai.bundle.workflows", "ignite.engine.engine")


class Outcome(NamedTuple):
    """The output of a command; ``data`` holds the lines on standard error about data and forecast, ``err`` others.

    Lines of progress, which appear after a second and thus on a busy machine, are in ``data`` too.
    """

    code: int
    out: str
    err: str
    data: str = ""


def command(*words: str | Path) -> Outcome:
    """Run ``monai-distill WORDS`` and undo what the command does to the process that it thinks it owns."""
    out, err = io.StringIO(), io.StringIO()
    levels = {name: logging.getLogger(name).level for name in SILENCED}
    formatted = warnings.formatwarning
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in words])
    except SystemExit as end:  # argparse
        code = int(end.code or 0)
    finally:
        warnings.formatwarning = formatted
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    _exempt_libraries()
    lines = err.getvalue().splitlines(keepends=True)
    data = [line for line in lines if line.startswith(ABOUT_DATA) or ELAPSED.search(line)]
    return Outcome(code, out.getvalue(), "".join(line for line in lines if line not in data), "".join(data))


def _exempt_libraries() -> None:
    """Exempt newly imported libraries from garbage collection.

    A run collects garbage before it measures memory. Among a million objects of libraries and tests this takes as long
    as the rest of a small run.
    """
    global _exempt_modules
    if len(sys.modules) > _exempt_modules + 50:
        gc.collect()
        gc.freeze()
        _exempt_modules = len(sys.modules)


_exempt_modules = 0


@contextlib.contextmanager
def undrawn_figures() -> Iterator[None]:
    """Inside the block a finished figure becomes an empty picture.

    Drawing takes half of a small run.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    def png(canvas: FigureCanvasAgg, file: Any, **_: Any) -> None:
        Image.new("L", (1, 1)).save(file, "PNG")

    def svg(canvas: FigureCanvasSVG, file: io.BytesIO, **_: Any) -> None:
        file.write(b"<svg></svg>")

    with mock.patch.object(FigureCanvasAgg, "print_png", png), mock.patch.object(FigureCanvasSVG, "print_svg", svg):
        yield


def fast_run(folder: Path, *words: str | Path) -> Outcome:
    """``monai-distill run`` at smoke size; later words win over the fast settings."""
    plan = () if {"--dataset", "--effort", "--minutes"} & {*words} else ("--no_plan",)  # the digits have presets
    return command("run", "--output_dir", folder, *plan, *(QUICK if "--network" in words else FAST), *words)


def read(folder: Path, name: str) -> Any:
    """A JSON file of a run folder."""
    return json.loads((folder / name).read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for ``run.log``, to which every command adds its lines."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.log")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
