"""Names that come from data, written so that MONAI's ConfigParser returns them unchanged and executes nothing."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["NONE", "literal", "literal_settings"]

# ConfigParser evaluates "$...", follows "@id", replaces "%id", and writes "::" for "#" in every string
INTERPRETED = re.compile(r"^[$%]|[@#]|%:")
ESCAPES = str.maketrans({character: f"\\x{ord(character):02x}" for character in "@#%"})
NONE = "$None"
# settings that are names of folders, files, columns and classes, or texts of the owner: never expressions
TEXT_SETTINGS = frozenset(
    (
        *("dataset_dir", "dataset_file", "output_dir", "experts_root", "controls_root", "shared_controls"),
        *("site_ledger", "release_dir", "set_file"),
        *("image_column", "label_column", "patient_column", "split_column", "group_column", "group_columns"),
        *("class_names", "dataset_name", "network_weights", "not_identifying", "owner"),
    )
)


def literal(value: Any) -> Any:
    """Escape every string in ``value`` that ConfigParser would interpret; the rest stays as it is.

    An escaped string is the expression of one Python string literal. Keys of mappings are not escaped.

    Args:
        value: a string, or lists and mappings of strings; other values are returned unchanged.

    Example:
        >>> from monai.bundle import ConfigParser
        >>> names = literal(["benign", "$print('x')", "@seed", "grade #2"])
        >>> names[0], names[2]
        ('benign', "$'\\\\x40seed'")
        >>> ConfigParser({"class_names": names}).get_parsed_content("class_names")
        ['benign', "$print('x')", '@seed', 'grade #2']
    """
    if isinstance(value, str):
        return f"${repr(value).translate(ESCAPES)}" if INTERPRETED.search(value) else value
    if isinstance(value, Mapping):
        return {key: literal(item) for key, item in value.items()}
    return [literal(item) for item in value] if isinstance(value, list | tuple) else value


def literal_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for ConfigParser, with those that hold names or texts escaped by :func:`literal`.

    The value ``"$None"``, which stands for None on MONAI's command line, is left as it is.

    Example:
        >>> literal_settings({"label_column": "#grade", "output_dir": "$None", "seed": "$1 + 1"})
        {'label_column': "$'\\\\x23grade'", 'output_dir': '$None', 'seed': '$1 + 1'}
    """
    return {
        name: literal(value) if name in TEXT_SETTINGS and value != NONE else value for name, value in settings.items()
    }
