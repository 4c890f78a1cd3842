"""The data card: what the folder holds, how to train on it, how well it does, what is promised."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from monai_distill.export.tables import NAMES

from .license import Owner
from .privacy_report import NON_CLAIMS
from .tier import ReleaseTier

__all__ = ["data_card"]

ABOUT_FILES = {
    "synthetic.safetensors": "the set: images, labels, learning rate, as float32",
    "manifest.json": "classes, preprocessing, augmentation, network, protocol, settings, tier",
    "labels.csv": "the class of every image, in the order of all formats",
    "synthetic.npz": "the set in MedMNIST's format, 8 bits a value",
    "medmnist_info.json": "what the medmnist package wants to know of it",
    "preview.png": "SYNTHETIC previews, a row a class",
    "png": "SYNTHETIC previews, one file an image",
    "nifti": "one NIfTI file an image, float32",
    "scores.json": "how well networks do that were trained on what the files hold",
    "privacy_report.md": "what is promised and on what evidence (also as .json)",
    "audit.json": "the attacks and their figures",
    "dp_ledger.json": "every access to real images and its noise",
    "croissant.json": "metadata for catalogues, with checksums",
    "LICENSE": "the terms under which the set may be used",
}
LOADS = """```python
from monai_distill.data import SyntheticDataset

dataset = SyntheticDataset.load(".")  # a MONAI dataset: image, label, class_name
images, targets, student_lr = dataset.training_set()
```"""
READS_NPZ = """`synthetic.npz` is in MedMNIST's format, 8 bits a value, and the `medmnist` package reads it:

```python
import json
import medmnist.dataset

class Synthetic(medmnist.dataset.{base}):
    flag = "synthetic"

medmnist.dataset.INFO["synthetic"] = json.load(open("medmnist_info.json"))
dataset = Synthetic("train", root=".")
```

Distilled pixel values leave the range 0 to 1, so the bytes have a scale of their own:
pixel = `pixel_low` + byte / 255 x (`pixel_high` - `pixel_low`), both in the file, here {low:.4f} and {high:.4f}.
Then apply the preprocessing of `manifest.json`, as to real images (0 to 1). Without both steps the scores below are not
reached. In one line:

