"""Mean, spread and interval of a score over independently trained networks."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t

__all__ = ["summary"]


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation (n - 1), 95% t-interval of the mean, and the values themselves.

    A single value has neither deviation nor interval (None), and NaN, the mean of no value too, becomes None: the
    result is valid JSON.

    Example:
        >>> summary([0.5, 0.7])["mean"]
        0.6
    """
    data = np.asarray(values, dtype=np.float64)
    mean = float(data.mean()) if len(data) else math.nan
    if len(data) < 2 or math.isnan(mean):
        return {"mean": _json(mean), "std": None, "interval95": None, "values": [_json(float(v)) for v in data]}
    std = float(data.std(ddof=1))
    half = float(t.ppf(0.975, len(data) - 1)) * std / math.sqrt(len(data))
    return {"mean": mean, "std": std, "interval95": [mean - half, mean + half], "values": data.tolist()}


def _json(value: float) -> float | None:
    return None if math.isnan(value) else value
