"""Conditions of a guarantee besides the noise: nothing else may depend on the training images."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from monai_distill.claims.tier import LARGEST_DELTA
from monai_distill.data.class_bank import ClassBank
from monai_distill.data.datasets.splits import is_drawn_from_all_records

__all__ = ["DPContract", "FixedPreprocessing", "TrainingRecords", "public_provenance", "run_with_masked_data"]

PUBLIC = ("name", "license", "citation", "official", "split", "seed")  # fields that no single record decides
# settings of reading; "values", the kind of stored values, is the same in all files or the data are refused: public
PUBLIC_READING = ("image_size", "channels", "intensity_range", "pixdim", "orientation", "fit", "modalities", "values")


def public_provenance(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Provenance without record-dependent fields (checksums, counts) and without file names.

    Someone who has all records but one could test guesses of the last record against a checksum or an exact count, and
    noise does not help against that. A data set of the owner is named after its table or folder, so that name is
    dropped too. How files are read is given by settings, and by the kind of stored values, which all files share or
    none is read; the guarantee treats that kind as public.

    Example:
        >>> public_provenance({"name": "ward 7", "training_sha256": "ab12", "counts": {"training": [7]}})
        {'name': 'ward 7'}
    """
    public = {name: provenance[name] for name in PUBLIC if name in provenance}
    reading = provenance.get("reading")
    if reading is not None:
        public["reading"] = {name: reading[name] for name in PUBLIC_READING if name in reading}
    files = provenance.get("files", {})
    # a data set of the owner's files has a listing, and is named after its table or folder
    local = public.get("name") in files or any(name.startswith("listing") for name in files)
    return {**public, "name": "images of the owner"} if local else public


def run_with_masked_data(function: Callable[[], object], banks: Sequence[ClassBank]) -> None:
    """Call ``function`` while the images and labels of ``banks`` cannot be read (:meth:`ClassBank.closed`).

    Raises:
        RuntimeError: when ``function`` reads a real image or label.

    Example:
        >>> import torch
        >>> bank = ClassBank(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["a"])
        >>> values = []
        >>> run_with_masked_data(lambda: values.append(float(bank.images.sum())), [bank])
        >>> values, float(bank.images.sum())
        ([nan], 4.0)
    """
    with ExitStack() as closed:
        for bank in banks:
            closed.enter_context(bank.closed())
        function()


@dataclass(frozen=True)
class FixedPreprocessing:
    """A preprocessing that must not depend on the training images.

    Args:
        config: configuration of the preprocessing that the run uses.
        mean: constant that was chosen without the data.
        std: constant that was chosen without the data.
        zca: whether the run asks for ZCA whitening.
    """

    config: Mapping[str, Any]
    mean: float
    std: float
    zca: bool = False

    def breach(self) -> str | None:
        """Return why the preprocessing depends on the training images; None if it does not."""
        if self.zca or str(self.config.get("_target_", "")).rpartition(".")[2] == "ZCAWhitening":
            return "ZCA whitening is fitted on the training images. Use --zca false."
        if set(self.config.get("mean", ())) == {self.mean} and set(self.config.get("std", ())) == {self.std}:
            return None
        return (
            "mean and standard deviation are not the given constants, so they come from the training images. Leave "
            f"data#fit unchanged and set public_mean and public_std, now {(self.mean, self.std)}."
        )


@dataclass(frozen=True)
class TrainingRecords:
    """The training records of a run: their number, and how the training section came about.

    Args:
        public_number: public, rounded number of records, or None.
        number: exact number; used only to warn the data owner when delta exceeds 1 / number. It never decides whether
            a run is refused, because that would reveal it.
        provenance: of the data set, with the rule of its split.
    """

    public_number: int | None = None
    number: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def breaches(self, delta: float) -> list[str]:
        """Every way in which delta is too large for these records, or one record decides on others."""
        breaches = []
        if delta > LARGEST_DELTA:
            breaches.append(
                f"delta {delta:g} is above {LARGEST_DELTA:g}: it is no guarantee. Use --delta 1e-5 or less."
            )
        if is_drawn_from_all_records(self.provenance):
            breaches.append(
                f"the split is {self.provenance.get('split')!r}: removing one record would move others into or out of "
                "training. Use --keyed_split true, or give a split with the data."
            )
        if "training" in self.provenance.get("identical_images_dropped", ()):
            breaches.append(
                "training loses the images that are identical to held-out ones: removing one held-out record would "
                "return them. Use --drop_held_out true."
            )
        if self.public_number is not None and delta > 1 / self.public_number:
            advised = 10.0 ** -math.ceil(math.log10(10 * self.public_number))
            breaches.append(
                f"delta {delta:g} exceeds 1 / (number of records, {self.public_number}): publishing one record "
                f"unchanged would satisfy it. Use --delta {advised:.0e} or less."
            )
        return breaches


