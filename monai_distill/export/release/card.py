"""The data card: what the folder holds, how to train on it, which scores it reaches, what is claimed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from monai_distill.metrics.score_tables import METRIC_TITLES, ROW_TITLES

from .croissant import stamp
from .license import Owner, quoted, unquoted
from .manifest import start
from .privacy_report import NON_CLAIMS
from .tier import ReleaseTier

__all__ = ["data_card"]

FILES = {
    "synthetic.safetensors": "the set as float32: images, labels, learning rate",
    "manifest.json": "classes, preprocessing, augmentation, network, protocol, settings, tier",
    "labels.csv": "the class of every image, in the order of all formats",
    "synthetic.npz": "the set in MedMNIST's format, 8 bits per value",
    "medmnist_info.json": "description of the set for the medmnist package",
    "preview.png": "SYNTHETIC previews, one row per class",
    "png": "SYNTHETIC previews, one file per image",
    "nifti": "one NIfTI file per image, float32",
    "scores.json": "test scores of networks that were trained on these files",
    "privacy_report.md": "the claim, its evidence and its limits (also as .json)",
    "audit.json": "the attacks and their figures",
    "dp_ledger.json": "every result that was computed from training images, with its noise",
    "croissant.json": "metadata for data catalogs, with checksums",
    "LICENSE": "the terms of use",
}
TRAINING = """```python
import torch
from torch.utils.data import DataLoader
from monai_distill.data import SyntheticDataset

dataset = SyntheticDataset.load(".")  # items: image, label, class_name
loader = DataLoader(dataset, batch_size=256, shuffle=True)
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear({classes}))  # put your network here
network(dataset[0]["image"][None])
optimizer = torch.optim.SGD(network.parameters(), lr=float(dataset.student_lr.detach()), momentum=0.9)
for epoch in range(20):  # the scores below took {most}{steps} steps
    for batch in loader:
        loss = torch.nn.functional.cross_entropy(network(batch["image"]), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
```

The stored images are already standardized. Do not standardize them again. Give real images (pixel values from 0 to 1)
to `dataset.preprocessing` before the trained network sees them. Pass unlabeled real images through a network with batch
norms after training (`torch.optim.swa_utils.update_bn`): its statistics are those of the synthetic images. The scores
below also used the augmentation that `manifest.json` lists under `protocol`.

{labels}"""
HARD_LABELS = "The labels are class numbers."
SOFT_LABELS = (
    "The labels are learned, or a teacher's. `label` of an item holds probabilities, and `cross_entropy` takes them as "
    "they are. The safetensors file stores logits: take their softmax if you read it yourself."
)
NPZ = """`synthetic.npz` is in MedMNIST's format with 8 bits per value. The `medmnist` package reads it:

```python
import json
import medmnist.dataset

class Synthetic(medmnist.dataset.{base}):
    flag = "synthetic"

medmnist.dataset.INFO["synthetic"] = json.load(open("medmnist_info.json"))
dataset = Synthetic("train", root=".")
```

The pixel values of distilled images can lie outside 0 to 1, so the bytes have their own scale:
pixel = `pixel_low` + byte / 255 x (`pixel_high` - `pixel_low`). Both numbers are in the file: {low:.4f} and {high:.4f}.
Then apply the preprocessing in `manifest.json`, as for real images. Without these two steps a network does not reach
the scores below. One line does both steps:

