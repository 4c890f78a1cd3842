"""A MONAI FL filter: nothing leaves the client but the released synthetic set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from monai.fl.utils.constants import WeightType
from monai.fl.utils.exchange_object import ExchangeObject
from monai.fl.utils.filters import Filter
from torch import Tensor

from monai_distill.data import SyntheticDataset

from .verify import Verification

__all__ = ["SyntheticOnly"]


class SyntheticOnly(Filter):  # type: ignore[misc]  # MONAI ships no types
    """Passes the tensors of one verified release on, as they lie in its folder, and blocks everything else.

    Follows :py:class:`monai.fl.utils.filters.Filter` (MONAI, 2022). Trusting names would not be enough, as any tensor
    can be called ``images``: what is offered must equal the release, value for value, and what is sent is read from
    the release. Model weights, optimiser state, metrics, statistics and further entries are left behind.

    Args:
        folder: of a release; verified once, here.
        no_claim: let a set of tier T0 leave, of which nothing is promised.

    Raises:
        ValueError: when the folder does not verify, or is of tier T0.

    Example:
        >>> outgoing = SyntheticOnly("release")  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path, *, no_claim: bool = False) -> None:
        found = Verification.of(folder)
        if found.problems:
            raise ValueError(f"{folder} does not verify: {'; '.join(found.problems[:5])}. Export it anew.")
        synthetic = SyntheticDataset.load(folder)
        if synthetic.manifest["privacy"]["tier"] == "T0" and not no_claim:
            raise ValueError(
                f"{folder} is of tier T0: nothing is promised. Pass no_claim=True to send it all the same."
            )
        self.released = {name: value.clone() for name, value in synthetic.state_dict().items()}

    def __call__(self, data: ExchangeObject, extra: dict[str, Any] | None = None) -> ExchangeObject:
        """A new object with the released tensors as its weights, and nothing else.

        Raises:
            RuntimeError: when ``data`` does not hold the released set: nothing may be sent in its stead.
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
    """A tensor or array, wherever it lies, without the metadata that MONAI's tensors carry."""
    return torch.as_tensor(value).detach().cpu().as_subclass(Tensor)
