"""Names as people write them: which differences mean nothing, and which could mean two things."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

__all__ = ["cleaned_names", "is_missing", "refuse_two_spellings", "spelling_key"]

# what programs write for an empty cell; "none" and "NA" are not among them, as they are names of classes too
MISSING = {"", "nan", "null", "n/a", "#n/a", "<na>", "nat", "#ref!", "#value!", "#name?"}


def cleaned_names(names: Sequence[str]) -> list[str]:
    """The names without differences that carry no meaning.

    These are: blanks around a name, several blanks in a row, characters without a width, the Unicode form, and the
    ``.0`` that programs put behind whole numbers. Compatibility characters, such as a ligature, are replaced where
    the name occurs without them as well.

    Example:
        >>> cleaned_names([" Grade\\u00a0 1 ", "7.0", "\\uff17", "7", "cm\\u00b2"])
        ['Grade 1', '7', '7', '7', 'cm²']
    """
    plain = {name: _plain(name) for name in set(names)}
    forms: dict[str, set[str]] = defaultdict(set)
    for name in set(plain.values()):
        forms[_plain(unicodedata.normalize("NFKC", name))].add(name)
    compatible = {name: folded for folded, several in forms.items() if len(several) > 1 for name in several}
    return [compatible.get(plain[name], plain[name]) for name in names]


def _plain(name: str) -> str:
    visible = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) != "Cf")
    name = " ".join(visible.split())
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", name)


def is_missing(name: str) -> bool:
    """Whether a cell holds nothing, or what a program writes for nothing.

    Example:
        >>> [is_missing(name) for name in ("", "NaN", "#N/A", "none", "0")]
        [True, True, True, False, False]
    """
    return name.strip().casefold() in MISSING


def spelling_key(name: str) -> Hashable:
    """A value that two spellings of one name share: without case, separators and leading zeros.

    Signs that distinguish names, such as ``+`` and a leading ``-``, stay.

    Example:
        >>> spelling_key("Lung_Opacity") == spelling_key("lung opacity"), spelling_key("007") == spelling_key("7")
        (True, True)
        >>> spelling_key("HER2+") == spelling_key("HER2-"), spelling_key("1-23") == spelling_key("12-3")
        (False, False)
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    folded = re.sub(r"(?<=\w)-(?=\w)", "_", folded)
    tokens: list[str] = []
    for token in re.findall(r"[^\W\d_]+|\d+|[^\w\s]", folded):
        part = (token.lstrip("0") or "0") if token.isdecimal() else token
        if tokens and part.isalpha() and tokens[-1].isalpha():  # LungOpacity and lung opacity
            tokens[-1] += part
        else:
            tokens.append(part)
    return tuple(tokens)


def refuse_two_spellings(
    names: Sequence[str], places: Sequence[str], key: Callable[[str], Hashable], kind: str, advice: str
) -> None:
    """Do nothing when every key has one spelling.

    Args:
        names: cleaned names.
        places: where each of them stands, for the error.
        key: from a name to a value that two spellings of it share.
        kind: what the names are, in words.
        advice: the way out.

    Raises:
        ValueError: with both spellings and a place of each, of up to three names.

    Example:
        >>> refuse_two_spellings(["7", "007"], ["row 2", "row 3"], spelling_key, "patient", "Write one way.")
        Traceback (most recent call last):
        ValueError: 1 patient(s) may be written in several ways, expected one: '007' (row 3) and '7' (row 2). \
Write one way.
    """
    first: dict[str, str] = {}
    for name, place in zip(names, places, strict=True):
        first.setdefault(name, place)
    spellings: dict[Hashable, dict[str, str]] = defaultdict(dict)
    for name, place in first.items():
        spellings[key(name)][name] = place
    doubtful = sorted(sorted(group.items()) for group in spellings.values() if len(group) > 1)
    if doubtful:
        shown = "; ".join(" and ".join(f"{name!r} ({place})" for name, place in group) for group in doubtful[:3])
        raise ValueError(f"{len(doubtful)} {kind}(s) may be written in several ways, expected one: {shown}. {advice}")
