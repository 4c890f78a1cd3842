"""The warnings that apply to a run, each with the figure that raised it."""

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
    """One sentence or two for every warning; ``tier`` is the stamped one.

    Example:
        >>> import torch
        >>> from monai_distill.data import SyntheticDataset
        >>> data = SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> cautions(RunRecords(data, {}, {}, {}, {}), "T0")[-1]
        'The license of the source is not known: ask its owner before the set is passed on.'
    """
    return [*_of_privacy(records, tier), *_of_scores(records), *_of_the_set(records), *_of_the_source(records)]


def _of_privacy(records: RunRecords, tier: str) -> Iterator[str]:
    if records.started_real:
        yield (
            "The images started from real training images, whose traces stay visible in them: this leaks. The setting "
            "initial_images noise starts from none."
        )
    if records.synthetic.soft and tier != "T2":
        yield "The labels are learned: they carry what the experts know, which attacks can read out."
    counts, labels = records.counts("training"), records.synthetic.labels
    if counts and tier != "T2":
        made = labels.bincount(minlength=len(counts)).tolist()
        shares = [few / many for few, many in zip(made, counts, strict=False) if many]
        if max(shares, default=0) > LARGE_SHARE:
            yield (
                f"The synthetic images are up to {percent(max(shares))} of the training images of a class. Above 1% "
                "distilling comes close to reconstructing them."
            )
    if records.audit.get("void"):
        yield f"The privacy audit is void: {records.audit.get('why_void') or 'no reason given'}"
    if not records.audited_this_set:
        yield "The privacy audit is of another set than this one: run it again."
    caught = [name for name, attack in records.audit.get("attacks", {}).items() if attack.get("caught")]
    if caught:
        yield f"Attacks found images of the training set by this method: {', '.join(caught)}."
    if tier == "T2":
        yield (
            "The figures of this page were computed on real images without noise (controls, validation, test, audit): "
            "they are outside the guarantee, so keep the page where those images are."
        )


def _of_scores(records: RunRecords) -> Iterator[str]:
    scores, manifest = records.scores, records.manifest
    if not any(len(result.get("networks", [])) > 1 for result in scores.get("protocols", {}).values()):
        network = architecture_name(manifest)
        yield f"Scored on one architecture ({network}). Others do worse throughout the literature."
    students = len(scores.get("distilled", {}).get("accuracy", {}).get("values", []))
    if 0 < students < FEW_STUDENTS:
        yield f"Few students: {students} trained on the set, where at least {FEW_STUDENTS} give a spread to rely on."
    if "run" in manifest.get("seeds", {}):
        seed = manifest["seeds"]["run"]
        yield f"One run with one seed ({seed}): the spread is over students, not over repeated distillations."
    validations = records.history.get("validations", [])
    looks = len(validations)
    if diverged := sum("diverged" in row for row in validations):
        yield (
            f"Unstable: students diverged at {diverged} of {looks} looks at the validation images, so these states "
            "could not be selected. A smaller learning rate is steadier."
        )
    if looks:
        yield (
            f"Selected on validation: the best of {looks} looks, at iteration {manifest.get('chosen_iteration')}. The "
            "validation scores of the chosen state are therefore too good; the test images were looked at afterwards."
        )
    if "full" not in scores:
        yield "No network was trained on all training images in this run, so what is lost is not shown."
    names = records.synthetic.class_names
    few = [(name, n) for name, n in zip(names, records.counts("test"), strict=False) if n < FEW_TEST_IMAGES]
    if few:
        yield f"Few test images: {'; '.join(f'{name} has {n}' for name, n in few)}."


def _of_the_set(records: RunRecords) -> Iterator[str]:
    per_class = records.images_per_class
    if per_class == 1:
        yield "One image a class: nothing of how a class varies is kept beyond what one image can carry."
    size = "1 image" if per_class == 1 else f"{per_class} images"
    yield f"The scores hold for {size} a class, this network and this protocol, and for no other."


def _of_the_source(records: RunRecords) -> Iterator[str]:
    source = records.source
    if source.get("official") is False:
        yield (
            "Unofficial data: the files are not, by their hash, a published set with a published split. Do not "
            "compare these scores with published ones."
        )
    license = str(source.get("license", "")).strip()
    if license.lower() in UNKNOWN:
        yield "The license of the source is not known: ask its owner before the set is passed on."
    else:
        yield f"The terms of the source hold for what is made from it: {license}."
