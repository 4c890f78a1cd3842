"""The preprocessing that a distilled set was made with, for the images that its networks are to classify."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from os import PathLike
from pathlib import Path

from monai.transforms import Transform
from torch import Tensor

from monai_distill.data.synthetic_dataset import SyntheticDataset

__all__ = ["PreprocessingOfSet"]


class PreprocessingOfSet(Transform):  # type: ignore[misc]  # MONAI ships no types
    """Prepares an image [C, *spatial] as the set in ``folder`` says; the set is read when the first image comes.

    Not before, so that a bundle whose set is still to be distilled can be looked at and checked.

    Args:
        folder: as :py:meth:`SyntheticDataset.save` wrote it.

    Raises:
        RuntimeError: from the call, when no set is there: networks must not be fed otherwise than they were trained.

    Example:
        >>> import tempfile, torch
        >>> from monai_distill.transforms import Standardize
        >>> folder = tempfile.mkdtemp()
        >>> prepared = {"step_size": 0.1, "preprocessing": Standardize([0.5], [0.25])}
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
