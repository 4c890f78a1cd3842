"""The warnings for a run, each with the figure behind it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

from .page_elements import percent
from .records import RunRecords
from .usage_statement import architecture_name

__all__ = ["cautions"]

FEW_STUDENTS, FEW_TEST_IMAGES, LARGE_SHARE = 5, 30, 0.01
UNKNOWN = ("", "unknown", "none")


def cautions(records: RunRecords, tier: str) -> list[str]:
    """One warning of one or two sentences each; ``tier`` is the stamped one.

    Example:
        >>> import torch
        >>> from monai_distill.data import SyntheticDataset
        >>> data = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> cautions(RunRecords(data, {}, {}, {}, {}), "T0")[-1]
        'The license of the source is unknown. Ask its owner before you pass the set on.'
    """
    scores = _about_scores(records, tier)
    return [*_about_privacy(records, tier), *scores, *_about_the_set(records), *_about_the_source(records)]


def _about_privacy(records: RunRecords, tier: str) -> Iterator[str]:
    if records.started_real:
        yield (
            "The images started from real training images. Traces of those stay visible: the set leaks. "
            "`--initial_images noise` starts without real images."
        )
    if records.synthetic.soft and tier != "T2":
        yield (
            "The labels are learned, or a teacher's. They carry what networks know about real images, and attacks can "
            "read it. An export releases class numbers instead."
        )
    counts, labels = records.counts("training"), records.synthetic.labels
    if counts and tier != "T2":
        made = labels.bincount(minlength=len(counts)).tolist()
        shares = [synthetic / real for synthetic, real in zip(made, counts, strict=False) if real]
        if max(shares, default=0) > LARGE_SHARE:
            yield (
                f"In one class the number of synthetic images is {percent(max(shares))} of the number of training "
                "images. Above 1%, a set can hold details of single real images."
            )
    if records.audit.get("void"):
        yield f"The privacy audit is void: {records.audit.get('why_void') or 'no reason given'}"
    if not records.audited_this_set:
        yield "The privacy audit is of another set. Audit again."
    caught = [name for name, attack in records.audit.get("attacks", {}).items() if attack.get("caught")]
    if caught:
        yield f"Attacks recognized training images of this method better than chance: {', '.join(caught)}."
    if tier == "T2":
        yield (
            "The figures on this page are computed on real images without noise (controls, validation, test, audit). "
            "The guarantee does not cover them. Keep this page where the real images are."
        )


def _about_scores(records: RunRecords, tier: str) -> Iterator[str]:
    scores, manifest = records.scores, records.manifest
    if not any(len(result.get("networks", [])) > 1 for result in scores.get("protocols", {}).values()):
        yield f"Only one architecture was scored ({architecture_name(manifest)}). Others usually score lower."
    if "random" in scores and (repeated := _repeated_in_control(records)):
        yield (
            f"The random control repeats real images of classes that have too few training images ({repeated}). The "
            "control is weaker in these classes."
        )
    students = len(scores.get("distilled", {}).get("accuracy", {}).get("values", []))
    if 0 < students < FEW_STUDENTS:
        yield f"Only {students} networks were trained on the set. A reliable spread needs at least {FEW_STUDENTS}."
    if "run" in manifest.get("seeds", {}):
        seed = manifest["seeds"]["run"]
        yield f"This is one run with one seed ({seed}). The spread is over networks, not over repeated distillations."
    validations = records.history.get("validations", [])
    count = len(validations)
    if diverged := sum("diverged" in row for row in validations):
        yield (
            f"Training was unstable: networks diverged in {diverged} of {count} validations, so those states were not "
            "candidates. A smaller learning rate is more stable."
        )
    if count and tier != "T2":  # at T2 nothing is selected on real images
        yield (
            f"The set is the best of {count} validations (iteration {manifest.get('chosen_iteration')}), so its "
            "validation scores are too high. The test images were used only after this selection."
        )
    if "full" not in scores:
        yield "No network was trained on all training images in this run. The loss against them is unknown."
    names = records.synthetic.class_names
    few = [(name, n) for name, n in zip(names, records.counts("test"), strict=False) if n < FEW_TEST_IMAGES]
    if few:
        yield f"There are few test images: {'; '.join(f'{name} has {n}' for name, n in few)}."


def _repeated_in_control(records: RunRecords) -> str:
    counts, names = records.counts("training"), records.synthetic.class_names
    made = records.synthetic.canvas_labels.bincount(minlength=len(names)).tolist()
    few = [(name, many, some) for name, many, some in zip(names, counts, made, strict=False) if 0 < many < some]
    return ", ".join(f"{name} has {many} for {some}" for name, many, some in few)


def _about_the_set(records: RunRecords) -> Iterator[str]:
    per_class = records.images_per_class
    if per_class == 1:
        yield "There is one image per class. One image can show little of how a class varies."
    size = "1 image" if per_class == 1 else f"{per_class} images"
    yield f"The scores hold only for {size} per class, this network and this protocol."


def _about_the_source(records: RunRecords) -> Iterator[str]:
    source = records.source
    if source.get("official") is False:
        yield (
            "The files were not recognized as a published data set with its published split. Do not compare these "
            "scores with published ones."
        )
    license = str(source.get("license", "")).strip()
    if license.lower() in UNKNOWN:
        yield "The license of the source is unknown. Ask its owner before you pass the set on."
    else:
        yield f"The set is derived from the source. Check its license before you pass the set on: {license}."
