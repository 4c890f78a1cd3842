"""What must hold, beside the noise, for a guarantee to be one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from torch import nn

from monai_distill.data import ClassBank

__all__ = ["DPContract", "public_provenance", "run_with_masked_data"]

KEPT = ("name", "licence", "citation", "official", "split", "seed")


def public_provenance(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance without what depends on every single record: checksums and counts; nor a name that is a file's.

    Whoever has all records but one could try candidates for the last against a checksum of the training images, and
    against an exact count, with certainty; no noise helps then. A table of one's own is named after its file, which
    the list of files, left out here, would have shown.

    Example:
        >>> public_provenance({"name": "ward 7", "training_sha256": "ab12", "counts": {"training": [7]}})
        {'name': 'ward 7'}
    """
    told = {name: provenance[name] for name in KEPT if name in provenance}
    own = told.get("name") in provenance.get("files", {})
    return {**told, "name": "images of the owner"} if own else told


def run_with_masked_data(function: Callable[[], object], banks: Sequence[ClassBank]) -> None:
    """Call ``function`` while the images and labels of ``banks`` cannot be read.

    Raises:
        RuntimeError: when ``function`` reads a real image or label.

    Example:
        >>> import torch
        >>> bank = ClassBank(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a"])
        >>> run_with_masked_data(lambda: bank.images[0], [bank])
        Traceback (most recent call last):
        RuntimeError: This part of the run may not read any real image or label.
        >>> float(bank.images[0].sum())
        4.0
    """
    with ExitStack() as closed:
        for bank in banks:
            closed.enter_context(bank.closed())
        function()


class DPContract:
    """Refuses whatever looks at the training images beside the mechanism that is accounted for.

    References:
        The conditions of ``Papernot and Steinke, Hyperparameter Tuning with Renyi Differential Privacy, ICLR 2022``
        (selection leaks) and of differentially private training in general.

    Args:
        initial_images: what the synthetic images start from.
        zca: whether ZCA whitening, fitted on the training images, is asked for.
        preprocessing: the configuration of the fitted preprocessing.
        constants: mean and standard deviation that it must have, chosen without the data.
        networks: one of every architecture that sees training images.
        validations: validations during the run whose scores could select; 0 for none.
        delta: of the budget.
        records: a round number of training records that may be told; None where there is none. The exact one decides
            nothing, or that there is a release would tell of it.
        counted: how many there are: only to warn who holds the images of a delta that is too large for so many.
        curriculum: how often experts are shown which images, where that depends on the images; None for not.

    Raises:
        ValueError: from :meth:`check`, naming every condition that does not hold and the way out of each.

    Example:
        >>> fixed = {"_target_": "monai_distill.transforms.Standardize", "mean": [0.5], "std": [0.5]}
        >>> contract = DPContract(initial_images="real", preprocessing=fixed, constants=(0.5, 0.5), delta=1e-5)
        >>> contract.check()
        Traceback (most recent call last):
        ValueError: No guarantee can be given:
        - initial images are 'real': training images would be copied. Use --initial_images noise.
    """

    def __init__(
        self,
        *,
        initial_images: str,
        preprocessing: Mapping[str, Any],
        constants: tuple[float, float],
        delta: float,
        zca: bool = False,
        networks: Sequence[nn.Module] = (),
        validations: int = 0,
        records: int | None = None,
        counted: int | None = None,
        curriculum: Any = None,
    ) -> None:
        self.initial_images = initial_images
        self.preprocessing = preprocessing
        self.constants = constants
        self.delta = delta
        self.zca = zca
        self.networks = networks
        self.validations = validations
        self.records = records
        self.counted = counted
        self.curriculum = curriculum

    def check(self) -> None:
        """Do nothing when every condition holds."""
        breaches = [*self._data_breaches(), *self._network_breaches(), *self._selection_breaches()]
        if breaches:
            raise ValueError("\n- ".join(["No guarantee can be given:", *breaches]))
        if self.counted is not None and self.delta > 1 / self.counted:
            warnings.warn(
                f"delta {self.delta:g} is above 1 over the number of records: publishing one record outright would "
                "keep it. Give a smaller --delta.",
                stacklevel=2,
            )

    def _data_breaches(self) -> list[str]:
        found = []
        if self.initial_images != "noise":
            how = {"correct": "training images that experts get right"}.get(self.initial_images, "training images")
            found.append(
                f"initial images are {self.initial_images!r}: {how} would be copied. Use --initial_images noise."
            )
        kind = str(self.preprocessing.get("_target_", "")).rpartition(".")[2]
        if self.zca or kind == "ZCAWhitening":
            found.append("ZCA whitening is fitted on the training images. Use --zca false.")
        elif not self._constant():
            found.append(
                "mean and standard deviation are not the constants, so they come from the training images. Leave "
                f"data#fit as it is and set public_mean and public_std, now {self.constants}."
            )
        if self.curriculum is not None:
            found.append(
                "how often an image is seen depends on the others: on their difficulty, or on how many its class has. "
                "Use --curriculum None and --balanced_experts false."
            )
        if self.records is not None and self.delta > 1 / self.records:
            found.append(
                f"delta {self.delta:g} is above 1 over the number of records, {self.records}: publishing one record "
                f"outright would keep it. Use --delta {10.0 ** -math.ceil(math.log10(10 * self.records)):.0e} or less."
            )
        return found

    def _constant(self) -> bool:
        mean, std = self.constants
        values = self.preprocessing
        return set(values.get("mean", ())) == {mean} and set(values.get("std", ())) == {std}

    def _network_breaches(self) -> list[str]:
        mixing = sorted({type(m).__name__ for network in self.networks for m in network.modules() if _mixes(m)})
        if not mixing:
            return []
        return [f"{mixing} mixes the images of a batch, or keeps their statistics. Use --matching_norm instance."]

    def _selection_breaches(self) -> list[str]:
        if not self.validations:
            return []
        breach = (
            f"{self.validations} validations during the run could select an iterate on real images, which leaks. The "
            "last iterate is released: leave val_interval as it is."
        )
        return [breach]


def _mixes(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return bool(module.track_running_stats)
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
