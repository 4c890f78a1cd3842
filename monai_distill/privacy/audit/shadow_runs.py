"""The shadows: each distilled from a random half, attacked beside its two controls, and kept as a file."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.randomness import derived_seed, seeded_generator

from .candidates import Candidates, real_release
from .copy_check import copy_likeness

__all__ = ["LEAST_SHADOWS", "RELEASES", "ShadowRuns"]

LEAST_SHADOWS = 3
RELEASES = ("release", "positive", "negative")
COPIES = "copies"
Release = Callable[[SyntheticDataset, ClassBank, torch.Generator], SyntheticDataset]

logger = logging.getLogger(__name__)


class ShadowRuns:
    """Distils, attacks and keeps every shadow; what was kept is not done again.

    A shadow's file holds the distilled pixels, who was in, and per release and attack the statistic of every audited
    image. The releases are the distilled set, the positive control (random members as they are) and the negative one
    (random public images as they are). Files of shadows tell who is in: they stay with the owner of the data.

    Args:
        candidates: the images that are attacked, and every shadow's half of them.
        distil: (members as pixel values, seed, their patients or None) -> the distilled set.
        attacks: per name a callable from a set to a statistic [n], higher for members.
        public: images as pixel values that are no candidates, for the negative control.
        folder: of the files.
        job: plain JSON values that decide the files; those of another job are refused.
        shadows: how many, at least 3; more may be asked for later.
        positive: makes the positive control, given the set, the members and a generator.
        negative: makes the negative control from the public images.
        seed: of the audit.

    Raises:
        ValueError: for fewer than 3 shadows or no attack.
        RuntimeError: from :meth:`run`, when a file in the folder belongs to another audit.
    """

    def __init__(
        self,
        candidates: Candidates,
        distil: Callable[[ClassBank, int, Sequence[str] | None], SyntheticDataset],
        attacks: Mapping[str, Callable[[SyntheticDataset], Tensor]],
        public: ClassBank,
        *,
        folder: str | Path,
        job: Mapping[str, Any],
        shadows: int = 64,
        positive: Release = real_release,
        negative: Release = real_release,
        seed: int = 0,
    ) -> None:
        if shadows < LEAST_SHADOWS or not attacks:
            raise ValueError(
                f"Expected at least {LEAST_SHADOWS} shadows and an attack, got {shadows} and {len(attacks)}."
            )
        self.candidates = candidates
        self.distil = distil
        self.attacks = {name: attack for name, attack in attacks.items() if attack is not None}
        self.public = public
        self.folder = Path(folder)
        self.job = {**json.loads(json.dumps(dict(job))), "training": candidates.bank.fingerprint()}
        self.job["attacks"] = sorted(self.attacks)
        self.shadows = shadows
        self.positive = positive
        self.negative = negative
        self.seed = seed

    def file(self, shadow: int) -> Path:
        """Where a shadow is kept."""
        return self.folder / f"shadow_{shadow:04d}.safetensors"

    def run(self) -> list[dict[str, Tensor]]:
        """Do the shadows that are missing, the first with an estimate of the time for all, and return all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for shadow in range(self.shadows):
            self._check(shadow)
        missing = [shadow for shadow in range(self.shadows) if not self.file(shadow).exists()]
        first = len(missing) == self.shadows
        with tqdm(missing, desc="shadows", unit="shadow", disable=None) as bar:
            for place, shadow in enumerate(bar):
                start = time.perf_counter()
                self._write(shadow, self._measured(shadow))
                if place == 0:
                    self._tell(time.perf_counter() - start, len(missing), first)
        return [load_file(self.file(shadow)) for shadow in range(self.shadows)]

    def _tell(self, seconds: float, missing: int, first: bool) -> None:
        what = "all" if first else "all that were missing"
        logger.info(
            "One shadow took %.1f s: %s %d take about %s. Interrupt at will: running the command again goes on.",
            seconds,
            what,
            missing,
            _duration(seconds * missing),
        )

    def _measured(self, shadow: int) -> dict[str, Tensor]:
        inside = self.candidates.members(shadow)
        members = self.candidates.bank.subset(inside.nonzero().flatten())
        distilled = self.distil(members, derived_seed(self.seed, "shadow", shadow), self.candidates.patients(inside))
        draws = [seeded_generator(self.seed, f"{name} control", shadow) for name in ("positive", "negative")]
        sets = {
            "release": distilled,
            "positive": self.positive(distilled, members, draws[0]),
            "negative": self.negative(distilled, self.public, draws[1]),
        }
        outside = self.candidates.bank.subset((~inside).nonzero().flatten())
        found = {"members": inside, "pixels": distilled.pixels(), "labels": distilled.labels}
        for name, release in sets.items():
            pixels = release.pixels()
            likeness = [copy_likeness(pixels, bank.images)[0] for bank in (members, outside)]
            found[f"{name}.{COPIES}"] = torch.stack(likeness, dim=1)
            found |= {f"{name}.{attack}": statistic(release) for attack, statistic in self.attacks.items()}
        return {name: value.detach().cpu().contiguous() for name, value in found.items()}

    def _write(self, shadow: int, found: Mapping[str, Tensor]) -> None:
        atomic_write(self.file(shadow), save(dict(found), metadata={"job": json.dumps(self.job, sort_keys=True)}))

    def _check(self, shadow: int) -> None:
        file = self.file(shadow)
        if not file.exists():
            return
        try:
            with safe_open(file, framework="pt") as opened:
                kept = json.loads(opened.metadata()["job"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RuntimeError(f"{file} is damaged or no shadow. Delete it and audit again.") from error
        other = sorted(name for name in {*kept, *self.job} if kept.get(name) != self.job.get(name))
        if other:
            raise RuntimeError(
                f"{file} belongs to an audit with another {', '.join(other)}. Delete {self.folder} to audit anew, or "
                "ask for the same settings."
            )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
