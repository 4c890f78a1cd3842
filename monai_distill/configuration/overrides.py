"""Settings as they stand on a command line: names and YAML values."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

__all__ = ["parsed_overrides"]


def parsed_overrides(rest: Sequence[str]) -> dict[str, Any]:
    """``--ANY#CONFIG#ID VALUE`` or ``--ID=VALUE`` pairs; a value is read as YAML (1e3 too), else as text.

    Raises:
        ValueError: when a word is not part of such a pair.

    Example:
        >>> parsed_overrides(["--student_steps", "30", "--image_lr=1e3", "--zca", "true"])
        {'student_steps': 30, 'image_lr': 1000.0, 'zca': True}
    """
    words = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    pairs: dict[str, Any] = {}
    for name, value in zip(words[::2], words[1::2], strict=False):
        if not name.startswith("--"):
            raise ValueError(f"Expected --NAME VALUE, got {name!r}.")
        pairs[name[2:]] = _value(value)
    if len(words) % 2:
        raise ValueError(f"Expected a value after {words[-1]!r}.")
    return pairs


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.1 takes 1e3 for text; people mean a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _value(text: str) -> Any:
    if text.startswith(("$", "@", "%")):  # an expression or a reference, whatever YAML would make of it
        return text
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        return text
