"""Which image lies in which section: as the data says, or drawn by a published rule."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .image_rows import ImageRow
from .splits import KEYED, Indices, check_patient_overlap, keyed_split, patient_split, stratified_split

__all__ = ["SplitRule", "section_named"]

# the words of one line are spellings of one name; two lines of one section are two different sets of images
NAMES = {
    "train": ("training", ("train", "training", "trn")),
    "val": ("validation", ("val", "valid", "validation", "validate")),
    "dev": ("validation", ("dev", "devel")),
    "tune": ("validation", ("tune", "tuning")),
    "test": ("test", ("test", "testing", "tst")),
    "holdout": ("test", ("holdout", "heldout")),
}
_GROUPS = {word: group for group, (_, words) in NAMES.items() for word in words}


def section_named(text: str) -> str | None:
    """The section that a split is called by, whatever its case and separators; None for any other word.

    Example:
        >>> [section_named(text) for text in ("Train", "validation_set", "hold-out", "eval", "fold 3")]
        ['training', 'validation', 'test', None, None]
    """
    group = _GROUPS.get(_plain(text))
    return None if group is None else NAMES[group][0]


def _plain(text: str) -> str:
    word = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())
    return re.sub(r"(?<=\w)(set|data|images|split|part|section|cohort)$", "", word)


@dataclass(frozen=True)
class SplitRule:
    """How sections are drawn where the data does not give them.

    A given split is used unchanged; where it has no validation part, one is split off training. Without a split one
    is drawn. Both draws are by patient where patients are known, else stratified by image (:mod:`.splits`). With
    ``keyed`` they are by a keyed hash of the patient, the path or the pixels, so that no record moves another.

    Attributes:
        val_frac: the share of validation: of all images, or of training where only test is given.
        test_frac: the share of test where there is no split.
        seed: of the draw; it is not the seed of the run, so that runs stay comparable.
        keyed: whether the section of a record depends on that record alone (:func:`.splits.keyed_split`).

    Example:
        >>> rows = [ImageRow(f"{i}.png", "a", f"row {i}", split="train" if i < 8 else "test") for i in range(10)]
        >>> sections, rule = SplitRule(val_frac=0.25).sections(rows, [0] * 10)
        >>> {name: len(indices) for name, indices in sections.items()}
        {'training': 6, 'validation': 2, 'test': 2}
    """

    val_frac: float = 0.15
    test_frac: float = 0.15
    seed: int = 0
    keyed: bool = False

    @property
    def shares(self) -> dict[str, float]:
        """The share of every section where no split is given."""
        return {
            "training": 1 - self.val_frac - self.test_frac,
            "validation": self.val_frac,
            "test": self.test_frac,
        }

    @property
    def percent(self) -> str:
        """The shares in percent, such as 60/20/20."""
        return _percent(self.shares)

    def of_arrays(
        self, images: Iterable[Any], labels: Sequence[int], fractions: Mapping[str, float]
    ) -> dict[str, Indices]:
        """The positions of every section for images without names.

        Args:
            images: one array per image; read only if ``keyed``, which hashes the stored bytes.
            labels: the class of every image.
            fractions: the share of every section.

        Example:
            >>> parts = SplitRule(keyed=True).of_arrays(np.eye(4), [0, 0, 1, 1], {"training": 0.5, "test": 0.5})
            >>> {name: indices.tolist() for name, indices in parts.items()}
            {'training': [1, 2, 3], 'test': [0]}
        """
        if not self.keyed:
            return stratified_split(labels, fractions, self.seed)
        digests = [hashlib.sha256(np.asarray(image).tobytes()).digest() for image in images]
        return keyed_split(digests, fractions, self.seed)

    def validation_share(self) -> tuple[dict[str, float], str]:
        """The shares of training and validation where test images are given, and that of validation in words.

        Example:
            >>> SplitRule(val_frac=0.25).validation_share()
            ({'training': 0.75, 'validation': 0.25}, 'a stratified 0.25')
        """
        words = f"{self.val_frac:g} ({KEYED} image)" if self.keyed else f"a stratified {self.val_frac:g}"
        return {"training": 1 - self.val_frac, "validation": self.val_frac}, words

    def sections(self, rows: Sequence[ImageRow], labels: Sequence[int]) -> tuple[dict[str, list[int]], str]:
        """The row indices of every section, and the rule in words.

        Raises:
            ValueError: for an unknown split name, two names of one section, a patient in two sections, a section
                without images, or fractions out of range.
        """
        if all(row.split is None for row in rows):
            drawn, how = self._drawn(rows, labels, list(range(len(rows))), self.shares)
            return drawn, f"drawn, training/validation/test {self.percent}, {how}, seed {self.seed}"
        sections, used = _given(rows)
        check_patient_overlap(
            {name: [p for i in part if (p := rows[i].patient) is not None] for name, part in sections.items()}
        )
        rule = f"as given with the data{used}"
        if not sections["validation"]:
            fractions, _ = self.validation_share()
            drawn, how = self._drawn(rows, labels, sections["training"], fractions)
            sections |= drawn
            rule += f"; validation split off training, {_percent(fractions)}, {how}, seed {self.seed}"
        return sections, rule

    def _drawn(
        self, rows: Sequence[ImageRow], labels: Sequence[int], part: Sequence[int], fractions: dict[str, float]
    ) -> tuple[dict[str, list[int]], str]:
        chosen = [labels[i] for i in part]
        patients = [patient for i in part if (patient := rows[i].patient) is not None]
        if self.keyed:
            records = patients or [rows[i].image for i in part]
            drawn, how = keyed_split(records, fractions, self.seed), f"{KEYED} {'patient' if patients else 'image'}"
        elif patients:
            drawn, how = patient_split(chosen, patients, fractions, self.seed), "by patient, balanced by class"
        else:
            drawn, how = stratified_split(chosen, fractions, self.seed), "by image, stratified by class"
        empty = [name for name, indices in drawn.items() if not len(indices)]
        if empty:
            raise ValueError(_too_few([rows[i] for i in part], list(fractions), empty, self.keyed))
        positions = np.asarray(part, dtype=np.int64)
        return {name: positions[indices].tolist() for name, indices in drawn.items()}, how


def _given(rows: Sequence[ImageRow]) -> tuple[dict[str, list[int]], str]:
    """The sections, and in words which other names than train, val and test they have."""
    names = [section_named(row.split or "") for row in rows]
    wrong = [row for row, name in zip(rows, names, strict=True) if name is None]
    if wrong:
        shown = ", ".join(f"{row.split!r} in {row.where}" for row in wrong[:5])
        raise ValueError(
            f"{len(wrong)} unknown split(s): expected train, val or test, got {shown}; write one of these, or leave "
            "the split out (--ignored_columns for a column) and one is drawn."
        )
    words: dict[str, dict[str, str]] = defaultdict(dict)
    for row, name in zip(rows, names, strict=True):
        words[str(name)].setdefault(_GROUPS[_plain(row.split or "")], row.split or "")
    twice = [list(groups.values()) for groups in words.values() if len(groups) > 1]
    if twice:
        raise ValueError(
            f"Expected one name per section, got {' and '.join(map(repr, twice[0]))} for one; keep one of them in the "
            "data, or rename both to the same."
        )
    sections = {s: [i for i, name in enumerate(names) if name == s] for s in ("training", "validation", "test")}
    for section in ("training", "test"):
        if not sections[section]:
            raise ValueError(
                f"The section {section!r} is empty: the split holds {_counted([row.split or '' for row in rows])}, "
                f"expected images of train and of test; add {section} images, or leave the split out "
                "(--ignored_columns for a column) and one is drawn."
            )
    used = {group: word for groups in words.values() for group, word in groups.items()}
    others = [f"{used[group]!r} as {NAMES[group][0]}" for group in ("dev", "tune", "holdout") if group in used]
    return sections, f" ({', '.join(others)})" if others else ""


def _too_few(rows: Sequence[ImageRow], sections: Sequence[str], empty: Sequence[str], keyed: bool) -> str:
    """Why a draw left sections empty, with the counts that decide it."""
    patients = {(row.label, row.patient) for row in rows if row.patient is not None}
    unit = "patient" if patients else "image"
    counts = _counted([label for label, _ in patients] if patients else [row.label for row in rows])
    total = len({patient for _, patient in patients}) if patients else len(rows)
    expected = f"at least {len(sections)} {unit}s of one class, as every {unit} lies in one section"
    if keyed:  # counts promise nothing then
        expected = f"{unit}s in every section, where the hash of a {unit} alone decides on its section"
    return (
        f"{total} {unit}(s) cannot fill the sections {', '.join(sections)}: {' and '.join(empty)} would be empty "
        f"({unit}s per class: {counts}). Expected {expected}; add {unit}s, or give a split with train, val and test."
    )


def _counted(values: Sequence[str]) -> str:
    counts = sorted(Counter(values).items())
    shown = ", ".join(f"{value} {count}" for value, count in counts[:8])
    return shown + (f" and {len(counts) - 8} more" if len(counts) > 8 else "")


def _percent(fractions: dict[str, float]) -> str:
    return "/".join(f"{100 * fraction:g}" for fraction in fractions.values())
