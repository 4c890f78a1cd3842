"""The gradient of a loss on a sample of records, none of which moves it by more than the clip."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data import ClassBank

from .records import clipped_sum, record_codes, whole_records

__all__ = ["RecordGradients"]


class RecordGradients:
    """Sums of clipped gradients of the cross-entropy, one per record: of an image, or a patient's mean over images.

    References:
        Abadi et al., Deep Learning with Differential Privacy, CCS 2016, algorithm 1.

    Deviation: the unit may be a patient, of whom at most ``images_per_record`` images count, always the same ones.

    Args:
        network: function of (parameters [P], images) to logits, which does not mix the images of a batch.
        bank: the training images, with patients where these are known.
        clip: largest length of a record's gradient.
        images_per_record: of a patient.
        chunk: gradients held at once; memory is ``chunk`` times P.

    Raises:
        ValueError: for numbers below 1, or from a call whose gradients are not finite.

    Example:
        >>> bank = ClassBank(torch.ones(2, 1, 1, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> linear = lambda p, x: x.flatten(1) @ p.reshape(2, 2)
        >>> RecordGradients(linear, bank, clip=0.1)(torch.zeros(4), torch.tensor([True, False])).norm()
        tensor(0.1000)
    """

    def __init__(
        self,
        network: Callable[[Tensor, Tensor], Tensor],
        bank: ClassBank,
        *,
        clip: float,
        images_per_record: int = 16,
        chunk: int = 16,
    ) -> None:
        if images_per_record < 1 or chunk < 1 or not 0 < clip < float("inf"):
            raise ValueError(f"Expected a clip above 0 and numbers from 1, got {clip}, {images_per_record}, {chunk}.")
        self.network = network
        self.bank = bank
        self.clip = clip
        self.chunk = chunk
        codes = record_codes(bank)
        _, numbers = torch.unique(codes, return_inverse=True)
        self.kept = _first(numbers, images_per_record)
        self.codes = numbers[self.kept]
        self.records = int(numbers.max()) + 1

    def __call__(
        self, parameters: Tensor, sampled: Tensor, augment: Callable[[Tensor], Tensor] = lambda images: images
    ) -> Tensor:
        """The sum [P] over the records that ``sampled`` [records] marks; zeros when it marks none.

        ``augment`` must treat an image alike whoever else is in the sample.
        """
        one = torch.func.grad(self._loss)
        per_image: Callable[..., Tensor] = torch.func.vmap(one, in_dims=(None, 0, 0))
        total = torch.zeros_like(parameters)
        chosen = torch.nonzero(sampled[self.codes]).flatten()
        if not len(chosen):
            return total
        for rows in whole_records(self.codes[chosen], self.chunk):
            positions = self.kept[chosen[rows]].to(self.bank.device)
            images = augment(self.bank.images[positions])
            gradients = per_image(parameters, images, self.bank.labels[positions])
            zeros = torch.zeros(len(rows), dtype=torch.long)
            total += clipped_sum(gradients, self.codes[chosen[rows]], zeros, 1, self.clip)[0]
        return total

    def _loss(self, parameters: Tensor, image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(self.network(parameters, image[None]), label[None])


def _first(numbers: Tensor, most: int) -> Tensor:
    """Positions of the first ``most`` images of every record, in order."""
    order = torch.argsort(numbers, stable=True)
    starts = torch.zeros(int(numbers.max()) + 2, dtype=torch.long)
    starts[1:] = torch.bincount(numbers).cumsum(0)
    place = torch.arange(len(numbers)) - starts[numbers[order]]
    return order[place < most].sort().values