```python
from pathlib import Path
from monai_distill.export.release.formats import read_release

dataset = read_release(Path("."), "npz")
```"""
NIFTI = """`nifti/` holds the pixel values as float32 with a new header. {spacing}
The files are in the order of `labels.csv`. Apply the preprocessing in `manifest.json` before training."""

LIMITS = """The scores hold for the network and the protocol above. Other networks can score lower. The set is not for
diagnosis and not for statistics of a population. The biases of the source remain. Rare findings can be lost."""
MAINTENANCE = """`SHA256SUMS` holds the checksums. `monai-distill verify DIR` checks the folder, and separates what it
checked from what the sender claims. `privacy_report.md` has the date of the next review."""
NOTES_HEADING, AFTER_NOTES = "## Collection, subjects and approval\n\n", "## Limits and uses\n\n"
NO_NOTES = "The owner has not stated how, from whom and under which approval the source images were collected."


def data_card(
    manifest: Mapping[str, Any],
    scores: Mapping[str, Any],
    tier: ReleaseTier,
    owner: Owner,
    names: Collection[str],
    notes: str | None,
) -> str:
    """Markdown under the headings of a Healthsheet (Rostamzadeh et al. 2022).

    Args:
        manifest: of the release.
        scores: of the release.
        tier: of the release.
        owner: gives publisher and recipient.
        names: of the files and folders in the release.
        notes: Markdown of the owner.
    """
    release = manifest["release"]
    parts = [
        f"# SYNTHETIC images distilled from {release['title']}",
        f"**{stamp(tier)}**",
        "The images were computed as a training set for networks. They are **not for diagnosis**.",
        f"## General information\n\n{_general(manifest, owner)}",
        "## Composition",
        _composition(manifest),
        _table("file", "content", {name: content for name, content in FILES.items() if name in names}),
        f"## How to use it\n\n{_use(manifest)}",
        f"## Scores\n\n{_scores(scores)}",
        f"## How it was made\n\n{_method(manifest)}",
        f"{NOTES_HEADING}{quoted(notes) if notes else NO_NOTES}",
        f"{AFTER_NOTES}{LIMITS}",
        f"## Privacy\n\n{_privacy(manifest, tier)}",
        f"## License and citation\n\nLicense: {release['license'].rstrip('.')}, see `LICENSE`. {_citation(manifest)}",
        f"## Maintenance\n\n{MAINTENANCE}",
    ]
    return "\n\n".join(parts) + "\n"


def notes_of(card: str) -> str | None:
    """The owner's notes in a card; None if it has none."""
    return unquoted(card.partition(NOTES_HEADING)[2].partition(f"\n\n{AFTER_NOTES}")[0])


def _general(manifest: Mapping[str, Any], owner: Owner) -> str:
    source = manifest["source"]
    official = "the published files" if source["official"] else "not checked against published files"
    count = source["training_images_rounded"]
    number = "the number of training images is not released" if count is None else f"about {count} training images"
    return (
        f"- Source: {source['name']} ({official}), {number}\n"
        f"- Publisher: {owner.publisher}\n- Intended recipient: {owner.recipient}"
    )


def _composition(manifest: Mapping[str, Any]) -> str:
    images, classes = manifest["images"], ", ".join(manifest["class_names"])
    shape = " x ".join(map(str, images["shape"]))
    decoded = f" They are decoded into {images['decoded']} training images." if "decoded" in images else ""
    labels = manifest["labels"]
    return f"{images['count']} images of {shape} (channels first). Classes: {classes}. Labels: {labels}.{decoded}"


def _use(manifest: Mapping[str, Any]) -> str:
    release, students = manifest["release"], manifest.get("protocol", {}).get("students", {})
    soft = manifest["labels"] != "class numbers"
    most = "at most " if students.get("plateau") else ""
    values = {"most": most, "classes": len(manifest["class_names"]), "steps": students.get("steps", "more")}
    parts = [TRAINING.format(**values, labels=SOFT_LABELS if soft else HARD_LABELS)]
    if "npz" in release["formats"]:
        base = "MedMNIST3D" if manifest["spatial_dims"] == 3 else "MedMNIST2D"
        parts.append(NPZ.format(base=base, **release["eight_bit"]))
    if "nifti" in release["formats"]:
        sides, rule = release["spacing"], release["spacing_rule"]
        text = f"The voxel size is {rule}; the header says 1."
        if sides is not None:
            size = " x ".join(f"{side:.4g}" for side in sides)
            text = f"A voxel is {size} mm ({rule}). The images have no position in a patient."
        parts.append(NIFTI.format(spacing=text))
    if "png" in release["formats"]:
        parts.append("`png/` and `preview.png` are previews: enlarged and stamped. Do not train on them.")
    return "\n\n".join(parts)


