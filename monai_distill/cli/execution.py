"""Hands a composed job to MONAI and reports its result."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
import os
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "COMMAND",
    "PLANNING",
    "distilled",
    "finished",
    "plain_warnings",
    "program_name",
    "reject_unknown_arguments",
    "resumed",
    "run_bundle",
    "shown_log",
    "verified",
]

COMMAND = "monai-distill"
SILENCED = ("monai.bundle.scripts", "monai.bundle.workflows", "ignite.engine.engine", "torch.utils.cpp_extension")
PLANNING = ("monai_distill.data.datasets.listed_files", "monai_distill.runtime.progress")  # shown while a plan is made
FORMAT = 3  # of config.json: config_format in configs/common.yaml


def program_name() -> str:
    """As which of several processes of torchrun this one speaks; the first speaks for the command."""
    rank = os.environ.get("RANK", "0") if "TORCHELASTIC_RUN_ID" in os.environ else "0"
    return COMMAND if rank == "0" else f"{COMMAND} (process {rank})"


def plain_warnings() -> None:
    """Warnings as a line of the command's own, without the place in the code."""
    name = program_name()
    warnings.formatwarning = lambda message, *_, **__: f"{name}: warning: {message}\n"


@contextmanager
def shown_log(*names: str) -> Iterator[None]:
    """Write what these loggers report to standard error, as lines of the command, for a while."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{program_name()}: %(message)s"))
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False  # a library that sets up logging would repeat every line
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def run_bundle(values: dict[str, Any], *, spread: bool = False) -> bool:
    """``monai.bundle.run`` without the noise that MONAI makes about configurations that are no finished bundle.

    Args:
        values: its arguments.
        spread: whether the job shares its work out to the processes of torchrun; several are refused otherwise.

    Returns:
        Whether this is the process that tells the result.
    """
    from monai.bundle import run  # here, so that `list` and `--help` answer at once

    from monai_distill.runtime.literals import literal_settings
    from monai_distill.runtime.processes import group

    plain_warnings()  # MONAI has set its own while it was imported
    if not spread:
        group.require_single_process("This command")
    group.join()
    if not (first := group.is_first()):
        values = {**values, "save_execute_config": False}
    # the first two report that configs/ is no finished bundle, the third an error that is reported here, the last that
    # a machine on which something is compiled has no GPU
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # MONAI warns on every run that configurations are code; these are our own or the user's.
        warnings.filterwarnings("ignore", message="parsing config_file")
        # PyTorch of its own forward derivatives
        warnings.filterwarnings("ignore", message=".torch.jit.script. is deprecated")
        with shown_log("monai_distill.data", "monai_distill.networks", "monai_distill.runtime"):
            run(**literal_settings(values))
    return first


def resumed(folder: Path, dataset_dir: str | None = None) -> dict[str, Any]:
    """The arguments of ``monai.bundle.run`` for going on with a run, whose data may lie elsewhere now.

    Raises:
        RuntimeError: when the folder holds no run, or its configuration cannot be read.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise RuntimeError(f"Cannot find {file}. Give the folder of a run.")
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise RuntimeError(
            f"{file} is no JSON ({error}). Put it back as the run wrote it, or make a new run."
        ) from error
    if not isinstance(content, dict) or not {"initialize", "run", "evaluate", "data"} <= content.keys():
        raise RuntimeError(f"{file} is no configuration of a run. Give the folder of a run.")
    if content.get("config_format") != FORMAT:
        raise RuntimeError(
            f"Expected a run folder of format {FORMAT}, got format {content.get('config_format', 1)} in {file}: "
            "another version of monai-distill made it. Use that version, or make the run again."
        )
    moved = {} if dataset_dir is None else {"dataset_dir": str(Path(dataset_dir).resolve())}
    return {"config_file": str(file), "output_dir": str(folder), "resume": True, **moved}


def distilled(folder: Path, dataset_dir: str | None = None) -> dict[str, Any]:
    """The same of a run that has its set.

    Raises:
        RuntimeError: when it has none, or there is no run.
    """
    values = resumed(folder, dataset_dir)
    if not (folder / "synthetic.safetensors").is_file():
        raise RuntimeError(f"{folder} holds no set yet. Go on with: monai-distill resume {shlex.quote(str(folder))}")
    return values


def finished(folder: Path, profile: bool = False) -> str:
    """The last lines of a command: the score table, with ``profile`` the time by part, and the folder of the run."""
    from monai_distill.export.tables import cost_table, forecast_line, score_table

    scores = json.loads((folder / "scores.json").read_text())
    cost = f"\n{cost_table(scores['cost'])}\n" if profile and "cost" in scores else ""
    forecast = forecast_line(scores["cost"]) if "cost" in scores else ""
    return f"{score_table(scores)}\n{cost}{forecast}{chr(10) if forecast else ''}Run folder: {folder}"


def reject_unknown_arguments(rest: Sequence[str]) -> None:
    """Refuse what a command does not know.

    Raises:
        ValueError: when words are left.
    """
    if rest:
        raise ValueError(f"Unknown arguments {list(rest)}. Settings are given to `run` and stored in the run folder.")


def verified(folder: Path, trusted: Path | None = None) -> Any:
    """Check a release folder. The events of a ledger are added up if ``dp-accounting`` is installed.

    Args:
        folder: of the release.
        trusted: public key of the sender; None does not check the signature.
    """
    from monai.utils import optional_import

    from monai_distill.export.release.verify import Verification
    from monai_distill.privacy.dp.accounting import ledger_epsilon

    _, can_add_up = optional_import("dp_accounting")
    return Verification.of(folder, ledger_epsilon if can_add_up else None, trusted)
