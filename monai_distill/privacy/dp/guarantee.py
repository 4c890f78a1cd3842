"""The steps that ``--epsilon`` adds to a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monai_distill.data import ClassBank

from .contract import DPContract, run_with_masked_data
from .dp_model import DPModel
from .ledger import PrivacyLedger
from .records import record_codes

__all__ = ["Guarantee", "number_of_records", "public_job"]


class Guarantee:
    """Conditions before the run, masked training images during it, the ledger's statement and a baseline after it.

    Args:
        contract: the conditions.
        ledger: every release of the run is entered there.
        model: the DP-SGD network that is scored next to the set.
        banks: images that no step of the distillation may read.
    """

    def __init__(self, contract: DPContract, ledger: PrivacyLedger, model: DPModel, banks: Sequence[ClassBank]) -> None:
        self.contract = contract
        self.ledger = ledger
        self.model = model
        self.banks = banks

    def check(self) -> None:
        """Refuse the run where a condition of the guarantee does not hold.

        Raises:
            ValueError: with every condition that does not hold.
        """
        self.contract.check()
        self.model.check()

    def mask_data(self, step: Callable[[], object]) -> None:
        """Call ``step`` while the images of ``banks`` are NaN: see :func:`run_with_masked_data`."""
        run_with_masked_data(step, self.banks)

    def statement(self) -> Mapping[str, Any]:
        """The manifest's entry on the guarantee: the budget and the events of the ledger."""
        return self.ledger.statement()

    def scores(self) -> dict[str, Any]:
        """The row of the DP-SGD network, where it is enabled."""
        return self.model.scores()


def number_of_records(bank: ClassBank) -> int:
    """How many records ``bank`` holds: an exact count, which is never released.

    Example:
        >>> import torch
        >>> number_of_records(ClassBank(torch.zeros(3, 1, 2, 2), torch.tensor([0, 0, 0]), ["a"]))
        3
    """
    return len(set(record_codes(bank).tolist()))


def public_job(job: Mapping[str, Any], **further: Any) -> dict[str, Any]:
    """The part of a run's job that a release may hold: without the checksum of the training images.

    Args:
        job: what decides the run, as plain JSON values.
        further: further settings that decide the release.

    Example:
        >>> public_job({"seed": 0, "training_sha256": "ab"}, views=[20])
        {'seed': 0, 'views': [20]}
    """
    return {**{name: value for name, value in job.items() if name != "training_sha256"}, **further}
