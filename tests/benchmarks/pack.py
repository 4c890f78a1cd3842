"""Gather what the GPU benchmark needs on a machine without a network, and say the two commands.

``python -m tests.benchmarks pack --to .gpu --wheels DIR --data_dir ../shared/data --reference DIR`` copies wheels, the
official program's modules and the images into a folder that git ignores. The images of the two commands do not fit into
one transfer of ``--most`` MiB, so each command has its own list of what travels.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

from tests.benchmarks.gpu_parts import BLOOD, CIFAR

INSTALL = "python3 -m pip install -q --no-index --no-deps --no-compile --upgrade --target {to}/site {to}/wheels/*.whl"
RUN = (
    "export PYTHONPATH={to}/site:. PYTHONUNBUFFERED=1 TORCHINDUCTOR_CACHE_DIR=$PWD/{to}/compiled; python3 -m "
    "tests.benchmarks gpu --data_dir {to}/data --reference {to}/reference --out {to}/out --work {to}/work {more} 2>&1 "
    "| tee $OUT/log; cp {to}/out/* $OUT"
)
MORE = ("--minutes 9.3", "--minutes 3 --parts ladder")


def gathered(options: argparse.Namespace) -> list[list[Path]]:
    """Copy everything; what travels with the first command, and what with the second."""
    to: Path = options.to
    for name in ("wheels", "reference", "data"):
        (to / name).mkdir(parents=True, exist_ok=True)
    (to / ".gitignore").write_text("*\n")
    for wheel in sorted(options.wheels.glob("*.whl")):
        shutil.copy(wheel, to / "wheels")
    for module in (*sorted(options.reference.glob("*.py")), *sorted(options.reference.glob("LICENSE*"))):
        shutil.copy(module, to / "reference")
    for file in (BLOOD, CIFAR):
        shutil.copy(options.data_dir / file, to / "data")
    return [[to / "wheels", to / "reference", to / "data" / BLOOD], [to / "data" / CIFAR]]


def mib(paths: list[Path]) -> float:
    """Size of files and folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files) / 2**20


def main(words: list[str]) -> int:
    """Copy, weigh and print; 1 when a transfer is too large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path(".gpu"))
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument(
        "--reference", type=Path, required=True, help="a checkout of GeorgeCazenavette/mtt-distillation"
    )
    parser.add_argument("--data_dir", type=Path, default=Path("../shared/data"))
    parser.add_argument("--most", type=float, default=64.0, help="MiB of one transfer, the repository included")
    options = parser.parse_args(words)
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    own, too_large = mib([Path(name) for name in listed if Path(name).exists()]), False
    for number, travels in enumerate(gathered(options)):
        size = own + mib(travels)
        too_large |= size > options.most
        run = RUN.format(to=options.to, more=MORE[number])
        print(f"\n# {size:.1f} MiB with the repository (at most {options.most:g}): {' '.join(map(str, travels))}")
        print(run if number else f"{INSTALL.format(to=options.to)} && {run}")
    return int(too_large)
