"""The entries that a part of a configuration refers to, so that the part can stand alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

__all__ = ["with_dependencies"]

REFERENCE = re.compile(r"[@%](\w+(?:(?:#|::)\w+)*)")


def with_dependencies(part: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """``part``, and of ``job`` what it refers to (``@id``, ``@id#id``, ``%id#id``), and what that refers to.

    Of ``@train#dataset`` only that item of ``train`` is taken, of a list the whole; what ``part`` has stays as it is.

    Args:
        part: a configuration by id.
        job: the configuration that it comes from.

    Raises:
        ValueError: when an id is in neither.

    Example:
        >>> job = {"train": {"dataset": "@images", "trainer": 1}, "images": [1, 2], "seed": 0}
        >>> with_dependencies({"words": "@train#dataset"}, job)
        {'words': '@train#dataset', 'train': {'dataset': '@images'}, 'images': [1, 2]}
    """
    made = deepcopy(dict(part))
    open_ids = _ids(made)
    while open_ids:
        path = re.split("#|::", open_ids.pop(0))
        if _lies_in(made, path):
            continue
        source, target = job, made
        while len(path) > 1 and isinstance(source.get(path[0]), dict):
            source, target = source[path[0]], target.setdefault(path[0], {})
            path = path[1:]
        if path[0] not in source:
            raise ValueError(f"Expected {path[0]} in the configuration, which refers to it; it has {list(source)}.")
        target[path[0]] = deepcopy(source[path[0]])
        open_ids += _ids(target[path[0]])
    return made


def _ids(content: Any) -> list[str]:
    """The references of all references and expressions in ``content``; other texts, such as "50%0", hold none."""
    if isinstance(content, Mapping):
        content = list(content.values())
    if isinstance(content, list | tuple):
        return [name for value in content for name in _ids(value)]
    return REFERENCE.findall(content) if isinstance(content, str) and content.startswith(("@", "%", "$")) else []


def _lies_in(content: Any, path: list[str]) -> bool:
    for key in path:
        if not isinstance(content, dict):
            return True  # a list, or what only the run can look into
        if key not in content:
            return False
        content = content[key]
    return True