def _scores(scores: Mapping[str, Any]) -> str:
    rows = {f"distilled, {name}": values for name, values in scores["formats"].items()}
    rows |= {"learned labels (not in this folder)": scores.get("learned_labels")}
    rows |= {ROW_TITLES[name]: scores.get(name) for name in ("random", "full")}
    lines = {
        title: " | ".join(_cell(values.get(name)) for name in METRIC_TITLES)
        for title, values in rows.items()
        if values is not None
    }
    count = f"{scores['students']} new network{'' if scores['students'] == 1 else 's'}"
    others = " Other rows: from the run, its protocol." if len(lines) > len(scores["formats"]) else ""
    intro = (
        f"Distilled rows: {count} trained on that file as it lies in this folder.{others} Values: mean ± standard "
        "deviation on the held-out test images."
    )
    parts = [
        intro,
        _table("trained on", " | ".join(METRIC_TITLES.values()), lines),
        *_costs(scores),
    ]
    if scores.get("prior") is not None:
        parts.append(f"Always answering the most frequent class: {scores['prior']['accuracy']:.3f} accuracy.")
    return "\n\n".join([*parts, *([] if "random" in scores else [scores["controls_left_out"]])])


def _costs(scores: Mapping[str, Any]) -> list[str]:
    """Accuracy that 8 bits and class numbers cost, next to the spread that makes a small difference meaningless."""
    costs = []
    if "npz" in scores["rounding_cost"]:
        costs.append(f"8 bits instead of 32 change the accuracy by {-scores['rounding_cost']['npz']['accuracy']:+.3f}.")
    if "hard_label_cost" in scores:
        change = -scores["hard_label_cost"]["accuracy"]
        costs.append(f"Class numbers instead of the learned labels of the run change the accuracy by {change:+.3f}.")
    if costs and (spread := scores["distilled"]["accuracy"]["std"]) is not None:
        costs.append(f"Networks trained on the same file differ by {spread:.3f}; a smaller change means nothing.")
    return [" ".join(costs)] if costs else []


def _method(manifest: Mapping[str, Any]) -> str:
    network = manifest["network"].get("_target_", "").rsplit(".", 1)[-1]
    return (
        f"Method: {manifest['method']}. Images per class: {manifest['images_per_class']}. Initial images: "
        f"{start(manifest)}. Network: {network}. Split: {manifest['source']['split']}. "
        "`manifest.json` has the settings, the protocol and the versions. The seeds of the run are left out."
    )


def _privacy(manifest: Mapping[str, Any], tier: ReleaseTier) -> str:
    reasons = (f"Why the tier is not higher: {why}." for why in tier.why)
    points = (*NON_CLAIMS, *manifest["release"]["warnings"], *reasons)
    where = "The claim stands at the top of this card, its evidence and its gaps in `privacy_report.md`."
    return f"{where}\n\n" + "\n".join(f"- {point}" for point in points)


def _citation(manifest: Mapping[str, Any]) -> str:
    citation = manifest["source"]["citation"]
    return "The source has no citation." if citation == "unknown" else f"Cite {citation}"


def _cell(value: Mapping[str, Any] | None) -> str:
    if value is None or value["mean"] is None:
        return "-"
    return f"{value['mean']:.3f}" + ("" if value["std"] is None else f" ± {value['std']:.3f}")


def _table(first: str, second: str, rows: Mapping[str, str]) -> str:
    head = f"| {first} | {second} |\n|" + "---|" * (second.count("|") + 2)
    return "\n".join([head, *(f"| {a} | {b} |" for a, b in rows.items())])
