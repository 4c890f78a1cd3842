"""What a text says once its escapes are undone, and a word once its accents are."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import unquote

__all__ = ["readings", "without_accents"]

ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def readings(text: str) -> list[str]:
    """The text, and what it says with the escapes of addresses, of HTML and of JSON undone.

    Example:
        >>> readings("n=Doe%20J&#97;ne")
        ['n=Doe%20J&#97;ne', 'n=Doe Jane']
    """
    plain = html.unescape(unquote(ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)))
    return [text] if plain == text else [text, plain]


def without_accents(text: str) -> str:
    """In lower case, without accents, characters of no width and the other forms that Unicode has of a letter.

    Example:
        >>> without_accents("M\u00fcller") == without_accents("MU\u0308LLER") == "muller"
        True
    """
    if text.isascii():
        return text.casefold()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c) and unicodedata.category(c) != "Cf").casefold()
