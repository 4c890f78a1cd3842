"""MONAI-style dataset distillation: real images in, a tiny scored synthetic training set out.

:func:`monai_distill.distill` runs any method on MONAI datasets or on a path; it is imported on first use.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .configuration.python_run import Distilled, distill

__version__ = "0.1.0"

__all__ = ["Distilled", "__version__", "distill"]


def __getattr__(name: str) -> Any:
    if name in ("Distilled", "distill"):
        from .configuration import python_run

        return getattr(python_run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
