"""``python -m tests.benchmarks shapes``: files of the published sets' shapes, with made-up images, to measure loading.

The images are 2,000 random textures. Every image carries its own number in its first pixels, so that no two of them
are equal (equal images of two sections are dropped) and no file compresses by repetition alone.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SECTIONS = {"train": 89_996, "val": 10_004, "test": 7_180}  # images of PathMNIST
CLASSES = 9
TEXTURES = 2000
COVID = {"COVID": 3616, "Lung_Opacity": 6012, "Normal": 10_192, "Viral Pneumonia": 1345}


def textures(shape: tuple[int, ...], count: int = TEXTURES, seed: int = 0) -> np.ndarray:
    """Random images [count, *shape] of uint8 with coarse and fine structure."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 224, (count, *(-(-s // 7) for s in shape[:2]), *shape[2:]), dtype=np.uint8)
    full = coarse.repeat(7, axis=1).repeat(7, axis=2)[:, : shape[0], : shape[1]]
    return full + generator.integers(0, 32, full.shape, dtype=np.uint8)


def numbered(images: np.ndarray, first: int, count: int) -> Iterator[np.ndarray]:
    """``count`` images, in blocks; every image has its number, from ``first`` on, in its first four pixels."""
    for low in range(first, first + count, len(images)):
        numbers = np.arange(low, min(low + len(images), first + count), dtype="<u4")
        block = images[: len(numbers)].copy()
        block.reshape(len(block), -1)[:, :4] = numbers.view(np.uint8).reshape(-1, 4)
        yield block


def write_npz(file: Path, side: int, compressed: bool, sections: dict[str, int] | None = None) -> None:
    """An ``.npz`` of MedMNIST's format with RGB images of ``side`` pixels, written image by image."""
    images, first = textures((side, side, 3)), 0
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name, count in (sections or SECTIONS).items():
            labels = np.arange(count, dtype=np.uint8)[:, None] % CLASSES
            for key, shape, blocks in (
                ("images", (count, side, side, 3), numbered(images, first, count)),
                ("labels", labels.shape, iter([labels])),
            ):
                with archive.open(f"{name}_{key}.npy", "w", force_zip64=True) as member:
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(member, header)
                    for block in blocks:
                        member.write(block.tobytes())
            first += count


def write_folders(folder: Path, side: int, counts: dict[str, int], inner: str = "images") -> None:
    """PNG files below ``folder/CLASS/inner``."""
    images, first = textures((side, side), 200), 0
    for name, count in counts.items():
        place = folder / name / inner
        place.mkdir(parents=True, exist_ok=True)
        number = 0
        for block in numbered(images, first, count):
            for image in block:
                Image.fromarray(image).save(place / f"{name}-{number}.png", compress_level=1)
                number += 1
        first += count


def main(words: Sequence[str]) -> int:
    """Write one of the files."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks shapes", description=__doc__)
    parser.add_argument("kind", choices=("pathmnist", "covid", "folders"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, help="pixels; 28, for covid 299 unless given")
    parser.add_argument("--compressed", action="store_true")
    parser.add_argument("--count", type=int, default=50_000, help="of folders: images in all")
    options = parser.parse_args(words)
    options.out.mkdir(parents=True, exist_ok=True)
    side = options.side or (299 if options.kind == "covid" else 28)
    if options.kind == "pathmnist":
        suffix = "" if side == 28 else f"_{side}"
        write_npz(options.out / f"pathmnist{suffix}.npz", side, options.compressed)
    elif options.kind == "covid":
        write_folders(options.out, side, COVID)
    else:
        write_folders(options.out, side, dict.fromkeys("ab", options.count // 2), inner="")
    return 0