```python
from pathlib import Path
from monai_distill.export.release.formats import read_release

dataset = read_release(Path("."), "npz")
```"""
READS_NIFTI = """`nifti/` holds the pixel values as float32 with a fresh header; {spacing}.
In the order of `labels.csv`; apply the preprocessing of `manifest.json` before training."""

LIMITS = """For the network and protocol that are scored above; other networks do worse. Not for diagnosis, not for
statistics of a population. The biases of the source remain, and rare findings can be lost."""
MAINTENANCE = """`SHA256SUMS` holds the checksums; `monai-distill verify DIR` checks them and says what is promised.
See `privacy_report.md` for the date of the next review."""


def data_card(
    manifest: Mapping[str, Any], scores: Mapping[str, Any], tier: ReleaseTier, owner: Owner, there: Collection[str]
) -> str:
    """Markdown under the headings of a Healthsheet (Rostamzadeh et al. 2022).

    Args:
        manifest: of the release.
        scores: of the release.
        tier: what is promised.
        owner: title, publisher, and the notes that become a part.
        there: names of the files and folders of the release.
    """
    release = manifest["release"]
    parts = [
        f"# SYNTHETIC images distilled from {release['title']}",
        f"**{tier.title}.** {tier.statement}",
        "The images are a training set for networks. They are not pictures of patients and **not for diagnosis**.",
        f"## General information\n\n{_general(manifest, owner)}",
        "## Composition",
        _composition(manifest),
        _table("file", "what it is", {name: what for name, what in ABOUT_FILES.items() if name in there}),
        f"## How to use it\n\n{_use(manifest)}",
        f"## How well it does\n\n{_score_part(scores)}",
        f"## How it was made\n\n{_made(manifest)}",
        f"## Collection, subjects and approval\n\n{owner.notes_text() or _unsaid()}",
        f"## Limits and uses\n\n{LIMITS}",
        f"## Privacy\n\n{_privacy(manifest, tier)}",
        f"## License and citation\n\n{release['license']}, see `LICENSE`. Cite {manifest['source']['citation']}",
        f"## Maintenance\n\n{MAINTENANCE}",
    ]
    return "\n\n".join(parts) + "\n"


def _general(manifest: Mapping[str, Any], owner: Owner) -> str:
    source = manifest["source"]
    official = "the published files" if source["official"] else "not the published files, or files of one's own"
    count = source["training_images_rounded"]
    many = "the number of training images is not told" if count is None else f"about {count} training images"
    return (
        f"- Source: {source['name']} ({official}), {many}\n"
        f"- Published by: {owner.publisher}\n- Meant for: {owner.recipient}"
    )


def _composition(manifest: Mapping[str, Any]) -> str:
    images, classes = manifest["images"], ", ".join(manifest["class_names"])
    shape = " x ".join(map(str, images["shape"]))
    return f"{images['count']} images of {shape} (channels first), classes: {classes}. Labels: {manifest['labels']}."


def _use(manifest: Mapping[str, Any]) -> str:
    parts, release = [LOADS], manifest["release"]
    if "npz" in release["formats"]:
        base = "MedMNIST3D" if manifest["spatial_dims"] == 3 else "MedMNIST2D"
        parts.append(READS_NPZ.format(base=base, **release["eight_bit"]))
    if "nifti" in release["formats"]:
        sides, rule = release["spacing"], release["spacing_rule"]
        said = f"the spacing is {rule}; 1 stands for it"
        if sides is not None:
            size = " x ".join(f"{side:.4g}" for side in sides)
            said = f"a voxel is {size} mm ({rule}), and lies nowhere in a patient"
        parts.append(READS_NIFTI.format(spacing=said))
    if "png" in release["formats"]:
        parts.append("`png/` and `preview.png` are to look at: enlarged, stamped, and nothing trains on them.")
    return "\n\n".join(parts)


def _score_part(scores: Mapping[str, Any]) -> str:
    rows = {f"distilled, {name}": values for name, values in scores["formats"].items()}
    rows |= {"random real, same size": scores.get("random"), "all training images": scores.get("full")}
    lines = {
        title: " | ".join(_cell(values.get(name)) for name in NAMES)
        for title, values in rows.items()
        if values is not None
    }
    head = (
        f"Networks trained on what each file holds, read back from this folder; {scores['students']} fresh networks, "
    )
    head += "mean ± standard deviation on the held-out test images.\n\n"
    cost = scores["rounding_cost"].get("npz")
    said = (
        ""
        if cost is None
        else f"\n\n8 bits instead of 32 change the accuracy by {-cost['accuracy']:+.3f}. {_spread(scores)}"
    )
    prior = scores.get("prior")
    said += "" if prior is None else f"\n\nAlways answering the most frequent class: {prior['accuracy']:.3f} accuracy."
    controls = "" if "random" in scores else f"\n\n{scores['controls_left_out']}"
    return head + _table("trained on", " | ".join(NAMES.values()), lines) + said + controls


def _spread(scores: Mapping[str, Any]) -> str:
    """Rounding in the last bit alone sends a student's training another way, so the cost has to be put in its place."""
    spread = scores["distilled"]["accuracy"]["std"]
    return "" if spread is None else f"Students of one set differ by {spread:.3f}: less than that means nothing."


def _made(manifest: Mapping[str, Any]) -> str:
    network = manifest["network"].get("_target_", "").rsplit(".", 1)[-1]
    return (
        f"Method {manifest['method']}, {manifest['images_per_class']} images per class, initial images: "
        f"{manifest.get('initial_images')}, network {network}, split: {manifest['source']['split']}. "
        "Settings, protocol and versions are in `manifest.json`; seeds are left out."
    )


def _privacy(manifest: Mapping[str, Any], tier: ReleaseTier) -> str:
    points = [*NON_CLAIMS, *manifest["release"]["warnings"], *(f"Not of a higher tier: {why}." for why in tier.why)]
    return f"{tier.statement}\n\n" + "\n".join(f"- {point}" for point in points)


def _unsaid() -> str:
    return "The owner has not stated how, from whom and under which approval the source images were collected."


def _cell(value: Mapping[str, Any] | None) -> str:
    if value is None or value["mean"] is None:
        return "-"
    return f"{value['mean']:.3f}" + ("" if value["std"] is None else f" ± {value['std']:.3f}")


def _table(first: str, second: str, rows: Mapping[str, str]) -> str:
    columns = second.count("|") + 2
    lines = [f"| {first} | {second} |", "|" + "---|" * columns, *(f"| {a} | {b} |" for a, b in rows.items())]
    return "\n".join(lines)
