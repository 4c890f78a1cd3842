"""What only the owner of a release can say of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Owner"]

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
        licence: file with the licence or data-use agreement, where the licence of the source does not settle it.

    Example:
        >>> Owner().publisher
        'not stated by the owner'
    """

    title: str | None = None
    publisher: str = UNSAID
    recipient: str = UNSAID
    notes: Path | str | None = None
    licence: Path | str | None = None

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
