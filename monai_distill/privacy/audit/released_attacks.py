"""Membership attacks on the released set itself: its training images against images that it has never seen."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from monai_distill.claims.audit_evidence import within_gate
from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.image_blocks import Images
from monai_distill.runtime.randomness import seeded_generator

from .attack_figures import attack_figures
from .candidates import Candidates, real_release

__all__ = ["attacks_outside", "made_attacks", "random_images", "released_attacks"]

Attack = Callable[[SyntheticDataset], Tensor]


def made_attacks(
    makers: Mapping[str, Callable[..., Attack | None]], images: Tensor, labels: Tensor
) -> dict[str, Attack]:
    """Every attack on the same images [n, channels, *spatial] with classes [n]; makers may return None.

    Example:
        >>> make = lambda images, labels: lambda release: images.flatten(1).sum(dim=1)
        >>> made_attacks({"sum": make}, torch.ones(2, 1, 2, 2), torch.tensor([0, 1]))["sum"](None)
        tensor([4., 4.])
    """
    made = {name: make(images=images, labels=labels) for name, make in makers.items()}
    return {name: attack for name, attack in made.items() if attack is not None}


def random_images(bank: ClassBank, at_most: int, seed: int) -> tuple[Tensor, Tensor]:
    """At most ``at_most`` random images of a bank, as pixel values, and their classes.

    Example:
        >>> bank = ClassBank(torch.rand(5, 1, 2, 2), torch.zeros(5, dtype=torch.long), ["a"])
        >>> random_images(bank, 3, seed=0)[0].shape
        torch.Size([3, 1, 2, 2])
    """
    rows = torch.randperm(len(bank), generator=seeded_generator(seed, "images outside"))[:at_most]
    images: Images = bank.images
    return images[rows], bank.labels[rows]


def attacks_outside(
    makers: Mapping[str, Callable[..., Attack | None]], dataset: Any, at_most: int, seed: int
) -> dict[str, Attack]:
    """Every attack on random images of a section that the run did not use.

    Args:
        makers: of the attacks, by name.
        dataset: the section, a MONAI dataset.
        at_most: number of images.
        seed: of the choice.
    """
    return made_attacks(makers, *random_images(ClassBank.from_dataset(dataset), at_most, seed))


def released_attacks(
    release: SyntheticDataset,
    candidates: Candidates,
    inside: Mapping[str, Attack],
    outside: Mapping[str, Attack],
    public: ClassBank,
) -> dict[str, dict[str, Any]]:
    """Figures of every attack on the released set: members are its training images, non-members test images.

    These attacks are weaker than those with shadows, because an attacker who has only the release cannot calibrate a
    score per image. But they attack the very set that leaves. Training and test images can differ for other reasons
    than membership. Each attack therefore also runs on a control without any member: public images in the form of the
    set. An attack that "finds" members there measures those reasons, and its result does not count (``void``).

    Args:
        release: released set.
        candidates: attacked training images; canaries are left out, because the release has none.
        inside: attacks on ``candidates``, by name.
        outside: the same attacks on images that were not used.
        public: further images that were not used, as pixel values, for the control.

    Returns:
        By name the figures of :func:`.attack_figures`, ``control`` (area and ``seen``), ``void``, ``caught`` and
        ``within_gate``.
    """
    true = (~candidates.mislabelled[candidates.audited]).numpy()
    units = candidates.units[candidates.audited].numpy()[true]
    control = real_release(release, public, seeded_generator(candidates.seed, "control of the released set"))
    results: dict[str, dict[str, Any]] = {}
    for name in (name for name in inside if name in outside):
        figures, unseen = (
            _figures(inside[name](subject).double().numpy()[true], outside[name](subject).double().numpy(), units)
            for subject in (release, control)
        )
        results[name] = {
            **figures,
            "control": {"auc": unseen["auc"], "seen": unseen["seen"]},
            "void": unseen["seen"],
            "caught": figures["seen"] and not unseen["seen"],
            "within_gate": unseen["seen"] or within_gate(figures),
        }
    return results


def _figures(
    members: npt.NDArray[np.float64], others: npt.NDArray[np.float64], units: npt.NDArray[np.int64]
) -> dict[str, Any]:
    is_member = np.arange(len(members) + len(others)) < len(members)
    groups = np.concatenate([units, units.max(initial=0) + 1 + np.arange(len(others))])
    return attack_figures(np.concatenate([members, others])[None], is_member[None], groups)
