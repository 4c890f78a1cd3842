"""A MONAI FL filter that lets only the released synthetic set leave a client."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from monai.fl.utils.constants import WeightType
from monai.fl.utils.exchange_object import ExchangeObject
from monai.fl.utils.filters import Filter
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset

from .verify import Verification

__all__ = ["SyntheticOnly"]


class SyntheticOnly(Filter):  # type: ignore[misc]  # MONAI ships no types
    """Sends the tensors of one verified release, read from its folder, and blocks everything else.

    Follows :py:class:`monai.fl.utils.filters.Filter` (MONAI, 2022). The name of a tensor proves nothing, so the offered
    tensors must equal the release value for value. Model weights, optimizer state, metrics and statistics are not sent.

    Args:
        folder: of a release; it is verified once, in the constructor.
        no_claim: allow a set of tier T0, for which nothing is claimed.

    Raises:
        ValueError: if the folder does not verify, or is of tier T0 without ``no_claim``.

    Example:
        >>> outgoing = SyntheticOnly("release")  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path, *, no_claim: bool = False) -> None:
        problems = Verification.of(folder).problems
        if problems:
            raise ValueError(f"{folder} does not verify: {'; '.join(problems[:5])}. Export it again.")
        synthetic = SyntheticDataset.load(folder)
        if synthetic.manifest["privacy"]["tier"] == "T0" and not no_claim:
            raise ValueError(f"{folder} is of tier T0: nothing is claimed. Pass no_claim=True to send it anyway.")
        self.released = {name: value.clone() for name, value in synthetic.state_dict().items()}

    def __call__(self, data: ExchangeObject, extra: dict[str, Any] | None = None) -> ExchangeObject:
        """A new object whose weights are the released tensors.

        Raises:
            RuntimeError: if ``data`` does not hold the released set. Then nothing is sent.
        """
        offered = data.weights or {}
        for name, value in self.released.items():
            if name not in offered or not torch.equal(_plain(offered[name]), value):
                raise RuntimeError(
                    f"Expected the released {name} among the weights, got {'others' if name in offered else 'none'}: "
                    "blocked. Send SyntheticDataset.load(RELEASE).state_dict()."
                )
        weights = {name: value.clone() for name, value in self.released.items()}
        return ExchangeObject(weights=weights, weight_type=WeightType.WEIGHTS)


def _plain(value: Any) -> Tensor:
    """A tensor or array on any device as a CPU tensor without MONAI's metadata."""
    return torch.as_tensor(value).detach().cpu().as_subclass(Tensor)
