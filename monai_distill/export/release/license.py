"""Whether a set may be passed on, and the license text that goes with it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Owner", "license_text", "quoted", "unquoted"]

NOT_STATED = "not stated by the owner"


@dataclass(frozen=True)
class Owner:
    """Texts about a release that only its owner can write.

    Args:
        title: public name of the source; None uses the name of the data set.
        publisher: who is responsible for the release.
        recipient: for whom the release is meant; who reads a set decides what identifies a person in it.
        notes: Markdown file that becomes a part of the data card: how and from whom the images were collected, the
            ethics approval, uses that are not allowed.
        license: file with the license or data-use agreement, if the license of the source does not settle it.

    Example:
        >>> Owner().publisher
        'not stated by the owner'

    Raises:
        ValueError: if title, publisher or recipient is not one line of text.
    """

    title: str | None = None
    publisher: str = NOT_STATED
    recipient: str = NOT_STATED
    notes: Path | str | None = None
    license: Path | str | None = None

    def __post_init__(self) -> None:
        for name in ("title", "publisher", "recipient"):
            text = getattr(self, name)
            if text is not None and (not text.strip() or not text.isprintable()):
                raise ValueError(f"Expected one line of text as --{name}, got {text!r}. Longer texts go into --notes.")

    def notes_text(self) -> str | None:
        """The notes; None without a file.

        Raises:
            ValueError: if the file cannot be read or is empty.
        """
        text = None if self.notes is None else _read_text(Path(self.notes)).strip()
        if text == "":
            raise ValueError(f"Expected a text for the data card in {self.notes}, got an empty file.")
        return text


OWNERS_WORDS = "The owner writes, and nothing here checks:\n\n"


def quoted(notes: str) -> str:
    """The owner's notes as a quotation in Markdown, so that none of their headings looks like one of the program.

    Example:
        >>> quoted("# Privacy").splitlines()[-1]
        '> # Privacy'
    """
    return OWNERS_WORDS + "\n".join(f"> {line}" for line in notes.splitlines())


def unquoted(text: str) -> str | None:
    """The notes in a quotation of :func:`quoted`; None for another text.

    Example:
        >>> unquoted(quoted("From a clinic."))
        'From a clinic.'
    """
    return "\n".join(line[2:] for line in text.partition(OWNERS_WORDS)[2].splitlines()) or None


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read {file} as UTF-8 text: {error}.") from error


FORBIDDEN = re.compile(r"no redistribution|research use agreement|\bno ?deriv|\bND\b|all rights reserved", re.I)
CREATIVE_COMMONS = re.compile(r"\bCC (BY(?:-NC)?(?:-SA)?) (\d\.\d)|\b(CC0) (1\.0)", re.I)
MHIST = re.compile(r"\bmhist\b", re.I)


def license_text(manifest: Mapping[str, Any], file: Path | None = None) -> str:
    """The text of ``LICENSE`` in a release.

    A set from images under a Creative Commons license gets the same license. Any other set requires a text of the
    owner: a license or a data-use agreement.

    Args:
        manifest: of the run; ``source`` names the license of the images.
        file: the owner's text.

    Raises:
        ValueError: if the license of the source forbids passing on derived works (MHIST always does), or if it is
            unknown and there is no ``file``.

    Example:
        >>> source = {"name": "BloodMNIST", "license": "CC BY 4.0", "citation": "Acevedo et al. 2020"}
        >>> license_text({"source": source}).splitlines()[0]
        'CC BY 4.0'
    """
    source = manifest.get("source") or {}
    license = str(source.get("license", "unknown"))
    if MHIST.search(f"{manifest.get('dataset')} {source.get('name')} {license}"):
        raise ValueError(
            "Sets distilled from MHIST may not be passed on: the MHIST research use agreement forbids redistribution."
        )
    if FORBIDDEN.search(license):
        raise ValueError(
            f"The license of the source forbids passing on derived works: {license}. Ask its owner. With the owner's "
            "consent, set the granted license in the configuration of the data set and run again."
        )
    if file is not None:
        return _read_text(file)
    match = CREATIVE_COMMONS.search(license)
    if not match:
        raise ValueError(
            f"Expected a source with a known license, got {license!r}. Give a license or a data-use agreement for the "
            "set with --license FILE."
        )
    kind, version = (match[1] or match[3]).upper(), match[2] or match[4]
    return _same_license(kind, version, str(source.get("name")), str(source.get("citation")))


def _same_license(kind: str, version: str, name: str, citation: str) -> str:
    path = "publicdomain/zero" if kind == "CC0" else f"licenses/{kind.removeprefix('CC ').lower()}"
    title = f"CC0 {version}" if kind == "CC0" else f"CC {kind} {version}"
    lines = [
        title,
        "",
        f"This synthetic set is adapted material. It was distilled from {name}, which is published under {title}.",
        f"The set is published under the same license: https://creativecommons.org/{path}/{version}/legalcode",
        "",
        f"Attribution: {citation}",
        "Changes: the images are synthetic. They were optimized so that a network trained on them works on the source.",
    ]
    if "NC" in kind:
        lines.append("Commercial use is not permitted.")
    if "SA" in kind:
        lines.append("Works that are made from this set must be shared under the same license.")
    return "\n".join(lines) + "\n"
