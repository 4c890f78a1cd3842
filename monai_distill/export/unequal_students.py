"""Whether the students of several runs were trained in the same way, which a comparison of their scores needs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["unequal_students"]


def unequal_students(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Sentences on how the students of some runs were trained otherwise; empty where all were trained alike.

    Args:
        runs: scores of the runs by name, with their ``protocol``.

    Example:
        >>> runs = {name: {"protocol": {"students": {"steps": 9, "lr": lr}}} for name, lr in (("dm", 1), ("dc", 2))}
        >>> unequal_students(runs).partition(". ")[0]
        'The students of the runs were trained in different ways: lr 1 (dm), 2 (dc)'
    """
    protocols = {name: _flat(scores.get("protocol", {}).get("students", {})) for name, scores in runs.items()}
    settings = dict.fromkeys(name for protocol in protocols.values() for name in protocol)
    differing = []
    for setting in settings:
        values: dict[str, list[str]] = {}
        for run, protocol in protocols.items():
            values.setdefault(json.dumps(protocol.get(setting)), []).append(run)
        if len(values) > 1:
            named = [f"{value.replace(chr(34), '')} ({', '.join(of)})" for value, of in values.items()]
            differing.append(f"{setting} {', '.join(named)}")
    if not differing:
        return ""
    return (
        f"The students of the runs were trained in different ways: {'; '.join(differing)}. A control stands as the "
        "first run scored it. To compare the methods alone, give all of them these settings, such as --operations."
    )


def _flat(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a protocol, those of its augmentation among them."""
    augmentation = {key: value for key, value in protocol.get("augmentation", {}).items() if key != "_target_"}
    return {**{key: value for key, value in protocol.items() if key != "augmentation"}, **augmentation}
