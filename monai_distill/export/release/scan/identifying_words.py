"""Words that must not leave: names of patients, files, this machine and its user."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import getpass
import html
import os
import pwd
import re
import socket
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import unquote

__all__ = ["IdentifyingWords", "readings", "without_accents"]

ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def readings(text: str) -> list[str]:
    """The text, and the text after undoing the escapes of URLs, HTML and JSON.

    Example:
        >>> readings("n=Doe%20J&#97;ne")
        ['n=Doe%20J&#97;ne', 'n=Doe Jane']
    """
    plain = html.unescape(unquote(ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)))
    return [text] if plain == text else [text, plain]


def without_accents(text: str) -> str:
    """Lower case, without accents, zero-width characters and other Unicode forms of a letter.

    Example:
        >>> without_accents("M\u00fcller") == without_accents("MU\u0308LLER") == "muller"
        True
    """
    if text.isascii():
        return text.casefold()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in parts if not unicodedata.combining(c) and unicodedata.category(c) != "Cf").casefold()


# a decimal number is one word: 0.1024 does not contain the id 1024
TOKEN = re.compile(r"\d+\.\d+(?:e[-+]?\d+)?|[^\W_]+")
# the next entry of a JSON object or of a list, and the seed in the rule of a split, are no number of a patient:
# "unit": "patient", "views": 20, and "by a keyed hash of each patient, seed 0"
NAMING = r"(?:id|no|nr|number|name|code|key|file|image)\b"
NEXT_ENTRY = re.compile(rf'(?:,\s*"|\n[\s*-]*+)(?!{NAMING})[^":,\n]*"?\s*:|, seed\b')
MARKERS = {"patient", "patients", "patientid", "subject", "case", "mrn", "pid"}
ANYBODY = {"root", "user", "admin", "ubuntu", "localhost", "runner", "docker"}
LONG = 8
DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ø": "oe", "å": "aa"})


class IdentifyingWords:
    """Finds words in texts, whatever their case, accents, escapes, separators and order of parts.

    ``DOE_JANE`` matches ``doe, jane``, ``Jane%20Doe`` and ``DoeJane``. ``Müller`` matches ``muller`` and ``mueller``.

    Words of at least eight characters with a letter, and names of at least seven letters in several parts, are also
    found inside other words. Words shorter than four characters and numbers of fewer than six digits would match
    everywhere, and so would a class name followed by such a number (``COVID-2.png``). They match only next to a word
    like *patient*, and not in the next entry of a JSON object; :attr:`weak` counts them.

    Args:
        words: the words to find; empty ones are ignored.
        but: words that identify nobody although they are in ``words``.

    Example:
        >>> words = IdentifyingWords(["DOE^JANE", "17"])
        >>> list(words.within("by doe_jane")), list(words.within("17 images")), list(words.within("patient 17"))
        (['DOE^JANE'], [], ['17'])
    """

    def __init__(self, words: Iterable[str], but: Iterable[str] = ()) -> None:
        allowed = {tuple(_tokens(word)) for word in but}
        self.by_first: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
        self.inside: dict[str, str] = {}
        self.encoded: dict[bytes, str] = {}
        self.weak = self._count = 0
        for word in sorted(set(words)):
            parts = tuple(_tokens(word))
            if not parts or parts in allowed:
                continue
            numbered = any(parts[: len(name)] == name and _is_weak_number(parts[len(name) :]) for name in allowed)
            weak = numbered or _weak(parts)
            self._count += 1
            self.weak += weak
            for form in sorted(_forms(word)):
                self.by_first.setdefault(form[0], []).append((form, word, weak))
                whole = "".join(form)
                name = len(form) > 1 and whole.isalpha()  # class_10 would be found in class 100
                if len(whole) >= LONG - name and not _is_number(whole) and not numbered:
                    self.inside[whole] = word
            if not weak:
                self.encoded |= dict.fromkeys(_codes(word), word)

    def __len__(self) -> int:
        return self._count

    @classmethod
    def of_sections(
        cls, sections: Sequence[Any], class_names: Iterable[str] = (), but: Iterable[str] = ()
    ) -> IdentifyingWords:
        """Words for patients, image files, folders, the files of the provenance, and this machine and its user.

        Args:
            sections: data sets of :mod:`monai_distill.data`; ``data`` has the items before any transform.
            class_names: identify nobody, although folders have these names.
            but: as for the class.
        """
        words: set[str] = set()
        for section in sections:
            for item in section.data:
                words |= set(_words_of(item, Path(section.root_dir)))
            words |= {name for name in section.provenance.get("files", {}) if re.search(r"\.\w{2,6}$", name)}
        return cls([*words, *own_names()], {*but, *class_names})

    def within(self, text: str) -> Iterator[str]:
        """Every word in ``text``, once."""
        seen = {word for reading in readings(text) for word in self._within(reading)}
        yield from sorted(seen)

    def within_bytes(self, data: bytes) -> Iterator[str]:
        """Every word in ``data``: as written, or in one case, in UTF-8 or UTF-16."""
        yield from sorted({word for code, word in self.encoded.items() if code in data})

    def _within(self, text: str) -> set[str]:
        plain = without_accents(text)
        matches = list(TOKEN.finditer(plain))
        tokens = [match[0] for match in matches]
        whole, seen = "".join(tokens), set()
        for place, token in enumerate(tokens):
            for parts, word, weak in self.by_first.get(token, ()):
                here = word not in seen and tuple(tokens[place : place + len(parts)]) == parts
                if here and (not weak or _is_marked(plain, matches[max(0, place - 2) : place + 1])):
                    seen.add(word)
        return seen | {word for joined, word in self.inside.items() if joined in whole}


def _is_marked(text: str, matches: Sequence[re.Match[str]]) -> bool:
    """Whether one of the words before the last is a marker of the same entry."""
    *before, last = matches
    return any(m[0] in MARKERS and not NEXT_ENTRY.search(text, m.end(), last.start()) for m in before)


def own_names() -> list[str]:
    """Names of this machine (with and without domain), its user, the user's folder and full name.

    Names that many machines share, such as root, are left out.
    """
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for the user
        user = ""
    host = socket.gethostname()
    names = {host, host.split(".")[0], user, Path.home().name, _full_name()}
    return sorted(name for name in names if len(name) > 3 and name.lower() not in ANYBODY)


def _words_of(item: dict[str, Any], root: Path) -> Iterator[str]:
    if item.get("patient"):
        yield str(item["patient"])
    for key in ("image", "mask"):
        if isinstance(item.get(key), str | Path):
            path = Path(item[key])
            first = path.name.split(".")[0]
            yield from (path.name, re.sub(r"(\.[A-Za-z]\w{0,5})+$", "", path.name))
            if not first.isdecimal():  # the first number of a UID identifies nobody
                yield first
            inner = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else path.parts[1:-1]
            # a folder with a number belongs to a patient or a study; others are classes or sections
            yield from (part for part in inner if re.search(r"\d", part))


def _full_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0].strip()
    except KeyError:
        return ""


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(without_accents(text))


def _forms(word: str) -> set[tuple[str, ...]]:
    """The parts of a word, for a name in every order, and with ae for ä."""
    spellings = {tuple(_tokens(word)), tuple(_tokens(unicodedata.normalize("NFC", word).translate(DIGRAPHS)))}
    names = {parts for parts in spellings if 1 < len(parts) < 4 and all(part.isalpha() for part in parts)}
    return spellings | {order for parts in names for order in permutations(parts)}


def _codes(word: str) -> set[bytes]:
    cases = {word, word.lower(), word.upper(), word.title()}
    codes = {case.encode(code) for case in cases for code in ("utf-8", "utf-16-le", "utf-16-be")}
    return {code for code in codes if len(code) >= LONG}


def _is_number(whole: str) -> bool:
    return whole.replace(".", "").isdecimal()


def _is_weak_number(parts: Sequence[str]) -> bool:
    return len(parts) == 1 and _is_number(parts[0]) and _weak(parts)


def _weak(parts: Sequence[str]) -> bool:
    whole = "".join(parts)
    return len(whole) < 4 or (_is_number(whole) and len(whole) < 6)
