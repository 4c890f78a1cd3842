"""The preprocessing of a saved set, as a MONAI transform for bundles."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path

from monai.transforms import Transform
from torch import Tensor

from .synthetic_dataset import SyntheticDataset

__all__ = ["PreprocessingOfSet"]


class PreprocessingOfSet(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Applies the preprocessing of the set in ``folder`` to an image [C, *spatial].

    The first call reads the set. A bundle can therefore be built and checked before its set is distilled.

    Args:
        folder: written by :py:meth:`SyntheticDataset.save`.

    Raises:
        RuntimeError: from the call, if the folder holds no set.

    Example:
        >>> import tempfile, torch
        >>> from monai_distill.transforms import Standardize
        >>> folder = tempfile.mkdtemp()
        >>> prepared = {"student_lr": 0.1, "preprocessing": Standardize([0.5], [0.25])}
        >>> _ = SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"], **prepared).save(folder)
        >>> PreprocessingOfSet(folder)(torch.ones(1, 1, 1))
        tensor([[[2.]]])
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self._set: SyntheticDataset | None = None

    def __call__(self, image: Tensor) -> Tensor:
        """The prepared image."""
        if self._set is None:
            if not (self.folder / "manifest.json").is_file():
                raise RuntimeError(
                    f"{self.folder} holds no distilled set yet, and its model is untrained. Run the bundle's train "
                    "configuration first: it fills the folder."
                )
            self._set = SyntheticDataset.load(self.folder)
        preprocessing = self._set.preprocessing
        prepared: Tensor = image if preprocessing is None else preprocessing(image)
        return prepared
