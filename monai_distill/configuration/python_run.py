"""``monai_distill.distill``: a run as one function call."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_distill.data.datasets.npz_arrays import hand_on_arrays
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.run_folder import RunFolder
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.literals import literal_settings
from monai_distill.runtime.validation import listed_names

from .composition import run_settings
from .files import available
from .plan.planner import make_plan
from .plan.request import Request
from .plan.text import plan_text
from .python_data import python_data, with_class_names

__all__ = ["Distilled", "distill"]

logger = logging.getLogger(__name__)
RESULTS = (
    *("synthetic.safetensors", "manifest.json", "scores.json", "history.json", "report.html"),
    *("grid.png", "curves.png"),
)


@dataclass(frozen=True)
class Distilled:
    """The result of a run.

    Attributes:
        synthetic: the distilled set: items ``image`` and ``label`` for training, and the manifest.
        scores: the table of scores by row: ``scores["distilled"]["accuracy"]["mean"]``, ``scores["random"]``, ...
        folder: the run folder.
    """

    synthetic: SyntheticDataset
    scores: Mapping[str, Any]
    folder: Path
    _temporary: Any = field(default=None, repr=False)  # deletes a temporary run folder with this object

    def save(self, folder: str | Path) -> Path:
        """Copy the set, its manifest, the scores and the report into ``folder``, which is made when absent.

        Raises:
            ValueError: when ``folder`` holds a set already.
        """
        folder = Path(folder)
        if (folder / RESULTS[0]).exists():
            raise ValueError(f"Expected a folder without a distilled set, got {folder}. Give another folder.")
        folder.mkdir(parents=True, exist_ok=True)
        for name in RESULTS:
            if (self.folder / name).is_file():
                shutil.copy2(self.folder / name, folder / name)
        return folder


def distill(
    training: Any,
    validation: Any = None,
    test: Any = None,
    *,
    method: str = "mtt",
    images_per_class: int = 1,
    network: str = "convnet",
    output_dir: str | Path | None = None,
    effort: str | None = None,
    minutes: float | None = None,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> Distilled:
    """Distill a data set by the configuration that ``monai-distill run --method METHOD`` uses.

    As in the command, data that no preset knows get the settings of a plan, for about 15 minutes on a CPU. The plan
    lies in ``plan.json`` of the run folder, and goes to the log at level INFO.

    Args:
        training: a MONAI dataset of items ``image`` [channels, *spatial] and ``label`` (class number); or the path of a
            folder of images, of a table (``.csv``) or of a ``.npz`` file, which holds or splits off all three sections.
        validation: dataset for the selection; None with a path.
        test: dataset that is read once, for the scores; None with a path.
        method: see ``monai-distill list``.
        images_per_class: synthetic images of every class.
        network: see ``monai-distill list``.
        output_dir: run folder, a new one; None for a temporary one.
        effort: ``trial``, ``standard`` or ``thorough``, for about 3, 15 or 60 minutes; ``published`` for the settings
            of the method's paper or program, for a GPU.
        minutes: wall time that the whole run may take.
        class_names: every class in label order, for datasets that name none (their classes are numbers otherwise), or
            the folders of a path that are used.
        settings: further settings of the run by name, such as ``iterations=200``, ``preset_of="bloodmnist"``,
            ``device="cpu"``; names with ``#`` as ``**{"train#trainer#max_epochs": 3}``.

    Returns:
        The set, its scores and the run folder.

    Raises:
        TypeError: for data that is neither a path nor three datasets.
        ValueError: for an unknown setting (with the nearest name), an impossible value, or data that cannot be used.
        RuntimeError: from the run; or when ``output_dir`` holds a run.

    Example:
        >>> import monai_distill
        >>> from monai_distill.data.datasets import DigitsDataset
        >>> sections = [DigitsDataset(name) for name in ("training", "validation", "test")]
        >>> result = monai_distill.distill(
        ...     *sections, method="dm", iterations=2, validate_every=2, validation_steps=1, evaluation_steps=1,
        ...     full_steps=1, width=4, depth=1, students=1, full_students=1, device="cpu",
        ... )
        >>> len(result.synthetic), sorted(result.scores["distilled"])[:2]
        (10, ['accuracy', 'auroc'])
    """
    dataset, given = python_data(training, validation, test)
    if class_names is not None:
        given |= with_class_names(given, listed_names(class_names))
    preset_of = settings.pop("preset_of", None)
    values = {**given, **settings, "images_per_class": images_per_class}
    for kind, name in (("methods", method), ("networks", network)):
        if name not in available(kind) and not (kind == "networks" and "." in name):
            raise ValueError(f"Expected a name of {', '.join(available(kind))} for {kind[:-1]}, got {name!r}.")
    objects = {"dataset": values.pop("dataset")} if "dataset" in values else {}
    temporary = tempfile.TemporaryDirectory(prefix="monai_distill_") if output_dir is None else None
    folder = Path(temporary.name if temporary is not None else str(output_dir)).resolve()
    values["output_dir"] = str(folder)
    try:
        request = Request(dataset, network, method, values, preset_of, effort, minutes)
        files, values = run_settings(dataset, network, method, values, request.preset)
        RunFolder(folder).prepare(resume=False).refuse_begun()
        if request.decides:
            chosen = _planned(request, objects, folder)
            files, values = run_settings(dataset, network, method, {**chosen, **request.settings}, request.preset)
    except ValueError as error:
        raise ValueError(str(error).replace("--", "")) from None  # the same settings, without the command's dashes
    parser = ConfigParser()
    parser.read_config([str(file) for file in files.all])
    parser.update(literal_settings({**values, "output_dir": str(folder)}))
    # with a path, the command can resume, evaluate and export the run; objects cannot be stored
    config = None if objects else deepcopy(parser.config)
    parser.update(objects)
    _run(parser, folder, config)
    scores = json.loads((folder / "scores.json").read_text())
    return Distilled(parser.get_parsed_content("candidate"), scores, folder, temporary)


def _planned(request: Request, objects: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings of a plan, which is left in the run folder."""
    with hand_on_arrays():  # the run reads the same file
        plan = make_plan(request, objects=objects)
    logger.info("%s", plan_text(plan))
    atomic_write(folder / "plan.json", json.dumps(plan.to_dict(), indent=2).encode())
    return plan.values


def _run(parser: ConfigParser, folder: Path, config: dict[str, Any] | None) -> None:
    """Evaluate the lists of steps as ``monai.bundle run`` does; ``config`` is stored when the folder exists."""
    try:
        for name in ("initialize", "run", "finalize"):
            for step in range(len(parser[name])):
                parser.get_parsed_content(f"{name}#{step}")
            if name == "initialize" and config is not None:
                ConfigParser.export_config_file(config, str(folder / "config.json"), indent=2)
    except RuntimeError as error:
        raise _cause(error) from error


def _cause(error: BaseException) -> BaseException:
    """The error that says what to do: MONAI wraps it once per item of a configuration."""
    while error.__cause__ is not None and _module(error).startswith("monai."):
        error = error.__cause__
    return error


def _module(error: BaseException) -> str:
    trace, module = error.__traceback__, ""
    while trace is not None:
        module, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return module
