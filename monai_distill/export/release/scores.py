"""The scores of a release: of what its files hold, beside the controls of its run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["released_scores"]

CONTROLS = ("random", "full", "prior", "controls")
LEFT_OUT = (
    "The controls are trained on real images; at T2 their scores stay with the owner, who can show them on request."
)


def released_scores(
    manifest: Mapping[str, Any], run: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """``scores.json`` of a release.

    The keys are those of a run's; ``distilled`` is what the safetensors hold, ``formats`` has every format, and
    ``rounding_cost`` how much the mean of each metric falls from safetensors to a format.

    Args:
        manifest: of the release.
        run: scores of the run; its controls are taken over but at T2, because they are measured on real images.
        rows: metric -> summary for every format, read back from the folder.
    """
    exact = rows["safetensors"]
    kept = () if manifest["privacy"]["tier"] == "T2" else CONTROLS
    return {
        **{key: manifest.get(key) for key in ("dataset", "method", "images_per_class", "network", "protocol")},
        "students": len(exact["accuracy"]["values"]),
        "distilled": exact,
        "formats": dict(rows),
        "rounding_cost": {name: _cost(exact, row) for name, row in rows.items() if name != "safetensors"},
        **{key: run[key] for key in kept if key in run},
        **({"controls_of": "the run, same protocol"} if kept else {"controls_left_out": LEFT_OUT}),
    }


def _cost(exact: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, float]:
    means = {name: (value, row[name]) for name, value in exact.items() if isinstance(value, Mapping)}
    known = {n: (a["mean"], b["mean"]) for n, (a, b) in means.items() if None not in (a["mean"], b["mean"])}
    return {name: before - after for name, (before, after) in known.items()}
