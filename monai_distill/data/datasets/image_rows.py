"""Rows of image files with labels, patients and splits: what their cells may hold."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .spelling import cleaned_names, is_missing, refuse_two_spellings, spelling_key

__all__ = ["ImageRow", "cleaned_rows", "label_indices", "refuse_patients_as_classes", "sorted_names"]

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}
_SHORT = {"t": "1", "y": "1", "f": "0", "n": "0"}  # only where every label is one of these words
_PATIENT_WORDS = ("p", "pt", "pat", "patient", "sub", "subj", "subject", "case", "id", "no", "nr")
_UNKNOWN_PATIENTS = {"none", "na", "-", "--", "?", ".", "unknown", "unk", "missing", "not available"}


@dataclass(frozen=True)
class ImageRow:
    """One labeled image file.

    Attributes:
        image: the path relative to the root folder.
        label: the class, as written.
        where: how an error names the row, such as ``"row 3 of table.csv"``.
        patient: the patient that the image shows, where known.
        split: the section as written, where the data gives one.
        extra: further keys of the item.
    """

    image: str
    label: str
    where: str
    patient: str | None = None
    split: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def cleaned_rows(rows: Sequence[ImageRow], class_names: Collection[str] = ()) -> list[ImageRow]:
    """The rows with labels and patients in one spelling each.

    Args:
        rows: as the data gives them.
        class_names: names that the user gave; these are classes whatever they look like.

    Raises:
        ValueError: for empty cells, labels or patients in two spellings, several labels in one cell, patients in
            scientific notation, or a different label in every row.

    Example:
        >>> rows = [ImageRow("a.png", "cat ", "row 2", "7.0"), ImageRow("b.png", "cat", "row 3", "7")]
        >>> [(row.label, row.patient) for row in cleaned_rows(rows)]
        [('cat', '7'), ('cat', '7')]
    """
    labels = cleaned_names([row.label for row in rows])
    patients = cleaned_names([row.patient or "" for row in rows])
    rows = [
        replace(row, label=label, patient=None if row.patient is None else patient)
        for row, label, patient in zip(rows, labels, patients, strict=True)
    ]
    _refuse_empty_cells(rows, class_names)
    places = [row.where for row in rows]
    _refuse_several_labels([row for row in rows if row.label not in class_names])
    refuse_two_spellings(
        [*class_names, *labels],
        [*["class_names"] * len(class_names), *places],
        _label_key(labels),
        "class",
        "Write each class in one way, or give names that differ by more.",
    )
    known = [row for row in rows if row.patient is not None]
    _refuse_scientific_notation(known)
    refuse_two_spellings(
        [str(row.patient) for row in known],
        [row.where for row in known],
        _patient_key,
        "patient",
        "Write each patient in one way; of different patients give names that differ by more.",
    )
    if len(rows) > 2 and len(set(labels)) == len(rows) and not class_names:
        raise ValueError(
            f"{len(rows)} rows hold {len(rows)} different labels, such as {labels[:3]}, expected classes that occur "
            "more than once; name the column of classes with label_column, or group the values into classes."
        )
    return rows


def _refuse_empty_cells(rows: Sequence[ImageRow], class_names: Collection[str]) -> None:
    labels = [row for row in rows if is_missing(row.label) and (row.label == "" or row.label not in class_names)]
    patients = [row for row in rows if row.patient is not None and _is_no_patient(row.patient)]
    cases = (
        ("image", [row for row in rows if row.image == ""], "fill it in, or take the rows out"),
        ("label", labels, "fill it in, take the rows out, or name it in class_names if it is a class"),
        (
            "patient",
            patients,
            "fill in who it is (the file name, where nothing is known), so that no patient falls into two sections",
        ),
    )
    for name, without, advice in cases:
        if without:
            value = getattr(without[0], name)
            shown = f" (there is {value!r}, which stands for an empty cell)" if value else ""
            places = [row.where for row in without[:5]]
            raise ValueError(
                f"{len(without)} row(s) have no {name}, expected one in each row: {places}{shown}; {advice}."
            )


def _is_no_patient(name: str) -> bool:
    return is_missing(name) or name.casefold() in _UNKNOWN_PATIENTS


def _label_key(labels: Sequence[str]) -> Any:
    folded = {label.casefold() for label in labels}
    short = _SHORT if folded <= _TRUE | _FALSE | set(_SHORT) else {}

    def key(label: str) -> Hashable:
        word = label.casefold()
        word = "1" if word in _TRUE else "0" if word in _FALSE else short.get(word, label)
        return spelling_key(word)

    return key


def _patient_key(name: str) -> Hashable:
    tokens = spelling_key(name)
    if isinstance(tokens, tuple) and len(tokens) > 1 and tokens[0] in _PATIENT_WORDS and str(tokens[1]).isdecimal():
        return tokens[1:]  # P7 and 7
    return tokens


def _refuse_scientific_notation(rows: Sequence[ImageRow]) -> None:
    wrong = [row for row in rows if re.fullmatch(r"\d+([.,]\d+)?[eE]\+\d+", str(row.patient))]
    if wrong:
        shown = ", ".join(f"{row.patient!r} in {row.where}" for row in wrong[:3])
        raise ValueError(
            f"{len(wrong)} patient(s) are numbers in scientific notation, expected every digit: {shown}. Spreadsheets "
            "write long numbers so and lose digits; export the column as text from the source."
        )


def _refuse_several_labels(rows: Sequence[ImageRow]) -> None:
    names = {row.label.casefold() for row in rows}
    combined = {label for label in {row.label for row in rows} if _holds_several(label, names)}
    several = [row for row in rows if row.label in combined]
    if several:
        shown = ", ".join(f"{row.label!r} in {row.where}" for row in several[:3])
        raise ValueError(
            f"{len(several)} row(s) hold several labels, expected one class per image, as multi-label data is not "
            f"supported: {shown}; keep one finding per row, make a table for one finding against the rest, or name "
            "the combination in class_names to use it as a class."
        )


def _holds_several(label: str, names: Collection[str]) -> bool:
    if re.fullmatch(r"[\[({].*,.*[\])}]", label) or (len(label) > 1 and ("|" in label or ";" in label)):
        return True
    parts = [part.strip().casefold() for part in re.split(r"[,/&+]|\band\b", label)]
    return len(parts) > 1 and all(part in names for part in parts)


def sorted_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The distinct labels in order; numbers by value.

    Example:
        >>> sorted_names(["10", "9", "9"]), sorted_names(["b", "a"])
        (('9', '10'), ('a', 'b'))
    """
    names = set(labels)
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", name, re.ASCII) for name in names):
        return tuple(sorted(names, key=float))
    return tuple(sorted(names))


