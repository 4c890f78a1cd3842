"""The steps of a run: prepare, distill, save, score, evaluate."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from torch import nn

from monai_distill.data.set_manifest import images_sha256
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.bundle import fill_models
from monai_distill.export.release.manifest import CONTROLS_LEFT_OUT, of_the_set_alone
from monai_distill.export.run_folder import RunFolder
from monai_distill.handlers.best_synthetic import BestSynthetic
from monai_distill.handlers.history import History
from monai_distill.handlers.run_cost import RunCost
from monai_distill.metrics.score_record import RunScores
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.processes import group

from .parts import load_set

__all__ = ["DistillationRun"]


class Trains(Protocol):
    """A trainer: ``run()`` does all iterations, ``state`` counts them."""

    state: Any

    def run(self) -> Any:
        """Train to the end."""


class Scores(Protocol):
    """A scorecard: ``run(synthetic)`` returns the rows of the score table."""

    def run(self, synthetic: SyntheticDataset) -> RunScores:
        """Train students and test them."""


class Guarantees(Protocol):
    """The steps that ``--epsilon`` adds to a run: see :class:`~monai_distill.privacy.dp.guarantee.Guarantee`."""

    def mask_data(self, step: Callable[[], object]) -> None:
        """Call ``step`` while no training image can be read."""

    def statement(self) -> Mapping[str, Any]:
        """The manifest's entry on the guarantee."""

    def bind_set(self, sha256: str, images_sha256: str) -> None:
        """Bind the guarantee to the saved set and its images."""

    def record(self) -> Mapping[str, Any]:
        """The content of the ledger."""

    def scores(self) -> Mapping[str, Any]:
        """Further rows of the score table."""


class DistillationRun:
    """The steps that every configuration and every bundle calls, in the order of the methods below.

    A step receives the objects that it needs when it is called, because some of them exist only after an earlier step:
    learned labels start from trained experts.

    Args:
        run_folder: receives the set and the scores.
        cost: measures the wall time of every step.
        guarantee: differential privacy, where the run has ``--epsilon``.

    Example:
        >>> import tempfile
        >>> from monai_distill.runtime.memory import PeakMemory
        >>> folder = Path(tempfile.mkdtemp())
        >>> run = DistillationRun(RunFolder(folder), RunCost(folder / "cost.json", PeakMemory("cpu")))
        >>> run.prepare(lambda: print("training experts"))
        training experts
    """

    def __init__(self, run_folder: RunFolder, cost: RunCost, guarantee: Guarantees | None = None) -> None:
        self.run_folder = run_folder
        self.cost = cost
        self.guarantee = guarantee
        self.chosen_iteration: int | None = None

    def prepare(self, objective: Callable[[], object] | None) -> None:
        """Do what the first iteration requires.

        Args:
            objective: trains experts or releases statistics; None where the method needs neither.
        """
        self.cost.measured("experts", objective or _nothing)

    def distill(self, trainer: Trains, selection: BestSynthetic | None = None) -> None:
        """Run all iterations, then put the selected state into the set.

        Args:
            trainer: the distiller.
            selection: the state that was best on validation; None keeps the last iterate.
        """
        guarantee = self.guarantee
        self.cost.measured(
            "distillation", trainer.run if guarantee is None else lambda: guarantee.mask_data(trainer.run)
        )
        self.chosen_iteration = int(trainer.state.iteration)
        if selection is not None:
            selection.restore()
            end_of_epoch = selection.epoch * int(trainer.state.epoch_length)
            self.chosen_iteration = min(end_of_epoch, self.chosen_iteration)  # the last epoch may be shorter

    def save(self, synthetic: SyntheticDataset, about: Mapping[str, Any], history: History) -> None:
        """Write the set with its manifest, the history and the pictures.

        Args:
            synthetic: the distilled set.
            about: method, data, protocol and seeds, for the manifest.
            history: losses and validations.
        """
        self.run_folder.save_set(synthetic, self._about(about), history, self.chosen_iteration)
        if self.guarantee is not None:
            self.guarantee.bind_set(str(synthetic.manifest["sha256"]), images_sha256(synthetic.images))

    def score(self, scorecard: Scores, synthetic: SyntheticDataset, about: Mapping[str, Any]) -> None:
        """Score the set and write the table; of several processes the first one does it.

        Args:
            scorecard: trains and tests students.
            synthetic: the distilled set.
            about: stands before the scores in ``scores.json``.
        """
        if group.is_first():
            rows = self.cost.measured("scores", lambda: scorecard.run(synthetic))
            further = {} if self.guarantee is None else self.guarantee.scores()
            scores = {**self._about(about), **rows, **further, "cost": self.cost.report()}
            self.run_folder.save_scores(cast(RunScores, scores))

    def evaluate(
        self, scorecard: Scores, about: Mapping[str, Any], objective: Callable[[], object] | None, device: Any
    ) -> None:
        """Score the set of a finished run again.

        Args:
            scorecard: as for :meth:`score`.
            about: as for :meth:`score`.
            objective: as for :meth:`prepare`; a run with a guarantee reads its released statistics again.
            device: where the set is put.
        """
        self.cost.forget("scores")
        if self.guarantee is not None and objective is not None:
            objective()
        self.score(scorecard, load_set(self.run_folder.folder, device), about)

    def fill_bundle(self, models: str | Path, synthetic: SyntheticDataset, classifier: nn.Module) -> None:
        """Write the set and its classifier into a bundle's ``models/``, with the ledger of a guarantee.

        Args:
            models: the bundle's folder of the set.
            synthetic: the saved set.
            classifier: trained on it, and on nothing else.
        """
        ledger = None if self.guarantee is None else self.guarantee.record()
        fill_models(models, synthetic, classifier, ledger)

    def score_bundle(self, scorecard: Scores, about: Mapping[str, Any], models: str | Path, device: Any) -> None:
        """Score the set in a bundle's ``models/`` and leave ``scores.json`` there too, where the export reads it.

        The scores of networks that were trained on real images are covered by no guarantee. Those next to a set with a
        guarantee stay in the run folder.

        Args:
            scorecard: as for :meth:`score`.
            about: as for :meth:`score`.
            models: the bundle's folder of the set.
            device: where the set is put.
        """
        self.run_folder.folder.mkdir(parents=True, exist_ok=True)
        synthetic = load_set(models, device)
        claim = {key: value for key, value in synthetic.manifest.items() if key == "privacy"}
        scores = {**about, **claim, **scorecard.run(synthetic)}
        self.run_folder.save_scores(cast(RunScores, scores))
        released = Path(models) / "scores.json"
        if self.guarantee is None:
            shutil.copyfile(self.run_folder.scores_file, released)
        else:
            row = {"distilled": scores["distilled"], "controls_left_out": CONTROLS_LEFT_OUT}
            atomic_write(released, json.dumps({**of_the_set_alone(about), **claim, **row}, indent=2).encode())

    def _about(self, about: Mapping[str, Any]) -> dict[str, Any]:
        return {**about, **({} if self.guarantee is None else {"privacy": self.guarantee.statement()})}


def _nothing() -> None:
    """Random networks need no training."""
