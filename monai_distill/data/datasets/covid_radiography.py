"""The COVID-19 Radiography Database: chest X-rays in four class folders, with lung masks."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai_distill.data.reading.file_to_image import FileToImaged

from .image_folder import ImageFolderDataset
from .section_dataset import DataSource
from .split_rule import SplitRule

__all__ = ["COVIDRadiographyDataset"]

_CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
_UNPACKED = "COVID-19_Radiography_Dataset"
_SOURCE = DataSource(
    "COVID-19 Radiography Database",
    "see the database's own terms",
    "Chowdhury et al., IEEE Access 8, 2020; Rahman et al., Comput Biol Med 132, 2021",
)
_URL = "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database"


class COVIDRadiographyDataset(ImageFolderDataset):
    """One section of the COVID-19 Radiography Database (Chowdhury et al., 2020; Rahman et al., 2021).

    On disk: ``ROOT_DIR/COVID/images/COVID-1.png`` and likewise ``Lung_Opacity``, ``Normal`` and ``Viral Pneumonia``,
    each with ``masks/`` next to ``images/``; the folder ``COVID-19_Radiography_Dataset`` of the published archive may
    lie in between. 21165 images of 299x299, read as gray ``[1, H, W]`` (a few are stored with three channels).

    There is no official split: 70/10/20, stratified by class, by :func:`stratified_split` over the sorted paths with
    seed 20260810. The database names no patients, so images of one patient can be in two sections and scores are on
    the high side.

    Args:
        root_dir: the folder of the class folders.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform, which reads the file that ``image`` names.
        class_names: other class folders in the same layout, in label order; all four of the database unless given.
        lung_masks: multiply every image by its lung mask, resized to the image without interpolation.
        reading: how a file becomes an image; one channel, unchanged in size, unless given.
        split: shares and seed; keep the seed to compare with others.
        options: ``source``, ``seed`` and the cache options of :class:`ImageFilesDataset`.

    Raises:
        ValueError: if the images differ in size and ``reading`` has no ``image_size``.
        RuntimeError: if class folders or masks are missing, with where to get the data.

    Example:
        >>> dataset = COVIDRadiographyDataset("data/covid", "training")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        class_names: Sequence[str] | None = None,
        lung_masks: bool = False,
        reading: FileToImaged | None = None,
        split: SplitRule | None = None,
        **options: Any,
    ) -> None:
        self.lung_masks = lung_masks
        inner = Path(root_dir) / _UNPACKED
        source = DataSource(f"chest X-rays in class folders ({Path(root_dir).name})")
        super().__init__(
            inner if inner.is_dir() else root_dir,
            section,
            transform,
            class_names=class_names or _CLASSES,
            reading=reading or FileToImaged(channels=1),
            split=split or SplitRule(val_frac=0.1, test_frac=0.2, seed=20260810),
            **{"source": _SOURCE if class_names is None else source, **options},
        )

    def _extra(self, folder: Path, path: Path) -> dict[str, Any]:
        if not self.lung_masks:
            return {}
        return {"mask": (folder / "masks" / path.name).relative_to(self.root_dir).as_posix()}

    def _reads_masks(self) -> bool:
        return self.lung_masks

    def _advice(self) -> str:
        return (
            f"Expected {', '.join(f'{name}/images/*.png' for name in self._given_names or _CLASSES)} under root_dir"
            f"{', with masks/ next to every images/' if self.lung_masks else ''}. Get the database from {_URL} "
            "and unpack it there, or pass class_names for other folders in this layout."
        )
