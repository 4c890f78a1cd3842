"""The type of a setting: that of its default in YAML, or of the argument that receives it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
import math
import pydoc
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .files import Config, RunFiles

__all__ = ["checked_settings", "checked_values"]

# No type says whether 0 is possible. A whole number whose default is above 0 is at least 1, but for COUNTS_FROM_ZERO;
# another number is at least 0, but for ABOVE_ZERO.
COUNTS_FROM_ZERO = frozenset({"full_students", "min_expert_epochs", "ramp_iterations"})
ABOVE_ZERO = frozenset(
    {"dp_lr", "expert_lr", "gate", "gradient_clip", "memory_budget", "network_lr", "student_lr", "temperature"}
)
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", list: "a list"}


def checked_settings(values: Mapping[str, Any], files: RunFiles) -> dict[str, Any]:
    """``values`` with whole numbers that were written as 1e3 made whole.

    Args:
        values: settings by name; null and expressions of the configuration (``$``, ``@``, ``%``) are not checked.
        files: of the run.

    Raises:
        ValueError: for a value of another type than the setting's, or a number below 0 (or at 0) where that is
            impossible.

    Example:
        >>> from monai_distill.configuration.files import run_files
        >>> checked_settings({"iterations": 1000.0, "gate": 1.5}, run_files("digits", "convnet", "mtt"))
        {'iterations': 1000, 'gate': 1.5}
    """
    return checked_values(values, files.contents)


def checked_values(values: Mapping[str, Any], contents: Sequence[Config]) -> dict[str, Any]:
    """:func:`checked_settings` for any files: ``contents`` are laid over one another."""
    return {name: _checked(name, value, contents) for name, value in values.items()}


def _checked(name: str, value: Any, contents: Sequence[Config]) -> Any:
    if value is None or (isinstance(value, str) and value.startswith(("$", "@", "%"))) or "#" in name or "::" in name:
        return value
    defaults = [content[name] for content in contents if name in content]
    if not defaults:
        return value
    default = defaults[-1]
    if isinstance(default, bool | int | float | list) and _fits(value, (type(default),)):
        kinds: tuple[type, ...] = (type(default),)
    else:
        kinds = _argument_types(name, contents) or (() if default is None or _computed(default) else (type(default),))
    if not kinds or not set(kinds) & set(WORDS):
        return value
    if not _fits(value, kinds) or (_has_modes(kinds) and isinstance(value, str) and value not in _modes()):
        raise ValueError(f"Expected {_described(name, kinds, default)} for --{name}, got {value}.")
    if (bool in kinds and isinstance(value, bool)) or not isinstance(value, int | float):
        return value
    if value < 0 or (value == 0 and not _may_be_zero(name, kinds, default)):
        raise ValueError(f"Expected {_described(name, kinds, default)} for --{name}, got {value}.")
    return int(value) if float not in kinds and value == int(value) else value


def _may_be_zero(name: str, kinds: Sequence[type], default: Any) -> bool:
    if isinstance(default, int | float) and default <= 0:
        return True
    return name not in ABOVE_ZERO if float in kinds else name in COUNTS_FROM_ZERO


def _fits(value: Any, kinds: Sequence[type]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int | float):
        return math.isfinite(value) and (float in kinds or (int in kinds and value == int(value)))
    return any(isinstance(value, kind) for kind in kinds if kind in (str, list))


def _described(name: str, kinds: Sequence[type], default: Any) -> str:
    if _has_modes(kinds):
        return f"true, false or one of {', '.join(_modes())}"
    kind = next(kind for kind in (bool, float, int, list, str) if kind in kinds)
    if kind not in (int, float):
        return WORDS[kind]
    zero = _may_be_zero(name, kinds, default)
    if kind is int:
        several = ", or a list of them such as [64, 64]" * (list in kinds)
        return f"{WORDS[int]} of at least {0 if zero else 1}{several}"
    return f"{WORDS[float]} of at least 0" if zero else f"{WORDS[float]} above 0"


def _has_modes(kinds: Sequence[type]) -> bool:
    """Whether a setting is a switch or a mode of ``torch.compile``."""
    return bool in kinds and str in kinds


def _modes() -> tuple[str, ...]:
    from monai_distill.networks.gradients import MODES  # here, so that `--help` answers at once

    return tuple(MODES)


def _computed(default: Any) -> bool:
    is_reference = isinstance(default, str) and default.startswith(("$", "@", "%"))
    return is_reference or isinstance(default, Mapping)


def _argument_types(name: str, contents: Sequence[Config]) -> tuple[type, ...]:
    """The types of every argument ``x: '@name'``, and of what computes the default: its return annotation."""
    found: set[type] = set()
    for part in _components(list(contents)):
        for argument, value in part.items():
            if value == f"@{name}":
                found |= _annotated(part["_target_"], argument)
    for content in contents:
        default = content.get(name)
        if isinstance(default, Mapping) and "_target_" in default:
            found |= _annotated(default["_target_"], "return")
        if isinstance(default, str) and default.startswith("@") and default[1:].isidentifier():
            found |= set(_argument_types(default[1:], contents))
    return tuple(found & set(WORDS))


def _components(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, Mapping):
        if isinstance(part.get("_target_"), str):
            yield part
        for value in part.values():
            yield from _components(value)
    elif isinstance(part, list):
        for value in part:
            yield from _components(value)


def _annotated(target: str, argument: str) -> set[type]:
    located: Any = pydoc.locate(target)
    function = located.__init__ if inspect.isclass(located) and argument != "return" else located
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # torch's own signatures name types that only type checkers see
        return set()
    return _plain_types(hints.get(argument))


def _plain_types(annotation: Any) -> set[type]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(_plain_types(part) for part in typing.get_args(annotation)))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Sequence):
        return {list}
    return {annotation} if annotation in (bool, int, float, str) else set()
