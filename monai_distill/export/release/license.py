"""Whether a set may be passed on at all, and the text that goes with it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Owner", "license_text"]

UNSAID = "not stated by the owner"


@dataclass(frozen=True)
class Owner:
    """Texts that no program can write.

    Args:
        title: what the source is called in public; the data set's own name unless given.
        publisher: who answers for the release.
        recipient: for whom it is meant; what identifies somebody depends on who reads it.
        notes: Markdown file that becomes a part of the data card: how the images were collected, from whom, under which
            ethics approval, what the set must not be used for.
        license: file with the license or data-use agreement, where the license of the source does not settle it.

    Example:
        >>> Owner().publisher
        'not stated by the owner'
    """

    title: str | None = None
    publisher: str = UNSAID
    recipient: str = UNSAID
    notes: Path | str | None = None
    license: Path | str | None = None

    def notes_text(self) -> str | None:
        """The notes, or None when there are none.

        Raises:
            ValueError: when the file cannot be read.
        """
        if self.notes is None:
            return None
        try:
            return Path(self.notes).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"Cannot read {self.notes} as UTF-8 text: {error}.") from error


FORBIDDEN = re.compile(r"no redistribution|research use agreement|\bno ?deriv|\bND\b|all rights reserved", re.I)
CREATIVE = re.compile(r"\bCC (BY(?:-NC)?(?:-SA)?) (\d\.\d)|\b(CC0) (1\.0)", re.I)
MHIST = re.compile(r"\bmhist\b", re.I)


def license_text(manifest: Mapping[str, Any], given: Path | None = None) -> str:
    """The text of the release's ``LICENSE``.

    A set distilled from images under a Creative Commons license goes on under the same license. Anything else needs a
    text of the owner's, a license or a data-use agreement.

    Args:
        manifest: of the run; ``source`` names the license of the images.
        given: a file with the owner's text.

    Raises:
        ValueError: when the license of the source forbids passing on what is derived from it (MHIST always does), or is
            not known and no text is given.

    Example:
        >>> source = {"name": "BloodMNIST", "license": "CC BY 4.0", "citation": "Acevedo et al. 2020"}
        >>> license_text({"source": source}).splitlines()[0]
        'CC BY 4.0'
    """
    source = manifest.get("source") or {}
    license = str(source.get("license", "unknown"))
    if MHIST.search(f"{manifest.get('dataset')} {source.get('name')} {license}"):
        raise ValueError(
            "MHIST, and what is distilled from it, may not be passed on: its research use agreement forbids it."
        )
    if FORBIDDEN.search(license):
        raise ValueError(
            f"The license of the source forbids passing on what is derived from it: {license}. Ask its owner; with "
            "their consent, name the license that they grant in the configuration of the data set and run again."
        )
    if given is not None:
        try:
            return given.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"Cannot read {given} as UTF-8 text: {error}.") from error
    found = CREATIVE.search(license)
    if not found:
        raise ValueError(
            f"Expected a source under a known license, got {license!r}. Give the text under which the set may be "
            "passed on, a license or a data-use agreement, with --license FILE."
        )
    kind, version = (found[1] or found[3]).upper(), found[2] or found[4]
    return _same_license(kind, version, str(source.get("name")), str(source.get("citation")))


def _same_license(kind: str, version: str, name: str, citation: str) -> str:
    path = "publicdomain/zero" if kind == "CC0" else f"licenses/{kind.removeprefix('CC ').lower()}"
    title = f"CC0 {version}" if kind == "CC0" else f"CC {kind} {version}"
    lines = [
        title,
        "",
        f"This synthetic set is adapted material: it was distilled from {name}, which is given out under {title}.",
        f"It is passed on under the same license: https://creativecommons.org/{path}/{version}/legalcode",
        "",
        f"Attribution: {citation}",
        "Changes: the images are synthetic, optimised so that a network trained on them does well on the source.",
    ]
    if "NC" in kind:
        lines.append("Commercial use is not permitted.")
    if "SA" in kind:
        lines.append("What is made from this set has to be shared under the same license.")
    return "\n".join(lines) + "\n"
