"""What may be said of the source of a set with a guarantee."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["told_source"]

KEPT = ("name", "licence", "citation", "official", "split", "seed")


def told_source(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance without what depends on every single record: checksums and counts.

    Whoever has all records but one could try candidates for the last against a checksum of the training images, and
    against an exact count, with certainty; no noise helps then.

    Example:
        >>> told_source({"name": "ward 7", "training_sha256": "ab12", "counts": {"training": [7]}})
        {'name': 'ward 7'}
    """
    return {name: provenance[name] for name in KEPT if name in provenance}
