"""Image files in one folder per class."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from monai_distill.data.reading.file_type import IMAGE_SUFFIXES
from monai_distill.runtime.progress import open_progress_bar

from .column_words import header_key, names_split
from .folder_listing import CONTAINERS, MASK_FOLDERS, ClassFolder, other_kind, visible_files, visible_folders, walked
from .image_files import ImageFilesDataset
from .image_rows import ImageRow
from .split_rule import section_named

__all__ = ["ImageFolderDataset"]


class ImageFolderDataset(ImageFilesDataset):
    """One section of images in class folders.

    On disk: ``ROOT_DIR/CLASS/**/*.png`` (or any other type that :class:`~monai_distill.data.reading.FileToImaged`
    reads), to any depth, or the same below ``ROOT_DIR/train``, ``val`` and ``test``. Masks next to images or in folders
    named for them are left out and counted. Without split folders a split is drawn. The folders below a class, as in
    ``CLASS/PATIENT/*.png``, are taken for patients; a name in two classes is one patient.

    Args:
        root_dir: the folder of the class folders.
        section: ``"training"``, ``"validation"`` or ``"test"``.
        transform: replaces the default transform, which reads the file that ``image`` names.
        class_names: the folders to use, in label order; all that hold images, sorted, unless given.
        patient_folders: whether the folders below a class are patients; None takes them for patients where there are
            some, and images outside them for patients of their own.
        spatial_dims: 2, or 3 for volumes: then a folder below a class with DICOM slices is one image.
        options: ``reading``, ``split``, ``source``, ``dicom_patients``, ``seed`` and the cache options
            of :class:`ImageFilesDataset`.

    Raises:
        ValueError: if class and split folders are mixed, folders below classes look like classes or splits, or the
            images differ in size.
        RuntimeError: if a class folder is missing or empty, or an image cannot be read.

    Example:
        >>> dataset = ImageFolderDataset("data/tiles", "training")  # doctest: +SKIP
    """

    def __init__(
        self,
        root_dir: str | PathLike[str],
        section: str,
        transform: Sequence[Callable[..., Any]] | Callable[..., Any] = (),
        *,
        class_names: Sequence[str] | None = None,
        patient_folders: bool | None = None,
        spatial_dims: int = 2,
        **options: Any,
    ) -> None:
        if patient_folders not in (None, True, False):
            raise TypeError(f"Expected patient_folders as true, false or null, got {patient_folders!r}.")
        self.patient_folders = patient_folders
        self.spatial_dims = spatial_dims
        super().__init__(root_dir, section, transform=transform, class_names=class_names, **options)

    def _rows(self) -> list[ImageRow]:
        folders = visible_folders(self.root_dir)
        self._refuse_outer_folder(folders)
        splits = [folder for folder in folders if section_named(folder.name)]
        if splits:
            self._refuse_other_folders(splits, [folder for folder in folders if folder not in splits])
        classes = [c for split in splits for c in visible_folders(split)] if splits else folders
        with open_progress_bar(0, "listing the files", "files", soon=True) as bar:
            listed = {folder: ClassFolder(folder, self.spatial_dims == 3, bar.update) for folder in classes}
        self._refuse_content_folders([folder.name for folder in listed])
        used = {folder: content for folder, content in listed.items() if self._is_used(folder, content)}
        self._account(listed, used, [self.root_dir, *splits])
        absent = sorted(set(self._given_names or ()) - {folder.name for folder in used})
        if absent or not used:
            raise RuntimeError(self._nothing_there(listed, absent))
        rows = [
            self._row(folder, image, folder.parent.name if splits else None)
            for folder, content in used.items()
            for image in content.images
        ]
        return self._with_folder_patients(rows, {image: c.levels(image) for c in used.values() for image in c.images})

    def _watched(self, rows: Sequence[ImageRow]) -> Iterator[str]:
        for place, names in walked(self.root_dir):
            yield str(place)
            yield from (f"{place}/{name}" for name in names)

    def _row(self, folder: Path, path: Path, split: str | None) -> ImageRow:
        image = path.relative_to(self.root_dir).as_posix()
        return ImageRow(image, folder.name, image, split=split, extra=self._extra(folder, path))

    def _is_used(self, folder: Path, content: ClassFolder) -> bool:
        return bool(content.images) and (self._given_names is None or folder.name in self._given_names)

    def _refuse_outer_folder(self, folders: Sequence[Path]) -> None:
        below = [folder.name for folder in visible_folders(folders[0])] if len(folders) == 1 else []
        if len(below) > 1 and self._given_names is None and not section_named(folders[0].name):
            raise ValueError(
                f"{self.root_dir} holds one folder, {folders[0].name}, expected one per class; did you mean "
                f"--dataset_dir {folders[0]}, which holds {below[:5]}?"
            )

    def _refuse_other_folders(self, splits: Sequence[Path], others: Sequence[Path]) -> None:
        with_images = [folder for folder in others if ClassFolder(folder).images]
        if with_images:
            inner = [f.name for f in with_images if any(section_named(p.name) for p in visible_folders(f))]
            raise ValueError(
                f"{self.root_dir} holds both split folders {[folder.name for folder in splits]} and class folders "
                f"{[folder.name for folder in with_images]}, expected one or the other; "
                + (f"{inner[0]} holds split folders itself: give it as dataset_dir, or take it out." if inner else "")
                + "move class folders into train, val and test, and take other sets of images out." * (not inner)
            )

    def _refuse_content_folders(self, names: Sequence[str]) -> None:
        if names and all(header_key(name) in CONTAINERS | MASK_FOLDERS for name in names):
            raise ValueError(
                f"The folders {sorted(names)} of {self.root_dir} are named for their content, expected one folder per "
                "class; put the images of every class into its folder, or list them in a table."
            )
        splits = [name for name in names if names_split(name) or header_key(name).rstrip("0123456789") == "fold"]
        if len(splits) > 1:
            raise ValueError(
                f"The folders {sorted(splits)} of {self.root_dir} look like a split, expected train, val and test, or "
                "classes; rename them, or list the images in a table."
            )

    def _with_folder_patients(self, rows: list[ImageRow], levels: dict[Path, tuple[str, ...]]) -> list[ImageRow]:
        """Patients by the first folder below the class that distinguishes images."""
        paths = {row.image: levels[self.root_dir / row.image] for row in rows}
        while (first := {inside[:1] for inside in paths.values()}) and len(first) == 1 and first != {()}:
            paths = {image: inside[1:] for image, inside in paths.items()}  # one folder around all images
        classes: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for name in paths[row.image][:1]:
                classes[name].add(row.label)
        if not classes:
            return rows
        self._refuse_class_names_below(classes)
        loose = [row.image for row in rows if not paths[row.image]]
        if self.patient_folders is False or (loose and self.patient_folders is None):
            self.unused_patients += ("folders below the classes",)
        if self.patient_folders is False:
            return rows
        if loose and self.patient_folders:
            raise ValueError(
                f"{len(loose)} image(s) lie outside the folders of patients, such as {loose[:3]}, expected none with "
                "patient_folders; move them into the folder of their patient."
            )
        note = f"patients are the folders below the classes ({len(classes)}), such as {min(classes)}"
        outside = f". {len(loose)} images outside of them count as one patient each" * bool(loose)
        self._patient_note = f"{note}; otherwise give --patient_folders false{outside}"
        return [_with_patient(row, *paths[row.image][:1]) for row in rows]

    def _refuse_class_names_below(self, classes: dict[str, set[str]]) -> None:
        if splits := sorted(name for name in classes if section_named(name)):
            raise ValueError(
                f"The split folders {splits} lie inside class folders, expected train, val and test above the classes; "
                "move them up, or list the images in a table with a column split."
            )
        shared = sorted(n for n, labels in classes.items() if len(labels) > 1 and not any(c.isdigit() for c in n))
        if len(shared) > 1 and self.patient_folders is None:
            raise ValueError(
                f"The folders {shared[:5]} lie in several class folders, expected patients or nothing below a class. "
                "If they are the classes, put them at the top; if they are patients, give --patient_folders true, and "
                "else --patient_folders false."
            )

    def _account(self, listed: dict[Path, ClassFolder], used: dict[Path, ClassFolder], tops: Sequence[Path]) -> None:
        """Count and name whatever is not read."""
        left: Counter[str] = Counter()
        for folder, content in listed.items():
            if folder in used:
                left["masks"] += 0 if self._reads_masks() else len(content.masks)
            else:
                left["images of folders outside class_names"] += len(content.images)
            left.update(content.others)
        for kind in (other_kind(path) for top in tops for path in visible_files(top)):
            left[kind or "images in no class folder"] += 1
        self.left_out = dict(sorted((+left).items()))
        empty = sorted({f.name for f, c in listed.items() if not c.images} - {f.name for f in used})
        if empty and used and self._given_names is None:
            self._caution(f"Left out {empty}: no image in these folders. Known types are {', '.join(IMAGE_SUFFIXES)}.")
        if doubtful := [path for content in used.values() for path in content.doubtful]:
            self._caution(
                f"{len(doubtful)} file(s) are named like masks and belong to no image, such as {doubtful[0].name}; "
                "they are read as images. Take masks out."
            )

    def _nothing_there(self, listed: dict[Path, ClassFolder], absent: Sequence[str]) -> str:
        contents = [
            f"{folder.name} ({', '.join(f'{count} {kind}' for kind, count in content.others.items())})"
            if content.others
            else f"{folder.name} ({len(content.images)} images)"
            for folder, content in listed.items()
        ]
        loose = self.left_out.get("images in no class folder", 0)
        return (
            f"Cannot find dataset directory with images: {self.root_dir}/{absent[0] if absent else 'CLASS'}, got the "
            f"folders [{', '.join(contents)}]{f' and {loose} images in none of them' * bool(loose)}. {self._advice()}"
        )

    def _extra(self, folder: Path, path: Path) -> dict[str, Any]:
        """Further keys of the item of an image, for subclasses."""
        return {}

    def _reads_masks(self) -> bool:
        """Whether masks are part of the items, for subclasses."""
        return False

    def _advice(self) -> str:
        return f"Expected CLASS/*.png or CLASS/PATIENT/*.png (any of {', '.join(IMAGE_SUFFIXES)}) under root_dir."


def _with_patient(row: ImageRow, patient: str | None = None) -> ImageRow:
    return ImageRow(row.image, row.label, row.where, patient or row.image, row.split, row.extra)