def label_indices(rows: Sequence[ImageRow], class_names: Sequence[str]) -> list[int]:
    """The label of every row.

    Raises:
        ValueError: naming up to five rows whose label is not among ``class_names``.

    Example:
        >>> label_indices([ImageRow("a.png", "cat", "row 2")], ["bird", "cat"])
        [1]
    """
    order = {name: label for label, name in enumerate(class_names)}
    wrong = [row for row in rows if row.label not in order]
    if wrong:
        shown = ", ".join(f"{row.label!r} in {row.where}" for row in wrong[:5])
        counts = Counter(row.label for row in wrong)
        raise ValueError(
            f"{len(wrong)} label(s) outside the classes: expected one of {list(class_names)}, got {shown}; "
            f"correct them or pass class_names ({len(counts)} names are missing in it)."
        )
    return [order[row.label] for row in rows]


def refuse_patients_as_classes(rows: Sequence[ImageRow]) -> None:
    """Refuse rows whose classes hold one patient each.

    Raises:
        ValueError: if there are more than two such classes.

    Example:
        >>> refuse_patients_as_classes([ImageRow("a.png", "cat", "row 2", "7")])
    """
    pairs = {(row.patient, row.label) for row in rows}
    patients, labels = (set(names) for names in zip(*pairs, strict=True))
    if len(pairs) == len(patients) == len(labels) > 2:
        raise ValueError(
            f"Each of the {len(labels)} classes, such as {min(labels)}, holds one patient, expected classes of "
            "several patients. If these are the patients, put them into a folder for each class, or list the "
            "images with their class in a table."
        )
