"""Records (patients or images), and sums to which no record adds more than the clip."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.runtime.progress import open_progress_bar

UNITS = ("patient", "image")

__all__ = [
    "UNITS",
    "clipped_class_sums",
    "clipped_sum",
    "record_batches",
    "record_codes",
    "require_min_records",
    "warn_if_few_records",
]


def clipped_class_sums(
    bank: ClassBank, vectors_of: Callable[[Tensor], Tensor], *, unit: str, clip: float = 1.0, batch_size: int = 256
) -> Tensor:
    """Sum one vector per record and class: the mean over the record's images, each image in the row of its class.

    A patient has the same weight however many images there are. The record's vector over all classes together is scaled
    down to the length ``clip`` if it is longer, so that one record more or less moves the result by at most ``clip``.

    Args:
        bank: training images.
        vectors_of: maps images [b, C, *spatial] to vectors [b, D]; the vector of an image must not depend on the rest
            of the batch.
        unit: ``"patient"`` or ``"image"``: the record.
        clip: largest length of a record's vector.
        batch_size: approximate number of images per call of ``vectors_of``.

    Returns:
        [classes, D] float64 on the CPU.

    Raises:
        ValueError: if a vector is not finite, which no clip could bound, or if there is no image.

    Example:
        >>> bank = ClassBank(torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 1]), ["a", "b"])
        >>> clipped_class_sums(bank, lambda x: x.flatten(1), unit="image", clip=1.0)
        tensor([[0.5000, 0.5000, 0.5000, 0.5000],
                [1.0000, 1.0000, 1.0000, 1.0000]], dtype=torch.float64)
    """
    codes = record_codes(bank, unit)
    total: Tensor | None = None
    with open_progress_bar(len(bank), "class sums", "image") as bar:
        for rows in record_batches(codes, batch_size):
            positions = rows.to(bank.device)
            with torch.no_grad():
                vectors = vectors_of(bank.images[positions]).to("cpu", torch.float64)
            part = clipped_sum(vectors, codes[rows], bank.labels[positions].cpu(), bank.num_classes, clip)
            total = part if total is None else total + part
            bar.update(len(rows))
    if total is None:
        raise ValueError("Expected at least one training image, got none.")
    return total


def require_min_records(public_records: int | None, minimum: int, classes: int, unit: str, advice: str) -> None:
    """Refuse a public number of records that is too small for every class to have ``minimum`` records.

    The exact number is not used. A threshold on the exact count would leak one record: the existence of the release
    reveals that the threshold was met.

    Args:
        public_records: public, rounded number of all records; None is refused, because without it a hopeless run would
            be noticed only after its budget was spent.
        minimum: records per class.
        classes: number of classes.
        unit: ``"patient"`` or ``"image"``, for the message.
        advice: what to do instead, for the message.

    Raises:
        ValueError: if the number is missing or too small.

    Example:
        >>> require_min_records(100, 60, 2, "image", "Collect more.")
        Traceback (most recent call last):
        ValueError: Expected at least 60 images in every class, or the noise would hide the signal; public_records is \
100 for 2 classes. Collect more.
    """
    if public_records is None:
        raise ValueError(
            f"Expected public_records, a rounded number of training {unit}s that may be made public, got None. It is "
            "needed to refuse a data set that is too small for its epsilon before the budget is spent. Give "
            "--public_records N."
        )
    if public_records < minimum * classes:
        raise ValueError(
            f"Expected at least {minimum} {unit}s in every class, or the noise would hide the signal; public_records "
            f"is {public_records} for {classes} classes. {advice}"
        )


def warn_if_few_records(counts: Sequence[float], minimum: int, class_names: Sequence[str], unit: str) -> None:
    """Warn of classes whose noisy, already released count is below ``minimum``.

    Example:
        >>> warn_if_few_records([61.2, 75.0], 60, ["a", "b"], "image")
    """
    named = zip(class_names, counts, strict=True)
    small = [f"{name} about {max(count, 0):.0f}" for name, count in named if count < minimum]
    if small:
        warnings.warn(
            f"Expected at least {minimum} {unit}s in every class, or the noise would hide the signal; the released "
            f"counts are {', '.join(small)}. The images of these classes will show little but noise.",
            stacklevel=2,
        )


def record_codes(bank: ClassBank, unit: str) -> Tensor:
    """Record of every image [n]: its patient for the unit ``"patient"``, the image itself for the unit ``"image"``.

    Raises:
        ValueError: for the unit ``"patient"`` if the data name no patients, and for another unit.

    Example:
        >>> record_codes(ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]), "image")
        tensor([0, 1])
    """
    if unit not in UNITS:
        raise ValueError(f"Expected a unit of {UNITS}, got {unit!r}.")
    if unit == "image":
        return torch.arange(len(bank))
    if bank.patients is None:
        raise ValueError(
            "Expected data that name the patient of every image for the unit patient, got data without patients. Name "
            "the column of patients, or use --unit image."
        )
    codes: Tensor = bank.patients.cpu()
    return codes


def clipped_sum(vectors: Tensor, codes: Tensor, labels: Tensor, num_classes: int, clip: float) -> Tensor:
    """Per class, sum over records the mean of their images' vectors; each record is clipped over all classes together.

    Args:
        vectors: [b, D], all images of some records.
        codes: record of every image, [b].
        labels: class numbers [b].
        num_classes: number of rows of the result.
        clip: largest Euclidean length of one record's contribution, all rows together.

    Returns:
        [classes, D].

    Raises:
        ValueError: if a vector is not finite, which no clip could bound.

    Example:
        >>> one = torch.ones(2, dtype=torch.long)
        >>> clipped_sum(torch.tensor([[3.0, 0.0], [0.0, 0.5]]), one.cumsum(0), one - 1, 1, clip=1.0)
        tensor([[1.0000, 0.5000]])
    """
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError("Expected finite vectors, got NaN or infinity, which no clip can bound.")
    codes, labels = codes.to(vectors.device), labels.to(vectors.device)
    _, record, sizes = torch.unique(codes, return_inverse=True, return_counts=True)
    shares = vectors / sizes[record][:, None]
    pairs, pair_of_image = torch.unique(record * num_classes + labels, return_inverse=True)
    rows = shares.new_zeros(len(pairs), vectors.shape[1]).index_add(
        0, pair_of_image, shares
    )  # one row per record, class
    record_of_row = pairs // num_classes
    lengths = rows.new_zeros(len(sizes)).index_add(0, record_of_row, rows.square().sum(dim=1)).sqrt()
    scales = (clip / lengths.clamp_min(1e-12)).clamp_max(1.0)
    total: Tensor = rows.new_zeros(num_classes, vectors.shape[1])
    return total.index_add_(0, pairs % num_classes, rows * scales[record_of_row][:, None])


def record_batches(codes: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Positions of images in batches of about ``batch_size``; all images of a record are in one batch.

    Example:
        >>> [batch.tolist() for batch in record_batches(torch.tensor([0, 1, 0, 2]), 3)]
        [[0, 2, 1], [3]]
    """
    order = torch.argsort(codes, stable=True)
    _, sizes = torch.unique_consecutive(codes[order], return_counts=True)
    batch: list[Tensor] = []
    count = 0
    for images in torch.split(order, sizes.tolist()):
        if batch and count + len(images) > batch_size:
            yield torch.cat(batch)
            batch, count = [], 0
        batch.append(images)
        count += len(images)
    if batch:
        yield torch.cat(batch)
