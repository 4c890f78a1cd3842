"""Search every file of a release for identifying words, paths and identifiers."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from .file_contents import FileContents
from .identifying_words import IdentifyingWords, readings

__all__ = ["scan_release"]

FILES = re.compile(
    r"SHA256SUMS(\.sig)?|LICENSE|(DATA_CARD|privacy_report)\.md|(manifest|scores|croissant|privacy_report|dp_ledger|audit"
    r"|medmnist_info)\.json|labels\.csv|synthetic\.(safetensors|npz)|preview\.png|png/synthetic_\d{4,}\.png"
    r"|nifti/synthetic_\d{4,}\.nii\.gz"
)
BEFORE = " \t\n\"'`(=,;:[{<>|"  # characters before a path
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
# patterns for binary data: chance does not produce them; 8-bit pixel values can produce all of PATTERNS
SURE = {
    "an absolute path": re.compile(r"/(?:home|Users|root|mnt|data|media)/\w{3}"),
    "a DICOM name": re.compile(r"[A-Za-z]{4,}\^[A-Za-z]{4,}"),
}
PRINTABLE = re.compile(rb"[\x20-\x7e]{8,}|(?:[\x20-\x7e]\x00){8,}")


def scan_release(folder: str | Path, words: IdentifyingWords | None = None) -> list[str]:
    """Search names, texts, headers and metadata of every file in a release folder, and the bytes between them.

    The search finds the given words (also escaped, without accents or in another order), absolute paths, DICOM names
    and identifiers, EXIF data, pickles, and parts, files and links that an export does not write. It does not find text
    inside an image, encrypted text, text hidden in pixel values, or other words.

    Args:
        folder: of the release.
        words: patients, source files, machine and user; a recipient has none.

    Returns:
        One line per finding.

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
            findings += [f"{name}: {finding}" for finding in _findings(path, name, words)]
        elif name not in ("png", "nifti"):
            findings.append(f"{name}: is a folder that no release has")
    return findings


def _findings(path: Path, name: str, words: IdentifyingWords) -> Iterator[str]:
    if not FILES.fullmatch(name):
        yield "is a file that no release has"
    yield from (f"has {word!r} in its name" for word in words.within(name))
    contents = FileContents.of(path)
    yield from contents.problems
    matches: set[str] = set()
    for text in contents.texts:
        matches |= set(_matches(text, PATTERNS)) | {f"holds {word!r}" for word in words.within(text)}
    for text in _printable(contents.raw):
        matches |= set(_matches(text, SURE))
    for data in (*contents.raw, *contents.pixels):
        texts = [_joined(text) for text in _printable([data])]
        matches |= {f"holds {word!r}" for joined, word in words.inside.items() if any(joined in text for text in texts)}
        matches |= {f"holds {word!r}" for word in words.within_bytes(data)}
    yield from sorted(matches)


def _matches(text: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    for kind, pattern in patterns.items():
        for hit in (match for reading in readings(text) for match in pattern.finditer(reading)):
            yield f"holds {kind}: {hit.group().strip(BEFORE)[:60]!r}"


def _printable(raw: list[bytes]) -> Iterator[str]:
    for data in raw:
        for run in PRINTABLE.finditer(data):
            yield run.group().replace(b"\0", b"").decode("ascii")


def _joined(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
