"""All that is to be shown on a GPU, by one command that fits into ten minutes, the most valuable answers first.

``python -m tests.benchmarks gpu --data_dir DATA --reference DIR --out OUT --work WORK`` runs the parts below in this
order, each in a process of its own that is ended at its time limit. Every row is printed and written to
``OUT/rows.jsonl`` the moment it is known. Called again, it measures only what is missing; ``gpu.json`` has everything.
``python -m tests.benchmarks pack`` gathers what a machine without a network needs. ``--device cpu --tiny`` tries it.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from monai_distill.runtime.atomic_file import atomic_write
from tests.benchmarks import gpu_parts
from tests.benchmarks.gpu_rows import Rows, read_rows
from tests.benchmarks.subject import prepare

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"correctness": 120.0, "iterations": 180.0, "training": 60.0, "scores": 180.0, "ladder": 600.0}  # seconds
NEEDS = {"scores": gpu_parts.BLOOD, "ladder": gpu_parts.CIFAR}  # files of --data_dir
LEAST_SECONDS = 10.0  # a part that has less left is not begun
# sizes at which every line of the script runs in seconds on a CPU
TINY = {
    "width": 4, "depth": 2, "side": 8, "shrink": 50, "repeats": 1, "real_images": 2000, "experts_at_once": 2,
    "students_at_once": 2, "training_steps": 2, "memory_budget": 64.0, "compiled": False, "segments": 2, "threads": 1,
}  # fmt: skip

Start = Callable[[str, Sequence[str], float], str]


def apart(part: str, words: Sequence[str], seconds: float) -> str:
    """Run a part in a process of its own and with it end all that it started, at the latest after ``seconds``."""
    command = [sys.executable, "-m", "tests.benchmarks", "gpu", *words, "--part", part]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return "time limit"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return "done" if code == 0 else f"failed with {code}"


def here(part: str, words: Sequence[str], seconds: float) -> str:
    """Run a part in this process, without a limit."""
    run_part(part, parsed(words))
    return "done"


def run_part(part: str, options: argparse.Namespace) -> None:
    """Do the work of one part."""
    torch.set_num_threads(options.threads)
    prepare(options.device)
    getattr(gpu_parts, part)(options, Rows(options.out / "rows.jsonl", part))


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options; ``--tiny`` changes what is not given."""
    parser = gpu_parts.arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=9.5, help="in all, this call")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--part", choices=LIMITS, default=None, help="this one, in this process, without a limit")
    parser.add_argument("--limit_scale", type=float, default=1.0, help="of the parts' time limits")
    if "--tiny" in words:
        parser.set_defaults(**TINY)
    options = parser.parse_args(words)
    if not options.device.startswith(("cpu", "cuda")):
        options.autocast = None  # the stand-in knows no autocast
    return options


def machine(device: str) -> dict[str, Any]:
    """The card, the versions and the commit."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    cuda = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(device) if cuda else device,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": sys.version.split()[0],
        "processors": os.cpu_count(),
        "commit": git.stdout.strip() or None,
    }


def _write(file: Path, words: Sequence[str], device: str, parts: dict[str, Any]) -> None:
    rows = read_rows(file.with_name("rows.jsonl"))
    content = {"words": list(words), "machine": machine(device), "parts": parts, "rows": rows}
    atomic_write(file, json.dumps(content, indent=1).encode())


def main(words: Sequence[str], start: Start = apart) -> int:
    """Run the parts in turn; 1 when a part failed or a row missed its target."""
    options = parsed(words)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.part is not None:
        run_part(options.part, options)
        return 0
    begin, file = time.monotonic(), options.out / "gpu.json"
    parts: dict[str, Any] = json.loads(file.read_text())["parts"] if file.exists() else {}
    if start is apart:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a part ends with what started it
    _write(file, words, options.device, parts)  # what a stopped call leaves says where it ran
    for part in options.parts:
        left = 60 * options.minutes - (time.monotonic() - begin)
        limit = min(LIMITS[part] * options.limit_scale, left)
        if parts.get(part, {}).get("ended") == "done":
            print(f"{part}: done before", flush=True)
            continue
        if limit < LEAST_SECONDS * options.limit_scale:
            parts[part] = {"seconds": 0.0, "ended": "no time left"}
        elif options.data_dir is not None and part in NEEDS and not (options.data_dir / NEEDS[part]).exists():
            parts[part] = {"seconds": 0.0, "ended": f"{NEEDS[part]} is not there"}
        else:
            since = time.monotonic()
            ended = start(part, words, limit)
            parts[part] = {"seconds": round(time.monotonic() - since, 1), "limit": round(limit, 1), "ended": ended}
        print(f"{part}: {parts[part]['ended']} after {parts[part]['seconds']} s", flush=True)
        _write(file, words, options.device, parts)
    rows = read_rows(options.out / "rows.jsonl")
    failed = [part for part in parts.values() if part["ended"].startswith("failed")]
    missed = [row for row in rows if row.get("target_met") is False or "error" in row]
    return int(bool(failed or missed))
