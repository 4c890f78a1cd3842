"""Manifest and scores of a release: selected keys of the run's files, never a copy of them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_distill.data.set_manifest import images_sha256
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.release.formats.npz import EightBit

from .audit_evidence import rounded
from .license import Owner
from .tier import ReleaseTier

__all__ = [
    "is_size_warning",
    "lacks_size_warning",
    "of_the_set_alone",
    "released_manifest",
    "released_scores",
    "start",
]

CONTROLS = ("random", "full", "prior", "controls")
CONTROLS_LEFT_OUT = (
    "The controls were trained on real images. At tier T2 their scores stay with the owner, who can show them."
)


def of_the_set_alone(about: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of a run without the protocol of networks on all real images, which have no row next to a guaranteed set.

    Example:
        >>> of_the_set_alone({"method": "dm", "protocol": {"students": {"steps": 3}, "full": {"steps": 9}}})
        {'method': 'dm', 'protocol': {'students': {'steps': 3}}}
    """
    protocol = {name: value for name, value in about.get("protocol", {}).items() if name != "full"}
    return {**about, **({"protocol": protocol} if protocol else {})}


def released_scores(
    manifest: Mapping[str, Any], run: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Content of ``scores.json`` in a release.

    The keys are those of a run. ``distilled`` is the score of the safetensors file and ``formats`` has the score of
    every format. ``rounding_cost`` is the loss of each metric from safetensors to a format, ``hard_label_cost`` the
    loss from the run's learned labels to the released class numbers.

    Args:
        manifest: of the release.
        run: scores of the run. Its controls are copied, except at T2, because they are measured on real images.
        rows: format -> metric -> summary, read back from the folder; ``learned labels`` is the row of the run's labels.
    """
    formats = {name: row for name, row in rows.items() if name != LEARNED_LABELS}
    exact = formats["safetensors"]
    controls = () if manifest["privacy"]["tier"] == "T2" else CONTROLS
    labels = {}
    if LEARNED_LABELS in rows:
        labels = {"learned_labels": rows[LEARNED_LABELS], "hard_label_cost": _cost(rows[LEARNED_LABELS], exact)}
    return {
        **{key: manifest.get(key) for key in ("dataset", "method", "images_per_class", "network", "protocol")},
        "students": len(exact["accuracy"]["values"]),
        "distilled": exact,
        "formats": formats,
        "rounding_cost": {name: _cost(exact, row) for name, row in formats.items() if name != "safetensors"},
        **labels,
        **{key: run[key] for key in controls if key in run},
        **({"controls_of": "the run, same protocol"} if controls else {"controls_left_out": CONTROLS_LEFT_OUT}),
    }


LEARNED_LABELS = "learned labels"


def _cost(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    pairs = {name: (value, after[name]) for name, value in before.items() if isinstance(value, Mapping)}
    means = {name: (a["mean"], b["mean"]) for name, (a, b) in pairs.items() if None not in (a["mean"], b["mean"])}
    return {name: first - second for name, (first, second) in means.items()}


# left out: seeds, checksums and files of the source, exact counts, the chosen iteration, every path
KEYS = (
    *("format", "dataset", "method", "images_per_class", "initial_images", "network", "spatial_dims", "augmentation"),
    *("settings", "protocol", "versions"),
)
SET_KEYS = (
    *("source", "privacy", "release", "preprocessing", "class_names", "images", "student_lr", "labels", "sha256"),
    "decode",
)
SOURCE_KEYS = ("name", "license", "citation", "official", "split", "training_images_rounded")
RELEASE_KEYS = (
    *("title", "license", "formats", "eight_bit", "distilled_sha256", "labels_reduced", "spacing", "spacing_rule"),
    *("images_sha256", "warnings"),
)
WARN, REFUSE = 0.01, 0.10
SIZE_WARNING = (
    "There is one synthetic image for every {} real images of a class. Such a set can hold details of single real "
    "images."
)


def released_manifest(
    synthetic: SyntheticDataset,
    tier: ReleaseTier,
    owner: Owner,
    license: str,
    formats: Sequence[str],
    spacing: tuple[list[float] | None, str],
    *,
    labels_reduced: bool = False,
) -> dict[str, Any]:
    """Values for :meth:`SyntheticDataset.save`, which adds classes, preprocessing, shapes and checksum.

    Args:
        synthetic: the set with the manifest of its run.
        tier: of the release.
        owner: gives the title.
        license: text of the license; its first line is the short name.
        formats: names of the written formats.
        spacing: millimeters per axis (None if unknown) and their origin.
        labels_reduced: whether class numbers take the place of the run's learned labels.

    Raises:
        ValueError: if there is no guarantee and more than one synthetic image for ten real ones of a class. A set of
            that size can hold the real images.
    """
    run = of_the_set_alone(synthetic.manifest) if tier.name == "T2" else synthetic.manifest
    source = run.get("source") or {}
    counts = [int(count) for count in (source.get("counts") or {}).get("training", [])]
    scale = EightBit.of(synthetic.pixels())
    title = owner.title or _public_name(run, source)
    return {
        **{key: run[key] for key in KEYS if key in run},
        "source": {
            "name": title,
            "license": source.get("license", "unknown"),
            "citation": source.get("citation", "unknown"),
            "official": bool(source.get("official", False)),
            "split": source.get("split", "unknown"),
            # at T2 the number of records is protected
            "training_images_rounded": rounded(sum(counts)) if counts and tier.name != "T2" else None,
        },
        "privacy": tier.config(),
        "release": {
            "title": title,
            "license": license.strip().splitlines()[0] if license.strip() else "see LICENSE",
            "formats": list(formats),
            "eight_bit": {"low": scale.low, "high": scale.high},
            "distilled_sha256": run.get("sha256"),  # the set that was audited, before labels became class numbers
            "images_sha256": images_sha256(synthetic.images),
            "labels_reduced": labels_reduced,
            "spacing": spacing[0],
            "spacing_rule": spacing[1],
            "warnings": _size_warnings(synthetic, counts, tier),
        },
    }


REAL_STARTS = ("real", "clusters", "correct")  # choices of training images


def start(manifest: Mapping[str, Any]) -> str:
    """The initial images in words: real images stay visible, and prototypes with noise are more than noise.

    Example:
        >>> start({"initial_images": "noise", "settings": {"method": {"prototypes": {"share": 0.5}}}})
        'noise, moved to prototypes of the classes, which the ledger lists'
        >>> start({"initial_images": "real"})
        'real training images, whose traces can stay visible'
    """
    name = manifest.get("initial_images")
    if name in REAL_STARTS:
        chosen = {"clusters": " of every cluster", "correct": " that networks classify right"}.get(name, "")
        return f"real training images{chosen}, whose traces can stay visible"
    prototypes = manifest.get("settings", {}).get("method", {}).get("prototypes") or {}
    moved = ", moved to prototypes of the classes, which the ledger lists" if prototypes.get("share") else ""
    return f"{name}{moved}"


def _public_name(run: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """Name of a published data set. Own data is named after a file or folder of the owner, which stays."""
    name, files = str(source.get("name", run.get("dataset"))), source.get("files", {})
    local = name in files or name == run.get("dataset_file") or any(key.startswith("listing") for key in files)
    published = source.get("official") or source.get("license", "unknown") != "unknown"
    return name if published and not local else f"images of the owner ({run.get('dataset')})"


def _size_warnings(synthetic: SyntheticDataset, counts: Sequence[int], tier: ReleaseTier) -> list[str]:
    if tier.name == "T2" or not counts:
        return []
    per_class = [int((synthetic.labels == label).sum()) for label in range(len(counts))]
    share = max(made / max(real, 1) for made, real in zip(per_class, counts, strict=True))
    if share > REFUSE:
        raise ValueError(
            f"Expected at most one synthetic image per {1 / REFUSE:.0f} real images of a class without a guarantee, "
            f"got a share of {share:.0%}. A set of that size can hold the real images. Distill fewer images per class."
        )
    if share > WARN:
        return [SIZE_WARNING.format(f"{1 / share:.0f}")]
    return []


def is_size_warning(text: str) -> bool:
    """Whether an export writes this warning.

    Example:
        >>> is_size_warning(SIZE_WARNING.format(20)), is_size_warning("Nobody can be recognized.")
        (True, False)
    """
    return any(text == SIZE_WARNING.format(ratio) for ratio in range(1, 1 + round(1 / WARN)))


def lacks_size_warning(manifest: Mapping[str, Any]) -> bool:
    """Whether a release has no warning although its rounded counts require one; the class with most has even more.

    Args:
        manifest: of the release.
    """
    real, images = manifest["source"]["training_images_rounded"], manifest["images"]
    rounding = 1.1  # the count has two digits
    made = images.get("decoded", images["count"])
    return bool(real) and not manifest["release"]["warnings"] and made / real > rounding * WARN
