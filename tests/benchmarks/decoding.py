"""``python -m tests.benchmarks decoding FOLDER``: seconds of decoding every image of class folders, alone and as a run
reads them, and the seconds until the first sign of progress.

As many plain processes as the run has workers decode the same files at the same time, each its share: what these
cores need for decoding alone.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Resized, ScaleIntensityRanged
from PIL import Image

from monai_distill.data import ClassBank, dataset_reading
from monai_distill.data.datasets import ImageFolderDataset
from monai_distill.data.reading import FileToImaged
from monai_distill.runtime.memory import disable_malloc_trim
from monai_distill.transforms import Standardize

from .first_iteration import cpu_seconds


class _First(logging.Handler):
    """Remembers when the first line of the log came."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.seconds = time.perf_counter(), float("nan")

    def emit(self, record: logging.LogRecord) -> None:
        if self.seconds != self.seconds:
            self.seconds = time.perf_counter() - self.began


def _monai(side: int | None) -> Compose:
    """The same by MONAI's transforms."""
    transforms = [
        LoadImaged("image", reader="PILReader", image_only=True),
        EnsureChannelFirstd("image"),
        ScaleIntensityRanged("image", 0, 255, 0, 1, clip=True),
    ]
    if side is not None:
        transforms.append(Resized("image", (side, side), mode="bilinear", anti_aliasing=True))
    return Compose(transforms)


def clocks() -> tuple[float, float]:
    """CPU seconds of this process and its children, and wall seconds."""
    return cpu_seconds(), time.perf_counter()


def _decode(files: Sequence[str], reading: FileToImaged) -> None:
    for file in files:
        reading({"image": file})


def main(words: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks decoding", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, help="pixels that every image is resized to; default: unchanged")
    parser.add_argument("--monai", type=int, default=1000, help="images that MONAI's own transforms read")
    parser.add_argument("--workers", type=int, default=2, help="processes that decode for the run")
    options = parser.parse_args(words)
    disable_malloc_trim()
    dataset_reading._cores = lambda: options.workers  # whatever the process may use
    files = sorted(str(path) for path in options.folder.rglob("*.png"))
    reading = FileToImaged(image_size=options.side, channels=1)
    first = _First()
    for name in ("monai_distill.data", "monai_distill.runtime"):
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).addHandler(first)

    def watched(what: str, before: tuple[float, float]) -> None:
        cpu, wall = (now - then for now, then in zip(clocks(), before, strict=True))
        print(f"{what}: {wall:.1f} s, {cpu:.1f} s CPU, {1000 * cpu / len(files):.2f} ms an image", flush=True)

    before = clocks()
    for file in files:
        with Image.open(file) as image:
            np.asarray(image)
    watched(f"Pillow decodes {len(files)} images", before)
    before = clocks()
    _decode(files, reading)
    watched("the transform: decoded, scaled, resized", before)
    before = clocks()
    plain = [
        multiprocessing.Process(target=_decode, args=(files[share :: options.workers], reading))
        for share in range(options.workers)
    ]
    for process in plain:
        process.start()
    for process in plain:
        process.join()
    watched(f"the transform in {options.workers} plain processes", before)
    own, some = _monai(options.side), files[: options.monai]
    before = clocks()
    for file in some:
        own({"image": file})
    spent = 1000 * (clocks()[0] - before[0]) / max(len(some), 1)
    print(f"MONAI's own transforms decode, scale and resize: {spent:.2f} ms an image ({len(some)} images)", flush=True)
    before, first.began = clocks(), time.perf_counter()
    sections = [
        ImageFolderDataset(options.folder, section, reading=reading, cache_rate=0.0)
        for section in ("training", "validation", "test")
    ]
    watched("a run lists the files and reads their headers", before)
    before = clocks()
    banks = [ClassBank.from_dataset(section) for section in sections]
    watched(f"a run reads the images with {options.workers} workers", before)
    before = clocks()
    for bank in banks:
        bank.image_hashes()
        bank.fingerprint()
    Standardize.fit(banks[0].images)
    watched("it hashes them, and computes mean and deviation", before)
    print(f"the first line of the log came after {first.seconds:.1f} s")
    return 0
