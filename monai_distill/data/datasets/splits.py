"""Seeded splits into sections, by image or by patient, by rules simple enough to publish with a score."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from monai_distill.runtime.randomness import derived_seed

__all__ = [
    "KEYED",
    "check_patient_overlap",
    "is_drawn_from_all_records",
    "keyed_split",
    "patient_split",
    "stratified_split",
]


Indices: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

KEYED = "by a keyed hash of each"  # the words of a published rule: of each image, of each patient


def stratified_split(labels: Sequence[int], fractions: Mapping[str, float], seed: int) -> dict[str, Indices]:
    """Split items into sections class by class.

    The rule: for every class in ascending order, its items in their given order (callers sort them by name first) are
    permuted by a NumPy ``RandomState`` seeded by (seed, class) and dealt to the sections in the order of ``fractions``.
    Counts are rounded by largest remainder; a class with at least as many items as there are sections gets at least
    one in each.

    Args:
        labels: the class of every item.
        fractions: the share of every section, in (0, 1], summing to 1.
        seed: the seed of the split, not of the run.

    Returns:
        The ascending item indices of every section.

    Raises:
        ValueError: if the fractions are out of range or do not sum to 1.

    Example:
        >>> parts = stratified_split([0, 0, 0, 1, 1, 1], {"training": 0.5, "validation": 0.25, "test": 0.25}, seed=0)
        >>> {name: len(indices) for name, indices in parts.items()}
        {'training': 2, 'validation': 2, 'test': 2}
    """
    _check_fractions(fractions)
    array = np.asarray(labels)
    dealt: dict[str, list[int]] = {name: [] for name in fractions}
    for label in np.unique(array):
        order = _random_state(seed, "stratified split", int(label)).permutation(np.flatnonzero(array == label))
        start = 0
        for name, count in zip(fractions, _counts(len(order), list(fractions.values())), strict=True):
            dealt[name].extend(order[start : start + count].tolist())
            start += count
    return _sorted_arrays(dealt)


def patient_split(
    labels: Sequence[int], patients: Sequence[Hashable], fractions: Mapping[str, float], seed: int
) -> dict[str, Indices]:
    """Split items into sections with every patient whole.

    The rule: a patient's class is the majority of its images (the lowest label on a tie). For every class in ascending
    order, its patients in the order of their names are permuted by a ``RandomState`` seeded by (seed, class), put in
    the order of their number of images, most first, and each goes to the section that lacks most images of its share.
    When no more patients are left than sections without one, these are served; so a class with at least as many
    patients as there are sections has at least one in each.

    Args:
        labels: the class of every item.
        patients: the patient of every item.
        fractions: the share of images of every section, in (0, 1], summing to 1.
        seed: the seed of the split, not of the run.

    Returns:
        The ascending item indices of every section.

    Raises:
        ValueError: if the fractions are wrong, or labels and patients differ in length.

    Example:
        >>> parts = patient_split([0, 0, 1, 1], ["a", "a", "b", "c"], {"training": 0.5, "test": 0.5}, seed=0)
        >>> sorted(len(indices) for indices in parts.values())
        [1, 3]
    """
    _check_fractions(fractions)
    if len(labels) != len(patients):
        raise ValueError(f"expected one patient per label, got {len(patients)} patients and {len(labels)} labels.")
    images: dict[str, list[int]] = defaultdict(list)
    for index, patient in enumerate(patients):
        images[str(patient)].append(index)
    by_class: dict[int, list[str]] = defaultdict(list)
    for patient in sorted(images):
        votes = Counter(int(labels[index]) for index in images[patient])
        by_class[min(votes, key=lambda label: (-votes[label], label))].append(patient)
    dealt: dict[str, list[int]] = {name: [] for name in fractions}
    for label in sorted(by_class):
        order = _random_state(seed, "patient split", label).permutation(len(by_class[label]))
        ordered = sorted((by_class[label][i] for i in order), key=lambda patient: -len(images[patient]))
        for patient, name in zip(ordered, _greedy([len(images[p]) for p in ordered], fractions), strict=True):
            dealt[name].extend(images[patient])
    return _sorted_arrays(dealt)


def keyed_split(records: Sequence[Hashable | bytes], fractions: Mapping[str, float], seed: int) -> dict[str, Indices]:
    """Split items so that the section of a record depends on that record alone: no other record moves it.

    The rule: a keyed hash (BLAKE2b, key: the seed) of the record's name gives a number in [0, 1); the sections divide
    that interval in the order of ``fractions``. This is what differential privacy requires of a split, because a
    split by counts (:func:`stratified_split`, :func:`patient_split`) moves other records when one is removed. The price
    is balance: a section receives its share on average, with a standard deviation of ``sqrt(n f (1 - f))`` records, of
    all and of every class. A section can be empty when records are few.

    Args:
        records: the record of every item; items of one record (a patient, identical images) lie in one section.
        fractions: the share of every section, in (0, 1], summing to 1.
        seed: the seed of the split, not of the run; the key is public.

    Returns:
        The ascending item indices of every section.

    Raises:
        ValueError: if the fractions are out of range or do not sum to 1.

    Example:
        >>> whole, less = (keyed_split(names, {"training": 0.5, "test": 0.5}, seed=0) for names in ("abcdef", "abcde"))
        >>> whole["training"].tolist(), less["training"].tolist()
        ([1, 3, 5], [1, 3])
    """
    _check_fractions(fractions)
    names, bounds = list(fractions), np.cumsum(list(fractions.values()))[:-1]
    key = f"split {int(seed)}".encode()
    places = [int(np.searchsorted(bounds, _unit_interval(record, key), side="right")) for record in records]
    return {name: np.flatnonzero(np.asarray(places, dtype=np.int64) == i) for i, name in enumerate(names)}


def is_drawn_from_all_records(provenance: Mapping[str, Any]) -> bool:
    """Whether a data set's split was drawn by a rule in which one record moves others.

    Args:
        provenance: of the data set, with ``split`` (the rule) and ``seed`` (None unless a split was drawn).

    Example:
        >>> [is_drawn_from_all_records({"split": rule, "seed": 0}) for rule in ("stratified", f"{KEYED} image")]
        [True, False]
    """
    return provenance.get("seed") is not None and KEYED not in str(provenance.get("split"))


def check_patient_overlap(sections: Mapping[str, Iterable[Hashable]]) -> None:
    """Refuse sections that share a patient.

    Args:
        sections: the patients of every section.

    Raises:
        ValueError: naming up to three patients that are in two sections.

    Example:
        >>> check_patient_overlap({"training": ["a", "b"], "test": ["c"]})
    """
    found: dict[Hashable, set[str]] = defaultdict(set)
    for name, patients in sections.items():
        for patient in patients:
            found[patient].add(name)
    shared = sorted((str(patient), sorted(names)) for patient, names in found.items() if len(names) > 1)
    if shared:
        named = ", ".join(f"{patient!r} in {' and '.join(names)}" for patient, names in shared[:3])
        raise ValueError(
            f"{len(shared)} patient(s) appear in more than one section, expected none: {named}. "
            "Correct the split, or leave the split out and it is drawn by patient."
        )


def _check_fractions(fractions: Mapping[str, float]) -> None:
    values = list(fractions.values())
    if not values or any(not 0 < value <= 1 for value in values) or abs(sum(values) - 1) > 1e-6:
        raise ValueError(f"expected fractions in (0, 1] that sum to 1, got {dict(fractions)}.")


def _unit_interval(record: Hashable | bytes, key: bytes) -> float:
    content = record if isinstance(record, bytes) else str(record).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(content, key=key, digest_size=6).digest(), "big") / 2**48


def _random_state(seed: int, *path: int | str) -> np.random.RandomState:
    # RandomState and not Generator: NumPy promises that its streams stay the same from version to version.
    return np.random.RandomState(derived_seed(seed, *path) % 2**32)


def _counts(total: int, fractions: list[float]) -> list[int]:
    shares = [total * fraction for fraction in fractions]
    counts = [int(share + 1e-9) for share in shares]
    for i in sorted(range(len(shares)), key=lambda i: (counts[i] - shares[i], i))[: total - sum(counts)]:
        counts[i] += 1
    if total >= len(counts):
        while 0 in counts:
            counts[counts.index(max(counts))] -= 1
            counts[counts.index(0)] += 1
    return counts


def _greedy(sizes: list[int], fractions: Mapping[str, float]) -> list[str]:
    lacking = {name: fraction * sum(sizes) for name, fraction in fractions.items()}
    empty = list(fractions)
    chosen = []
    for position, size in enumerate(sizes):
        candidates = empty if empty and len(sizes) - position <= len(empty) else list(lacking)
        name = max(candidates, key=lambda candidate: lacking[candidate])
        if name in empty:
            empty.remove(name)
        lacking[name] -= size
        chosen.append(name)
    return chosen


def _sorted_arrays(dealt: Mapping[str, list[int]]) -> dict[str, Indices]:
    return {name: np.sort(np.asarray(indices, dtype=np.int64)) for name, indices in dealt.items()}
