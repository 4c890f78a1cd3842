"""``python -m tests.benchmarks decoding FOLDER``: CPU seconds of decoding every image of class folders, alone and as a
run reads them, and the wall seconds until the first sign of progress.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Resized, ScaleIntensityRanged
from PIL import Image

from monai_distill.data import SplitBanks, dataset_reading
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

    def watched(what: str, before: float) -> None:
        spent = cpu_seconds() - before
        print(f"{what}: {spent:.1f} s CPU, {1000 * spent / len(files):.2f} ms an image", flush=True)

    before = cpu_seconds()
    for file in files:
        with Image.open(file) as image:
            np.asarray(image)
    watched(f"Pillow decodes {len(files)} images", before)
    before = cpu_seconds()
    for file in files:
        reading({"image": file})
    watched("the transform: decoded, scaled, resized", before)
    own, some = _monai(options.side), files[: options.monai]
    before = cpu_seconds()
    for file in some:
        own({"image": file})
    spent = 1000 * (cpu_seconds() - before) / max(len(some), 1)
    print(f"MONAI's own transforms decode, scale and resize: {spent:.2f} ms an image ({len(some)} images)", flush=True)
    before, first.began = cpu_seconds(), time.perf_counter()
    sections = [
        ImageFolderDataset(options.folder, section, reading=reading, cache_rate=0.0)
        for section in ("training", "validation", "test")
    ]
    watched("a run lists the files and reads their headers", before)
    before = cpu_seconds()
    SplitBanks(*sections, fit=Standardize.fit)
    watched(f"a run reads the images with {options.workers} workers, and hashes them", before)
    print(f"the first line of the log came after {first.seconds:.1f} s")
    return 0