class DPContract:
    """Refuses a run that uses the training images outside the mechanism that the ledger accounts for.

    References:
        Papernot and Steinke, Hyperparameter Tuning with Renyi Differential Privacy, ICLR 2022,
        https://arxiv.org/abs/2110.03620 (selection leaks).

    Args:
        initial_images: initial synthetic images, such as ``"noise"`` or ``"real"``.
        preprocessing: preprocessing of the run.
        delta: of the budget.
        networks: one of every architecture that is applied to training images.
        validations: number of validations during the run; their scores could select an iterate.
        records: the training records.
        curriculum: schedule of the experts' images if it depends on the images; else None.

    Raises:
        ValueError: from :meth:`check`, with every condition that is violated and how to meet it.

    Example:
        >>> config = {"_target_": "monai_distill.transforms.Standardize", "mean": [0.5], "std": [0.5]}
        >>> fixed = FixedPreprocessing(config, mean=0.5, std=0.5)
        >>> DPContract(initial_images="real", preprocessing=fixed, delta=1e-5).check()
        Traceback (most recent call last):
        ValueError: No guarantee can be given:
        - initial images are 'real': training images would be copied. Use --initial_images noise.
    """

    def __init__(
        self,
        *,
        initial_images: str,
        preprocessing: FixedPreprocessing,
        delta: float,
        networks: Sequence[nn.Module] = (),
        validations: int = 0,
        records: TrainingRecords | None = None,
        curriculum: Any = None,
    ) -> None:
        self.initial_images = initial_images
        self.preprocessing = preprocessing
        self.delta = delta
        self.networks = networks
        self.validations = validations
        self.records = records or TrainingRecords()
        self.curriculum = curriculum

    def check(self) -> None:
        """Raise ValueError unless every condition holds."""
        breaches = [*self._data_breaches(), *self._network_breaches(), *self._selection_breaches()]
        if breaches:
            raise ValueError("\n- ".join(["No guarantee can be given:", *breaches]))
        if self.records.number is not None and self.delta > 1 / self.records.number:
            warnings.warn(
                f"delta {self.delta:g} exceeds 1 / (number of records): publishing one record unchanged would satisfy "
                "it. Give a smaller --delta.",
                stacklevel=2,
            )

    def _data_breaches(self) -> list[str]:
        breaches = []
        if self.initial_images != "noise":
            copied = {"correct": "training images that experts get right"}.get(self.initial_images, "training images")
            breaches.append(
                f"initial images are {self.initial_images!r}: {copied} would be copied. Use --initial_images noise."
            )
        breach = self.preprocessing.breach()
        breaches += [] if breach is None else [breach]
        if self.curriculum is not None:
            breaches.append(
                "how often an expert sees an image depends on the other images: on their difficulty, or on the size of "
                "its class. Use --curriculum None and --balanced_experts false."
            )
        return breaches + self.records.breaches(self.delta)

    def _network_breaches(self) -> list[str]:
        mixing = sorted({type(m).__name__ for network in self.networks for m in network.modules() if _mixes(m)})
        if not mixing:
            return []
        stored = "stores statistics of training images"
        return [f"{mixing} mixes the images of a batch, or {stored}. Use --matching_norm instance."]

    def _selection_breaches(self) -> list[str]:
        if not self.validations:
            return []
        breach = (
            f"{self.validations} validations during the run could select an iterate on real images, which leaks. The "
            "last iterate is released: leave val_interval unchanged."
        )
        return [breach]


def _mixes(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return bool(module.track_running_stats)
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
