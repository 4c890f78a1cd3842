"""One sentence for an error: what was raised below MONAI, what to do about a lack of memory or a missing module."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import pydoc
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

__all__ = ["EXPECTED", "plain_message"]

EXPECTED = (
    ValueError,
    TypeError,
    RuntimeError,
    OSError,
    SyntaxError,
    ImportError,
    MemoryError,
    pydoc.ErrorDuringImport,
)
UNKNOWN_TARGET = re.compile(r"Cannot locate class or function path: '(.+)'")
ROOT = "monai_distill."
CLASS_GRADIENTS = (
    "gradients of classes were matched",
    "a smaller --memory_budget; then a smaller --batch_per_class, --network_batch_size or --width",
)
CLASS_FEATURES = (
    "features of classes were matched",
    "a smaller --memory_budget; then a smaller --batch_per_class or --width",
)
# by the innermost module that the error passed through: what was done, and the settings that lower its memory
PARTS = {
    "engines.experts": (
        "experts were trained",
        "a smaller --memory_budget or --experts_at_once 1; then a smaller --expert_batch_size or --width",
    ),
    "privacy.dp": (
        "gradients of single records were computed",
        "--gradient_chunk 1, a smaller --images_per_record or --width",
    ),
    "engines.distillation.gradient_matching": CLASS_GRADIENTS,
    "engines.distillation.class_gradients": CLASS_GRADIENTS,
    "engines.distillation.distribution_matching": CLASS_FEATURES,
    "engines.distillation.sums_in_parts": CLASS_FEATURES,
    "engines.distillation": (
        "students were unrolled",
        "--chunk 1, --images_at_once 1 or a smaller --memory_budget; then a smaller --synthetic_batch_size or --width",
    ),
    "engines.students": (
        "students were trained or scored",
        "a smaller --memory_budget; then a smaller --width or --scorecard#protocol#batch_size",
    ),
    "privacy.audit": ("a set was audited", "a smaller --audit#models"),
    "data": ("images were read or prepared", "a smaller --image_size"),
}


def plain_message(error: BaseException) -> str:
    """The error as one sentence or two.

    Example:
        >>> plain_message(ValueError("Expected 1,\\n  got 2."))
        'Expected 1, got 2.'
    """
    chain = list(_causes(error))
    for cause in chain:
        if _is_lack_of_memory(cause):
            return _out_of_memory(cause)
        if isinstance(cause, ImportError | pydoc.ErrorDuringImport):
            return _not_imported(cause)
    while error.__cause__ is not None and _modules(error)[-1:] and _modules(error)[-1].startswith("monai."):
        error = error.__cause__  # MONAI wraps an error once per configuration item
    return " ".join(str(error).split()) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _modules(error: BaseException) -> list[str]:
    """Modules that the error passed through, the innermost last."""
    trace, modules = error.__traceback__, []
    while trace is not None:
        modules.append(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    return modules


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, pydoc.ErrorDuringImport):
        return error.exc is not None and issubclass(error.exc, MemoryError)
    if not isinstance(error, MemoryError | RuntimeError):
        return False
    from monai_distill.runtime.micro_batches import is_out_of_memory  # here, so that other errors appear at once

    return is_out_of_memory(error)


def _out_of_memory(error: BaseException) -> str:
    modules = [module.removeprefix(ROOT) for module in _modules(error) if module.startswith(ROOT)]
    rooms = [name for name in PARTS if name != "data"]
    part = next((name for module in reversed(modules) for name in rooms if module.startswith(name)), None)
    if part is None and any(module.startswith("data") for module in modules):
        part = "data"
    reason = " ".join(str(error).split()) or type(error).__name__
    done, settings = PARTS.get(part or "", ("the command ran", "a smaller --width or --images_per_class"))
    return f"Out of memory while {done}. Give {settings}. ({reason[:300]})"


def _not_imported(error: BaseException) -> str:
    reason = " ".join(str(error).split())
    match = UNKNOWN_TARGET.search(reason)
    if match is None:
        return f"Cannot import a part of the configuration: {reason}. Install the missing package, or correct its code."
    name = match.group(1)
    return (
        f"Cannot import {name}: {_why_not(name)}. Check the name, or name the folder that holds the module, such as "
        f"PYTHONPATH={shlex.quote(str(Path.cwd()))} monai-distill ..."
    )


def _why_not(name: str) -> str:
    """How far the path could be followed."""
    parts, module = name.split("."), None
    for count in range(1, len(parts) + 1):
        try:
            module = importlib.import_module(".".join(parts[:count]))
        except ImportError as error:
            return str(error) if module is None else _missing(module, parts[count - 1], error)
    return f"{name} is a module"


def _missing(module: ModuleType, part: str, error: ImportError) -> str:
    inside = error.name is not None and not f"{module.__name__}.{part}".startswith(error.name)
    return str(error) if inside else f"{module.__name__} ({module.__file__}) has no {part}"
