"""Steps that a run with ``--epsilon`` adds to every run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.initial_images import initial_set, noise_images

from .contract import DPContract, run_with_masked_data
from .dp_model import DPModel
from .ledger import PrivacyLedger
from .records import record_codes

__all__ = ["Guarantee", "masked_initial_set", "number_of_records", "public_job", "record_grouping"]


class Guarantee:
    """Conditions before the run, masked training images during it, the ledger's statement and a baseline after it.

    Args:
        contract: the conditions.
        ledger: records every release of the run.
        model: the DP-SGD network that is scored next to the set.
        banks: images that no step of the distillation may read.
    """

    def __init__(self, contract: DPContract, ledger: PrivacyLedger, model: DPModel, banks: Sequence[ClassBank]) -> None:
        self.contract = contract
        self.ledger = ledger
        self.model = model
        self.banks = banks

    def check(self) -> None:
        """Refuse the run if a condition of the guarantee does not hold.

        Raises:
            ValueError: with every condition that does not hold.
        """
        self.contract.check()
        self.model.check()

    def mask_data(self, step: Callable[[], object]) -> None:
        """Call ``step`` while the images of ``banks`` are NaN: see :func:`run_with_masked_data`."""
        run_with_masked_data(step, self.banks)

    def statement(self) -> Mapping[str, Any]:
        """The manifest's statement of the guarantee: the budget and the events of the ledger."""
        return self.ledger.statement()

    def bind_set(self, sha256: str, images_sha256: str) -> None:
        """Bind the ledger to the saved set with these checksums; a claim holds for no other set."""
        self.ledger.bind_set(sha256, images_sha256)

    def record(self) -> dict[str, Any]:
        """The content of the ledger, which proves the statement to the recipient of the set."""
        return self.ledger.to_dict()

    def scores(self) -> dict[str, Any]:
        """The row of the DP-SGD network, where it is enabled."""
        return self.model.scores()


def number_of_records(bank: ClassBank, unit: str) -> int:
    """Exact number of records in ``bank``, which is never released.

    Raises:
        ValueError: for the unit ``"patient"`` if the data name no patients.

    Example:
        >>> import torch
        >>> number_of_records(ClassBank(torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 0]), ["a"]), "image")
        3
    """
    return len(set(record_codes(bank, unit).tolist()))


def record_grouping(bank: ClassBank, unit: str, delta: float) -> dict[str, Any]:
    """Unit, delta and grouping of the images into records: experts trained for one grouping serve no other.

    The hash depends on every record. It belongs into the job of stored experts, which stay with the data owner, and not
    into a release.

    Example:
        >>> import torch
        >>> bank = ClassBank(torch.zeros(2, 1, 2, 2), torch.tensor([0, 0]), ["a"], torch.tensor([7, 7]))
        >>> record_grouping(bank, "image", 1e-5) == record_grouping(bank, "patient", 1e-5)
        False
    """
    _, codes = torch.unique(record_codes(bank, unit), return_inverse=True)
    return {"unit": unit, "delta": delta, "grouping": hashlib.sha256(codes.numpy().tobytes()).hexdigest()}


def masked_initial_set(
    banks: Sequence[ClassBank],
    starts: Mapping[str, Callable[..., tuple[Tensor, Tensor]]],
    name: str,
    bank: ClassBank,
    images_per_class: int,
    seed: int,
    **packing: Any,
) -> tuple[Tensor, Tensor]:
    """Initial images and labels, computed while no real image can be read.

    Args:
        banks: images that are masked.
        starts: see :func:`~monai_distill.data.initial_images.initial_set`, also for the other arguments.
        name: of the start.
        bank: training images.
        images_per_class: of every class.
        seed: of the run.
        packing: decode and preprocessing of the set.

    Raises:
        ValueError: if the start called "noise" is not :func:`~monai_distill.data.noise_images`, or its images are not
            finite. Other starts are refused by :class:`DPContract`.

    Example:
        >>> bank = ClassBank(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])
        >>> masked_initial_set([bank], {"noise": noise_images}, "noise", bank, 1, seed=0)[1]
        tensor([0, 1])
    """
    start = starts.get(name)
    if name == "noise" and (start.func if isinstance(start, functools.partial) else start) is not noise_images:
        raise ValueError(
            f"No guarantee can be given: the start called noise is {start}, which could read training images. Leave "
            "initial#noise unchanged."
        )
    sets: list[tuple[Tensor, Tensor]] = []
    run_with_masked_data(lambda: sets.append(initial_set(starts, name, bank, images_per_class, seed, **packing)), banks)
    images, labels = sets[0]
    if name == "noise" and not bool(torch.isfinite(images).all()):
        raise ValueError("No guarantee can be given: the initial images were computed from training images.")
    return images, labels


def public_job(job: Mapping[str, Any], **further: Any) -> dict[str, Any]:
    """The part of a run's job that a release may hold; the checksum of the training images is left out.

    Args:
        job: settings that decide the run, as plain JSON values.
        further: other settings that decide the release.

    Example:
        >>> public_job({"seed": 0, "training_sha256": "ab"}, views=[20])
        {'seed': 0, 'views': [20]}
    """
    return {**{name: value for name, value in job.items() if name != "training_sha256"}, **further}
