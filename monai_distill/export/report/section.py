"""One section of a report."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .picture import Picture
from .table import Table

__all__ = ["Section"]


class Section(NamedTuple):
    """A heading and what stands below it, in this order; the template decides how it looks.

    Example:
        >>> Section("Versions", paragraphs=["None known."]).tables
        ()
    """

    title: str
    paragraphs: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
