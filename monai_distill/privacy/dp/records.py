"""Images grouped by the record that they belong to, and sums to which no record adds more than the clip."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from monai_distill.data import ClassBank

__all__ = [
    "clipped_class_sums",
    "clipped_sum",
    "record_codes",
    "require_min_records",
    "warn_if_few_records",
    "whole_records",
]


def clipped_class_sums(
    bank: ClassBank, vectors_of: Callable[[Tensor], Tensor], *, clip: float = 1.0, batch_size: int = 256
) -> Tensor:
    """Add up one vector per record: the mean over the record's images of their vectors, each in the row of its class.

    A record is an image, or where patients are known a patient, who weighs one however many images there are. Its whole
    vector, over all classes together, is scaled down to the length ``clip`` when it is longer; so one record more or
    less moves the result by at most ``clip``.

    Args:
        bank: the training images.
        vectors_of: images [b, C, *spatial] to vectors [b, D]; of an image alone, never of its neighbours in the batch.
        clip: largest length of a record's vector.
        batch_size: about how many images go through ``vectors_of`` at once.

    Returns:
        [classes, D] float64 on the CPU.

    Raises:
        ValueError: when a vector is not finite, which no clip could bound, or when there is no image.

    Example:
        >>> bank = ClassBank(torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 1]), ["a", "b"])
        >>> clipped_class_sums(bank, lambda x: x.flatten(1), clip=1.0)
        tensor([[0.5000, 0.5000, 0.5000, 0.5000],
                [1.0000, 1.0000, 1.0000, 1.0000]], dtype=torch.float64)
    """
    codes = record_codes(bank)
    total: Tensor | None = None
    with tqdm(total=len(bank), desc="class sums", unit="image", disable=None) as bar:
        for rows in whole_records(codes, batch_size):
            there = rows.to(bank.device)
            with torch.no_grad():
                vectors = vectors_of(bank.images[there]).to("cpu", torch.float64)
            part = clipped_sum(vectors, codes[rows], bank.labels[there].cpu(), bank.num_classes, clip)
            total = part if total is None else total + part
            bar.update(len(rows))
    if total is None:
        raise ValueError("Expected at least one training image, got none.")
    return total


def require_min_records(public_records: int | None, needed: int, classes: int, unit: str, advice: str) -> None:
    """Do nothing when ``public_records`` can be enough.

    An exact count decides nothing here: whoever knew all records but one could tell from the release alone, because it
    is there, that the last one makes up the number.

    Args:
        public_records: a round number of all records that may be told; None is refused, because nothing else can tell
            before the budget is spent that it would be spent for nothing.
        needed: of every class.
        classes: how many there are.
        unit: what a record is, for the words.
        advice: the way out.

    Raises:
        ValueError: when they cannot be enough, or are not given.

    Example:
        >>> require_min_records(100, 60, 2, "image", "Collect more.")
        Traceback (most recent call last):
        ValueError: Expected at least 60 images in every class, so that the noise leaves something to see; \
public_records is 100 for 2 classes. Collect more.
    """
    if public_records is None:
        raise ValueError(
            f"Expected public_records, a round number of training {unit}s that may be told to anyone, got None. By it "
            "a data set too small for its epsilon is refused before anything is told. Give --public_records N."
        )
    if public_records < needed * classes:
        raise ValueError(
            f"Expected at least {needed} {unit}s in every class, so that the noise leaves something to see; "
            f"public_records is {public_records} for {classes} classes. {advice}"
        )


def warn_if_few_records(counts: Sequence[float], needed: int, class_names: Sequence[str], unit: str) -> None:
    """Warn of classes that were told, with noise, to have fewer than ``needed`` records.

    Example:
        >>> warn_if_few_records([61.2, 75.0], 60, ["a", "b"], "image")
    """
    told = zip(class_names, counts, strict=True)
    few = [f"{name} about {max(count, 0):.0f}" for name, count in told if count < needed]
    if few:
        warnings.warn(
            f"Expected at least {needed} {unit}s in every class, so that the noise leaves something to see; told were "
            f"{', '.join(few)}. Of these classes little but noise will be in the images.",
            stacklevel=2,
        )


def record_codes(bank: ClassBank) -> Tensor:
    """Which record every image [n] belongs to: its patient where patients are known, else the image itself.

    Example:
        >>> record_codes(ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"]))
        tensor([0, 1])
    """
    return torch.arange(len(bank)) if bank.patients is None else bank.patients.cpu()


def clipped_sum(vectors: Tensor, codes: Tensor, labels: Tensor, num_classes: int, clip: float) -> Tensor:
    """Per class, the sum over records of the mean of their images' vectors, each record clipped over all classes.

    Args:
        vectors: [b, D], all images of some records.
        codes: the record of every image, [b].
        labels: class numbers [b].
        num_classes: rows of the result.
        clip: largest Euclidean length of what one record adds, all rows together.

    Returns:
        [classes, D].

    Raises:
        ValueError: when a vector is not finite, which no clip could bound.

    Example:
        >>> one = torch.ones(2, dtype=torch.long)
        >>> clipped_sum(torch.tensor([[3.0, 0.0], [0.0, 0.5]]), one.cumsum(0), one - 1, 1, clip=1.0)
        tensor([[1.0000, 0.5000]])
    """
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError("Expected finite vectors, got NaN or infinity: no clip bounds these.")
    codes, labels = codes.to(vectors.device), labels.to(vectors.device)
    _, record, sizes = torch.unique(codes, return_inverse=True, return_counts=True)
    shares = vectors / sizes[record][:, None]
    pairs, place = torch.unique(record * num_classes + labels, return_inverse=True)
    rows = shares.new_zeros(len(pairs), vectors.shape[1]).index_add(0, place, shares)  # a record's row of one class
    owner = pairs // num_classes
    lengths = rows.new_zeros(len(sizes)).index_add(0, owner, rows.square().sum(dim=1)).sqrt()
    scales = (clip / lengths.clamp_min(1e-12)).clamp_max(1.0)
    total: Tensor = rows.new_zeros(num_classes, vectors.shape[1])
    return total.index_add_(0, pairs % num_classes, rows * scales[owner][:, None])


def whole_records(codes: Tensor, batch_size: int) -> Iterator[Tensor]:
    """Positions of images in batches of about ``batch_size`` that never part a record.

    Example:
        >>> [batch.tolist() for batch in whole_records(torch.tensor([0, 1, 0, 2]), 3)]
        [[0, 2, 1], [3]]
    """
    order = torch.argsort(codes, stable=True)
    _, sizes = torch.unique_consecutive(codes[order], return_counts=True)
    held: list[Tensor] = []
    count = 0
    for images in torch.split(order, sizes.tolist()):
        if held and count + len(images) > batch_size:
            yield torch.cat(held)
            held, count = [], 0
        held.append(images)
        count += len(images)
    if held:
        yield torch.cat(held)
