"""The folder of a run: the set, its scores and its pictures."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_distill import __version__
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.report.writer import save_report
from monai_distill.metrics.score_record import ProtocolResult, RunScores
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.processes import exchange, group

from .bundle_command import bundle_command
from .figures import save_curves, save_image_grid
from .protocol_results import require_protocol_result, save_heat_maps

__all__ = ["RunFolder"]

MANIFEST_FILE = "manifest.json"
PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy", "scikit-learn")


class RunFolder:
    """Writes and reads the files of one run.

    ``synthetic.safetensors`` and ``manifest.json`` (the set), ``scores.json``, ``history.json``, ``grid.png``,
    ``curves.png``, ``report.html``, and ``PROTOCOL.png`` for protocols with a heat map. The run itself adds
    ``config.json``, ``run.log``, ``state.pt``, ``experts/`` and TensorBoard's events. Of several processes only the
    first writes.

    Args:
        folder: made by :meth:`prepare`.

    Example:
        >>> import tempfile
        >>> RunFolder(tempfile.mkdtemp()).prepare(resume=False).finished
        False
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def scores_file(self) -> Path:
        """The file of the scores."""
        return self.folder / "scores.json"

    @property
    def finished(self) -> bool:
        """Whether the run has its scores."""
        return self.scores_file.exists()

    def prepare(self, resume: bool) -> RunFolder:
        """Make the folder.

        Raises:
            RuntimeError: if it cannot be made, or holds a finished or unfinished run and ``resume`` is off.
        """
        exchange.from_first(lambda: self._prepare(resume))
        return self

    def _prepare(self, resume: bool) -> None:
        if self.finished and not resume:
            raise RuntimeError(f"{self.folder} holds a finished run. Give another output_dir, or delete it.")
        if (self.folder / "state.pt").exists() and not resume:
            raise RuntimeError(self._begun())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RuntimeError(
                f"Cannot make the run folder {self.folder}: {error}. Give another output_dir."
            ) from error

    def _begun(self) -> str:
        """The state of a folder without scores, and how to continue; a bundle writes no ``config.json`` into it."""
        by_command = (self.folder / "config.json").exists()
        if not by_command and (self.folder / MANIFEST_FILE).exists():
            return (
                f"{self.folder} holds a finished distillation of a bundle. Score it: {self._bundle_line()} ; or give "
                "another output_dir to distill again."
            )
        way = f"monai-distill resume {self.folder} ;" if by_command else "the same command and --resume true;"
        return f"{self.folder} holds an unfinished run. Continue with: {way} or give another output_dir."

    def _bundle_line(self) -> str:
        root = self.folder.absolute().parent  # a bundle trains in its folder train/ unless output_dir says otherwise
        if not all((root / "configs" / f"{name}.json").is_file() for name in ("train", "evaluate")):
            return "the same command with both train.json and evaluate.json as --config_file"
        return bundle_command(root, "train", "evaluate")

    def refuse_begun(self) -> None:
        """Refuse a folder that holds parts of a run, before another ``config.json`` is written there.

        A run of the same ``config.json`` continues with these parts after :meth:`prepare`.

        Raises:
            RuntimeError: if the folder holds experts, or privacy budget was spent.
        """
        exchange.from_first(self._refuse_begun)

    def _refuse_begun(self) -> None:
        experts = self.folder / "experts" / MANIFEST_FILE
        trained = len(json.loads(experts.read_text())["history"]) if experts.exists() else 0
        spent = (self.folder / "ledger.json").exists()
        if trained or spent:
            part = "a ledger of spent privacy budget" if spent else f"trained experts ({trained})"
            raise RuntimeError(
                f"Expected a folder without parts of another run, got {self.folder} with {part}. Continue that run: "
                f"monai-distill resume {self.folder} ; or give another --output_dir."
            )

    def save_set(self, synthetic: SyntheticDataset, about: Mapping[str, Any], history: Any, chosen: int | None) -> None:
        """Write the set with its manifest, the history and the pictures: images, canvases where they differ, curves.

        Args:
            synthetic: the selected state.
            about: the manifest's entries on method, data, protocol and seeds; plain JSON values.
            history: an object with ``iterations`` and ``validations``.
            chosen: iteration of the selected state.
        """
        if not group.is_first():
            return
        versions = {name: importlib.metadata.version(name) for name in PACKAGES}
        manifest = {
            "format": 1,
            **about,
            "chosen_iteration": chosen,
            "versions": {"monai_distill": __version__, "python": platform.python_version(), **versions},
        }
        synthetic.save(self.folder, manifest)
        self._write("history.json", {"iterations": history.iterations, "validations": history.validations})
        save_image_grid(synthetic, self.folder / "grid.png")
        if not synthetic.decode.is_identity:
            save_image_grid(synthetic, self.folder / "canvases.png", stored=True)
        save_curves(history.iterations, history.validations, self.folder / "curves.png", chosen=chosen)

    def save_scores(self, scores: RunScores) -> None:
        """Put ``scores`` into ``scores.json``; keys that are there and not in ``scores`` stay.

        The heat maps of the protocols are drawn again, and ``report.html`` is written when the folder holds the set.

        Raises:
            RuntimeError: if the file cannot be written (the earlier one stays), or the earlier one is damaged.
        """
        if not group.is_first():
            return
        stored = _scores(self.scores_file) if self.finished else {}
        merged: RunScores = {**stored, **scores}
        self._write("scores.json", merged)
        save_heat_maps(merged, self.folder)
        if (self.folder / MANIFEST_FILE).is_file():
            save_report(self.folder)

    def save_protocol(self, name: str, result: ProtocolResult) -> None:
        """Put the result of a protocol into ``scores.json["protocols"][name]``; its own ``scores`` join the run's.

        Args:
            name: id of the protocol in the configuration.
            result: figures, tables, charts and sentences.

        Raises:
            TypeError, ValueError: if the result cannot be shown.
            RuntimeError: as of :meth:`save_scores`.
        """
        require_protocol_result(name, result)
        stored = _scores(self.scores_file).get("protocols", {}) if self.finished else {}
        rest: ProtocolResult = {**result}
        scores = rest.pop("scores", {})
        self.save_scores({**scores, "protocols": {**stored, name: rest}})

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        atomic_write(self.folder / name, json.dumps(content, indent=2).encode())


def _scores(file: Path) -> RunScores:
    try:
        scores: RunScores = dict(json.loads(file.read_text()))  # type: ignore[assignment]
        return scores
    except (ValueError, TypeError) as error:
        raise RuntimeError(
            f"{file} is not a JSON object of scores ({error}). Delete it and evaluate the run again."
        ) from error
