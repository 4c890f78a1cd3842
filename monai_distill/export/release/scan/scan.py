"""The last look before a release leaves, and the first when it arrives: does any file name a person or a place."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from .file_contents import FileContents
from .identifying_words import IdentifyingWords, readings

__all__ = ["scan_release"]

FILES = re.compile(
    r"SHA256SUMS|LICENSE|(DATA_CARD|privacy_report)\.md|(manifest|scores|croissant|privacy_report|dp_ledger|audit"
    r"|medmnist_info)\.json|labels\.csv|synthetic\.(safetensors|npz)|preview\.png|png/synthetic_\d{4,}\.png"
    r"|nifti/synthetic_\d{4,}\.nii\.gz"
)
BEFORE = " \t\n\"'`(=,;:[{<>|"  # what may stand before a path
PATHS = {
    "an absolute path": re.compile(
        r"(?:^|[\s\"'`(=,;:\[{<>|])(?:/[\w.~+-]+){2,}|(?<![\w/.])/(?:home|Users|root)/\w|(?<![\w/.~])~(?:[A-Za-z_][\w-]*)?/\w"
    ),
    "a Windows path": re.compile(r"(?<![A-Za-z])[A-Za-z]:\\+\w|(?:^|[\s\"'])\\\\+\w+\\+\w"),
    "a file address": re.compile(r"\bfile://", re.I),
}
PATTERNS = {
    **PATHS,
    "a DICOM name": re.compile(r"[^\W\d_]{2,}\^[^\W\d_]"),
    "a DICOM identifier": re.compile(
        r"\b1\.2\.\d{3}\.[\d.]{8,}|\b2\.25\.\d{10,}|(?<![\w.])[0-2](?:\.(?:0|[1-9]\d*)){5,}"
    ),
}
# in binary data only what chance does not write; pixel values of 8 bits do write all of it
SURE = {
    "an absolute path": re.compile(r"/(?:home|Users|root|mnt|data|media)/\w{3}"),
    "a DICOM name": re.compile(r"[A-Za-z]{4,}\^[A-Za-z]{4,}"),
}
PRINTABLE = re.compile(rb"[\x20-\x7e]{8,}|(?:[\x20-\x7e]\x00){8,}")


def scan_release(folder: str | Path, words: IdentifyingWords | None = None) -> list[str]:
    """Look through every file of a release folder: names, texts, headers, metadata, and the bytes between them.

    Found are: the given words, escaped, without accents or in another order too; absolute paths; DICOM names and
    identifiers; EXIF and pickles; text chunks, header fields, extensions, tensors and metadata that an export does not
    write; bytes between and behind what a format holds; files and links that no release holds. Not found: text drawn
    into an image, what is enciphered or hidden in pixel values, and a word that is neither given nor of such a form.

    Args:
        folder: of the release.
        words: patients, source files, machine and user; a receiver has none.

    Returns:
        One line per finding, empty when there is none.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "LICENSE").write_text("see /home/jane/terms")
        >>> scan_release(folder)
        ["LICENSE: holds an absolute path: '/home/jane/terms'"]
    """
    folder = Path(folder)
    words = IdentifyingWords([]) if words is None else words
    findings: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            findings.append(f"{name}: is a link")
        elif path.is_file():
            findings += [f"{name}: {what}" for what in _findings(path, name, words)]
        elif name not in ("png", "nifti"):
            findings.append(f"{name}: is a folder that no release holds")
    return findings


def _findings(path: Path, name: str, words: IdentifyingWords) -> Iterator[str]:
    if not FILES.fullmatch(name):
        yield "is a file that no release holds"
    yield from (f"has the name of {word!r}" for word in words.within(name))
    contents = FileContents.of(path)
    yield from contents.problems
    said: set[str] = set()
    for text in contents.texts:
        said |= set(_matches(text, PATTERNS)) | {f"holds {word!r}" for word in words.within(text)}
    for text in _printable(contents.raw):
        said |= set(_matches(text, SURE))
    for data in (*contents.raw, *contents.pixels):
        read = [_joined(text) for text in _printable([data])]
        said |= {f"holds {word!r}" for joined, word in words.inside.items() if any(joined in text for text in read)}
        said |= {f"holds {word!r}" for word in words.within_bytes(data)}
    yield from sorted(said)


def _matches(text: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    for kind, pattern in patterns.items():
        for match in (found for reading in readings(text) for found in pattern.finditer(reading)):
            yield f"holds {kind}: {match.group().strip(BEFORE)[:60]!r}"


def _printable(raw: list[bytes]) -> Iterator[str]:
    for data in raw:
        for run in PRINTABLE.finditer(data):
            yield run.group().replace(b"\0", b"").decode("ascii")


def _joined(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
