"""Sum of clipped gradients, one per record."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .records import clipped_sum, record_batches, record_codes

__all__ = ["RecordGradients"]


class RecordGradients:
    """Sums clipped cross-entropy gradients, one per record; a patient's gradient is the mean over images.

    References:
        Abadi et al., Deep Learning with Differential Privacy, CCS 2016, https://arxiv.org/abs/1607.00133,
        algorithm 1.

    Deviation: the unit may be a patient. At most ``images_per_record`` images of a patient are used, always the same.

    Args:
        network: maps (parameters [P], images) to logits; it must not mix the images of a batch.
        bank: training images, with patients if they are known.
        unit: ``"patient"`` or ``"image"``: the record.
        clip: largest length of a record's gradient.
        images_per_record: largest number of images per patient.
        chunk: gradients in memory at once; memory is ``chunk`` times P.

    Raises:
        ValueError: for a clip that is not above 0 or counts below 1; for the unit patient without patients; from a
            call, if a gradient is not finite.

    Example:
        >>> bank = ClassBank(torch.ones(2, 1, 1, 2), torch.tensor([0, 1]), ["a", "b"])
        >>> linear = lambda p, x: x.flatten(1) @ p.reshape(2, 2)
        >>> RecordGradients(linear, bank, unit="image", clip=0.1)(torch.zeros(4), torch.tensor([True, False])).norm()
        tensor(0.1000)
    """

    def __init__(
        self,
        network: Callable[[Tensor, Tensor], Tensor],
        bank: ClassBank,
        *,
        unit: str,
        clip: float,
        images_per_record: int = 16,
        chunk: int = 16,
    ) -> None:
        require_in_interval("(0, inf)", clip=clip)
        if getattr(network, "mixes_images", False):  # the gradient of a record would depend on others
            raise ValueError(
                "Expected a network without batch norm for a guarantee, got one that normalizes over its batch. Use "
                "another --network, or leave --epsilon out."
            )
        require_positive_int(images_per_record=images_per_record, chunk=chunk)
        self.network = network
        self.unit = unit
        self.bank = bank
        self.clip = clip
        self.chunk = chunk
        codes = record_codes(bank, unit)
        _, numbers = torch.unique(codes, return_inverse=True)
        self.used = _first(numbers, images_per_record)
        self.codes = numbers[self.used]
        self.records = int(numbers.max()) + 1

    def __call__(
        self, parameters: Tensor, sampled: Tensor, augment: Callable[[Tensor], Tensor] = lambda images: images
    ) -> Tensor:
        """Return the sum [P] over the records that ``sampled`` [records] marks; zeros if it marks none.

        ``augment`` must treat an image the same whatever the rest of the sample is.
        """
        per_image: Callable[..., Tensor] = torch.func.vmap(torch.func.grad(self._loss), in_dims=(None, 0, 0))
        total = torch.zeros_like(parameters)
        chosen = torch.nonzero(sampled[self.codes]).flatten()
        if not len(chosen):
            return total
        for rows in record_batches(self.codes[chosen], self.chunk):
            positions = self.used[chosen[rows]].to(self.bank.device)
            images = augment(self.bank.images[positions])
            gradients = per_image(parameters, images, self.bank.labels[positions])
            zeros = torch.zeros(len(rows), dtype=torch.long)
            total += clipped_sum(gradients, self.codes[chosen[rows]], zeros, 1, self.clip)[0]
        return total

    def _loss(self, parameters: Tensor, image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(self.network(parameters, image[None]), label[None])


def _first(numbers: Tensor, limit: int) -> Tensor:
    """Positions of the first ``limit`` images of every record, in order."""
    order = torch.argsort(numbers, stable=True)
    starts = torch.zeros(int(numbers.max()) + 2, dtype=torch.long)
    starts[1:] = torch.bincount(numbers).cumsum(0)
    position = torch.arange(len(numbers)) - starts[numbers[order]]
    return order[position < limit].sort().values
