"""The manifest of a release: chosen keys of the run's, never a copy of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_distill.data import SyntheticDataset
from monai_distill.export.release.formats.npz import EightBit

from .audit_evidence import rounded
from .license import Owner
from .tier import ReleaseTier

__all__ = ["released_manifest", "released_scores"]

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


# not among them: seeds, checksums and files of the source, exact counts, the chosen iteration, any path
KEPT = (
    "format",
    "dataset",
    "method",
    "images_per_class",
    "initial_images",
    "network",
    "spatial_dims",
    "augmentation",
    "settings",
    "protocol",
    "versions",
)
WARN, REFUSE = 0.01, 0.10


def released_manifest(
    synthetic: SyntheticDataset,
    tier: ReleaseTier,
    owner: Owner,
    license: str,
    formats: Sequence[str],
    spacing: tuple[list[float] | None, str],
) -> dict[str, Any]:
    """What :meth:`SyntheticDataset.save` is given; it adds classes, preprocessing, shapes and checksum itself.

    Args:
        synthetic: the set with the manifest of its run.
        tier: what is promised.
        owner: gives the title.
        license: text of the release's license; its first line is the short name.
        formats: that are written.
        spacing: millimetres per axis, None when not known, and where they are from.

    Raises:
        ValueError: when, without a guarantee, there is a synthetic image for every ten real ones of a class: a set of
            that size can hold the real ones.
    """
    run = synthetic.manifest
    source = run.get("source") or {}
    counts = [int(count) for count in (source.get("counts") or {}).get("training", [])]
    scale = EightBit.of(synthetic.pixels())
    title = owner.title or _public_name(run, source)
    return {
        **{key: run[key] for key in KEPT if key in run},
        "source": {
            "name": title,
            "license": source.get("license", "unknown"),
            "citation": source.get("citation", "unknown"),
            "official": bool(source.get("official", False)),
            "split": source.get("split", "unknown"),
            "training_images_rounded": rounded(sum(counts)) if counts else None,
        },
        "privacy": tier.config(),
        "release": {
            "title": title,
            "license": license.strip().splitlines()[0] if license.strip() else "see LICENSE",
            "formats": list(formats),
            "eight_bit": {"low": scale.low, "high": scale.high},
            "spacing": spacing[0],
            "spacing_rule": spacing[1],
            "warnings": _size_warnings(synthetic, counts, tier),
        },
    }


def _public_name(run: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """The name of the data set; a set of one's own is named after its file, which is not for others."""
    name = str(source.get("name", run.get("dataset")))
    own = name in source.get("files", {}) or name == run.get("dataset_file")
    return f"images of the owner ({run.get('dataset')})" if own else name


def _size_warnings(synthetic: SyntheticDataset, counts: Sequence[int], tier: ReleaseTier) -> list[str]:
    if tier.name == "T2" or not counts:
        return []
    per_class = [int((synthetic.labels == label).sum()) for label in range(len(counts))]
    share = max(made / max(real, 1) for made, real in zip(per_class, counts, strict=True))
    if share > REFUSE:
        raise ValueError(
            f"Expected at most one synthetic image per {1 / REFUSE:.0f} real ones of a class without a guarantee, "
            f"got a share of {share:.0%}: a set of that size can hold the real images. Distil fewer images per class."
        )
    if share > WARN:
        few = f"there is a synthetic image for every {1 / share:.0f} real ones of a class"
        return [f"{few}: such a set can hold much of what is particular to single images"]
    return []
