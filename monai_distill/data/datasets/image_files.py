"""The parent of the datasets of image files: rows to sections, and what every image must share."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import itertools
import warnings
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai_distill.data.dataset_reading import differing_sizes
from monai_distill.data.prepared_images import PreparedImages
from monai_distill.data.reading.file_to_image import FileToImaged
from monai_distill.data.reading.shared_reading import shared_reading
from monai_distill.runtime.checksums import file_checksum
from monai_distill.runtime.validation import listed_names

from .decoded_images import decoded_images
from .dicom_patients import rows_with_header_patients
from .image_rows import ImageRow, cleaned_rows, label_indices, refuse_patients_as_classes, sorted_names
from .listed_files import found_rows, listing_checksum
from .modalities import counted, refuse_documents, rows_of_modalities
from .section_dataset import DataSource, SectionDataset
from .shared_listing import LAST, Listing, listed_paths
from .spacing import shared_spacing
from .spelling import cleaned_names
from .split_rule import SplitRule

__all__ = ["ImageFilesDataset"]

_CHOOSE = "; --modalities CR,DX reads these alone"


class ImageFilesDataset(SectionDataset):
    """One section of labeled image files; subclasses list the files.

    Rows are sorted by path before a split is drawn, so that neither the order of a table nor that of the disk changes
    it. The files are listed once for all sections while none of them changes. All are read by one rule, which is
    ``reading`` of ``provenance``
    (:func:`~monai_distill.data.reading.shared_reading.shared_reading`); that of the training section has a ``spacing``
    where the files state it.

    Args:
        root_dir: the folder that paths are relative to.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        class_names: in label order; the sorted labels unless given.
        reading: how a file becomes an image ``[C, *spatial]`` in [0, 1].
        split: how sections are drawn where the data does not give them.
        source: name, license and citation, for the provenance.
        dicom_patients: whether DICOM headers name the patients where the data does not. Their identifiers are hashed.
        options: ``transform`` (receives ``image`` as a path), ``seed``, ``cache_dir`` and the cache options of
            :class:`SectionDataset`.

    Raises:
        ValueError: if a label or split is unknown, a patient is in two sections, or the images differ in size.
        RuntimeError: if files are missing, or an image cannot be read; the message names the file.

    Example:
        >>> ImageFilesDataset("data", "training")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        *,
        class_names: Sequence[str] | None = None,
        reading: FileToImaged | None = None,
        split: SplitRule | None = None,
        source: DataSource | None = None,
        dicom_patients: bool = True,
        **options: Any,
    ) -> None:
        self.reading = reading or FileToImaged()
        self.split = split or SplitRule()
        if not isinstance(dicom_patients, bool):  # any word would pass for true
            raise TypeError(f"Expected dicom_patients as true or false, got {dicom_patients!r}.")
        self.dicom_patients = dicom_patients
        self._modalities: Counter[str] = Counter()
        self._patient_note = ""  # the headers' takes the place of the folders'
        self._cautions: tuple[str, ...] = ()
        self._given_names = None if class_names is None else tuple(cleaned_names(listed_names(class_names)))
        self._source = source or DataSource()
        super().__init__(root_dir, section, **options)
        if self.uses_default_transform:
            self._check_shapes()
            self._record_spacing()

    @abstractmethod
    def _rows(self) -> list[ImageRow]:
        """Every row of every section, in any order."""

    @abstractmethod
    def _advice(self) -> str:
        """Where the data is expected, for errors."""

    def _listing(self) -> Path | None:
        """The file that lists the images, where there is one."""
        return None

    def _watched(self, rows: Sequence[ImageRow]) -> Iterable[str]:
        """The files and folders that decide the listing."""
        return itertools.chain(listed_paths(self.root_dir, rows), map(str, filter(None, [self._listing()])))

    def _settings(self) -> dict[str, Any] | None:
        """The settings that decide the listing; None for a class that may list by facts not known here."""
        if type(self).__module__.partition(".")[0] != __name__.partition(".")[0]:
            return None
        others = {name: value for name, value in vars(self).items() if name not in ("section", "cache_dir", "R")}
        reading = (type(self.reading), self.reading.to_dict())
        return copy.deepcopy({**others, "type": type(self), "root_dir": self.root_dir.absolute(), "reading": reading})

    def _items(self, section: str) -> list[dict[str, Any]]:
        listing = LAST.of(self._settings(), self._all_sections, self._watched)
        for sentence in set(listing.cautions) - set(self._cautions):  # listed for another section
            warnings.warn(sentence, stacklevel=2)
        self._listed, self.class_names = listing, listing.class_names
        self.provenance = copy.deepcopy(listing.provenance)
        self.notes, self.unused_patients = listing.notes, listing.unused_patients
        self.left_out, self._modalities = dict(listing.left_out), listing.modalities
        return [self._item(listing.rows[i], listing.labels[i]) for i in listing.sections[section]]

    def _all_sections(self) -> Listing:
        """List the files, and draw the sections."""
        rows = cleaned_rows(self._rows(), self._given_names or ())
        rows, notes = found_rows(self.root_dir, rows, self._advice())
        self.notes += tuple(notes)
        rows = self._with_header_patients(self._of_modalities(sorted(rows, key=lambda row: row.image)))
        self.notes += (self._patient_note,) * bool(self._patient_note)
        self.class_names = self._given_names or sorted_names([row.label for row in rows])
        if self._given_names is None:
            refuse_patients_as_classes(rows)
        self._check_class_names()
        labels = label_indices(rows, self.class_names)
        try:
            sections, rule = self.split.sections(rows, labels)
        except ValueError as error:  # who the patients are may not be what the user expects
            raise ValueError(" ".join([str(error), *(f"Here {note}." for note in self.notes)])) from error
        if " as " in rule.partition("(")[2]:  # sections have other names than train, val and test
            self.notes += (f"the split is {rule}",)
        return Listing(
            rows,
            labels,
            sections,
            [str(self.root_dir / row.image) for row in rows],
            self.class_names,
            self._provenance(rows, rule),
            self.notes,
            self.left_out,
            self.unused_patients,
            self._modalities,
            self._cautions,
        )

    def _provenance(self, rows: Sequence[ImageRow], rule: str) -> dict[str, Any]:
        files, listing = {"listing (paths, sizes, labels)": listing_checksum(self.root_dir, rows)}, self._listing()
        files |= {} if listing is None else {listing.name: f"sha256:{file_checksum(listing)}"}
        return {
            **self._source.to_dict(self.root_dir.name if listing is None else listing.name),
            "files": files,
            "official": False,
            "split": rule,
            "seed": self.split.seed if "seed" in rule else None,
            "left_out": dict(self.left_out),
        }

    def _caution(self, sentence: str) -> None:
        warnings.warn(sentence, stacklevel=3)
        self._cautions += (sentence,)

    def _of_modalities(self, rows: list[ImageRow]) -> list[ImageRow]:
        """The rows of the modalities that ``reading`` names; others are counted in ``left_out``."""
        chosen = self.reading.modalities
        if chosen is None and self._listing() is not None:
            refuse_documents(self.root_dir, rows)
        rows, self._modalities = rows_of_modalities(self.root_dir, rows, chosen)
        if chosen is not None:
            self.left_out = dict(sorted({**self.left_out, **self._modalities}.items()))
        elif len(self._modalities) > 1:
            self.notes += (f"the images are of several kinds: {counted(self._modalities)}{_CHOOSE}",)
        return rows

    def _with_header_patients(self, rows: list[ImageRow]) -> list[ImageRow]:
        """The rows with the patients of the DICOM headers, where the data names none or only folders do."""
        if not self.dicom_patients or self._names_patients():
            return rows
        found = rows_with_header_patients(self.root_dir, rows)
        self._patient_note = found.note or self._patient_note
        self.unused_patients += found.unused
        return found.rows

    def _names_patients(self) -> bool:
        """Whether the data names patients with certainty, so that headers are not read."""
        return False

    def _item(self, row: ImageRow, label: int) -> dict[str, Any]:
        extra = {key: str(self.root_dir / value) if key == "mask" else value for key, value in row.extra.items()}
        item = {"image": str(self.root_dir / row.image), "label": label, "class_name": self.class_names[label], **extra}
        return item if row.patient is None else {**item, "patient": row.patient}

    def _default_transform(self) -> FileToImaged:
        # decided over the files of all sections, so that no section is read by another rule
        if self._listed.reading is None:
            self._listed.reading = self._shared_reading()
        self.reading, changes = self._listed.reading
        if self.section == "training":
            for sentence in changes:
                warnings.warn(sentence, stacklevel=2)
        self.provenance["reading"] = self.reading.to_dict()
        return self.reading

    def _shared_reading(self) -> tuple[FileToImaged, list[str]]:
        try:
            return shared_reading(self.reading, self._listed.paths)
        except ValueError as error:
            if self.reading.modalities is not None or len(self._modalities) < 2:
                raise
            raise ValueError(f"{error} Here are {counted(self._modalities)}{_CHOOSE}.") from error

    def stored_images(self) -> PreparedImages | None:
        """All images as one array (:func:`decoded_images`); None with a transform of one's own."""
        return decoded_images(self, self.reading, self.cache_dir) if self.uses_default_transform else None

    def _record_spacing(self) -> None:
        """Set the voxel spacing from the training images: synthetic images come from these."""
        if self.section != "training":
            return
        rule = "of the files, times the factor of resizing" if self.reading.pixdim is None else "as resampled"
        spacing = shared_spacing((self.reading.spacing_of(item["image"]) for item in self.data), rule)
        if spacing is not None:
            self.provenance["spacing"] = spacing

    def _check_shapes(self) -> None:
        pairs = zip(self.data, self._cache, strict=False)
        shapes = [(item["image"], cached["image"].shape) for item, cached in pairs if cached is not None]
        for path, shape in shapes:
            if shape != shapes[0][1]:
                raise ValueError(differing_sizes([shapes[0][0], path], [shapes[0][1], shape]))
