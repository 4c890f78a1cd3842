"""Shadows: each is distilled from a random half, attacked together with two controls, and stored in a file."""

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

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.progress import open_progress_bar
from monai_distill.runtime.randomness import derived_seed, seeded_generator

from .candidates import Candidates, real_release
from .copy_check import copy_likeness
from .shadow_job import REPRODUCED

__all__ = ["MIN_SHADOWS", "RELEASES", "ShadowRuns"]

MIN_SHADOWS = 3
RELEASES = ("release", "positive", "negative")
COPIES = "copies"
Release = Callable[[SyntheticDataset, ClassBank, torch.Generator], SyntheticDataset]

logger = logging.getLogger(__name__)


class ShadowRuns:
    """Distills, attacks and stores every shadow; a stored shadow is not repeated.

    The file of a shadow holds the distilled pixels, the members, and for each release and attack the statistic of every
    audited image. There are three releases: the distilled set, the positive control (random members, unchanged) and the
    negative control (random public images, unchanged). The files reveal the members and stay with the data owner.

    Args:
        candidates: attacked images, and the half of them that each shadow uses.
        distill: maps (members as pixel values, seed, what else is known of them by column) to the distilled set.
        attacks: by name, maps a set to a statistic [n], higher for members.
        public: images as pixel values that are no candidates, for the negative control.
        folder: of the files.
        job: settings that decide the files, as plain JSON values; files of another job are refused.
        shadows: number of shadows, at least 3; a later call may ask for more.
        controls: functions that make the positive control from the members and the negative one from public images.

    Raises:
        ValueError: for fewer than 3 shadows or no attack.
        RuntimeError: from :meth:`run`, if a file in the folder belongs to another audit.
    """

    def __init__(
        self,
        candidates: Candidates,
        distill: Callable[[ClassBank, int, Mapping[str, Sequence[str]]], SyntheticDataset],
        attacks: Mapping[str, Callable[[SyntheticDataset], Tensor]],
        public: ClassBank,
        *,
        folder: str | Path,
        job: Mapping[str, Any],
        shadows: int = 64,
        controls: tuple[Release, Release] = (real_release, real_release),
    ) -> None:
        if shadows < MIN_SHADOWS or not attacks:
            raise ValueError(
                f"Expected at least {MIN_SHADOWS} shadows and an attack, got {shadows} and {len(attacks)}."
            )
        self.candidates = candidates
        self.distill = distill
        self.attacks = {name: attack for name, attack in attacks.items() if attack is not None}
        self.public = public
        self.folder = Path(folder)
        self.job = {**json.loads(json.dumps(dict(job))), "training": candidates.bank.fingerprint()}
        self.job["attacks"] = sorted(self.attacks)
        self.shadows = shadows
        self.positive, self.negative = controls
        self.seed = candidates.seed

    def file(self, shadow: int) -> Path:
        """File of one shadow."""
        return self.folder / f"shadow_{shadow:04d}.safetensors"

    def run(self) -> list[dict[str, Tensor]]:
        """Make the missing shadows and return all; the log estimates the time after the first one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for shadow in range(self.shadows):
            self._check(shadow)
        missing = [shadow for shadow in range(self.shadows) if not self.file(shadow).exists()]
        first = len(missing) == self.shadows
        with open_progress_bar(len(missing), "shadows", "shadow") as bar:
            for position, shadow in enumerate(missing):
                start = time.perf_counter()
                self._write(shadow, *self._measured(shadow))
                if position == 0:
                    self._log_estimate(time.perf_counter() - start, len(missing), first)
                bar.update()
        return [load_file(self.file(shadow)) for shadow in range(self.shadows)]

    def _log_estimate(self, seconds: float, missing: int, first: bool) -> None:
        logger.info(
            "One shadow took %.1f s: %s %d shadows take about %s. If interrupted, run the command again to go on.",
            seconds,
            "all" if first else "the missing",
            missing,
            _duration(seconds * missing),
        )

    def reproduced(self) -> list[dict[str, Any]]:
        """Descriptions of the jobs that the shadows ran, where the job gave one."""
        descriptions = []
        for shadow in range(self.shadows):
            with safe_open(self.file(shadow), framework="pt") as opened:
                descriptions.append(json.loads(opened.metadata()[REPRODUCED]))
        return [description for description in descriptions if description]

    def _measured(self, shadow: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
        inside = self.candidates.members(shadow)
        members = self.candidates.bank.subset(inside.nonzero().flatten())
        columns = self.candidates.item_columns(inside)
        distilled = self.distill(members, derived_seed(self.seed, "shadow", shadow), columns)
        generators = [seeded_generator(self.seed, f"{name} control", shadow) for name in ("positive", "negative")]
        sets = {
            "release": distilled,
            "positive": self.positive(distilled, members, generators[0]),
            "negative": self.negative(distilled, self.public, generators[1]),
        }
        outside = self.candidates.bank.subset((~inside).nonzero().flatten())
        tensors = {"members": inside, "pixels": distilled.pixels(), "labels": distilled.labels}
        for name, release in sets.items():
            pixels = release.pixels()
            likeness = [copy_likeness(pixels, bank.images)[0] for bank in (members, outside)]
            tensors[f"{name}.{COPIES}"] = torch.stack(likeness, dim=1)
            tensors |= {f"{name}.{attack}": statistic(release) for attack, statistic in self.attacks.items()}
        stored = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        return stored, distilled.manifest.get(REPRODUCED, {})

    def _write(self, shadow: int, tensors: Mapping[str, Tensor], reproduced: Mapping[str, Any]) -> None:
        atomic_write(
            self.file(shadow),
            save(
                dict(tensors),
                metadata={"job": json.dumps(self.job, sort_keys=True), REPRODUCED: json.dumps(reproduced)},
            ),
        )

    def _check(self, shadow: int) -> None:
        file = self.file(shadow)
        if not file.exists():
            return
        try:
            with safe_open(file, framework="pt") as opened:
                stored = json.loads(opened.metadata()["job"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RuntimeError(f"{file} is damaged, or not a shadow. Delete it and audit again.") from error
        other = sorted(name for name in {*stored, *self.job} if stored.get(name) != self.job.get(name))
        if other:
            raise RuntimeError(
                f"{file} belongs to an audit with another {', '.join(other)}. Delete {self.folder} to start a "
                "new audit, or use the same settings."
            )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
