"""The ``monai-distill`` command: composes ``configs/`` and hands them to ``monai.bundle``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import difflib
import json
import logging
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .overrides import parsed_overrides

__all__ = ["main"]

KNOBS = ("dataset_dir", "dataset_file", "images_per_class", "initial_images", "output_dir", "seed", "device")


def config_dir() -> Path:
    """Where ``configs/`` lies: inside an installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return here / "configs" if (here / "configs").is_dir() else here.parent / "configs"


def available(kind: str) -> list[str]:
    """Names of the files in one folder of ``configs/``."""
    return sorted(file.stem for file in (config_dir() / kind).glob("*.yaml"))


def parser() -> argparse.ArgumentParser:
    """The command's arguments; ``run`` also takes ``--ANY#CONFIG#ID VALUE``."""
    top = argparse.ArgumentParser(prog="monai-distill", description="Distil a data set into a tiny synthetic one.")
    shown: dict[str, Any] = {"action": "store_true", "help": "show where an error came from"}
    top.add_argument("--traceback", **shown)
    commands = top.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="experts, distillation, scores, run folder", allow_abbrev=False)
    run.add_argument("--method", default="mtt", choices=available("methods"), metavar="M", help="see `list`")
    run.add_argument("--output_dir", help="run folder; must be new")
    run.add_argument("--dry_run", action="store_true", help="print the equivalent MONAI command and stop")
    compare = commands.add_parser("compare", help="several methods, one table; run again to go on", allow_abbrev=False)
    compare.add_argument(
        "--methods", required=True, metavar="A,B,...", help="see `list`; random needs no run of its own"
    )
    compare.add_argument("--output_dir", required=True, help="folder of the run folders, their experts and the table")
    for command in (run, compare):
        _add_run_arguments(command)
        command.add_argument("--traceback", default=argparse.SUPPRESS, **shown)  # after `run` as well as before it
    for name, text in (("resume", "go on with an interrupted run"), ("evaluate", "score a run's set anew")):
        commands.add_parser(name, help=text).add_argument("run", type=Path, help="run folder")
    commands.add_parser("list", help="data sets, methods and networks")
    return top


def _add_run_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", default="digits", choices=available("datasets"), metavar="D", help="see `list`")
    command.add_argument("--network", default="convnet", choices=available("networks"), metavar="N", help="see `list`")
    command.add_argument("--dataset_dir", help="folder with the data")
    command.add_argument("--dataset_file", help="file in dataset_dir (npz and table)")
    command.add_argument("--images_per_class", type=_positive, metavar="N")
    command.add_argument("--initial_images", choices=("noise", "real", "correct"))
    command.add_argument("--seed", type=int)
    command.add_argument("--device", help="cpu, cuda or cuda:N")


def config_files(dataset: str, network: str, method: str) -> list[Path]:
    """The files of a run, later ones over earlier ones; a method's file names the families that it builds on."""
    root = config_dir()
    own = root / "methods" / f"{method}.yaml"
    named = yaml.safe_load(own.read_text()).get("family", [])
    families = [root / "families" / f"{name}.yaml" for name in ([named] if isinstance(named, str) else named)]
    return [root / "common.yaml", root / f"datasets/{dataset}.yaml", root / f"networks/{network}.yaml", *families, own]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)


def composed(options: argparse.Namespace, overrides: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``monai.bundle.run`` for a run."""
    files = config_files(options.dataset, options.network, options.method)
    knobs = {name: getattr(options, name) for name in KNOBS if getattr(options, name) is not None}
    values = {**knobs, **overrides}
    if "output_dir" not in values:
        size, seed = values.get("images_per_class", 1), values.get("seed", 0)
        values["output_dir"] = f"runs/{options.dataset}_{options.method}_ipc{size}_seed{seed}"
    _check_names(values, files)
    _check_data(values, files[1])
    return {
        "config_file": [str(file) for file in files],
        "tracking": str(config_dir() / "tracking.yaml"),
        "save_execute_config": f"{values['output_dir']}/config.json",
        # MONAI leaves out a value of None, as if it had not been given
        **{name: "$None" if value is None else value for name, value in values.items()},
    }


def bundle_line(arguments: dict[str, Any]) -> str:
    """The shell line that does the same with MONAI alone."""
    from fire.parser import DefaultParseValue  # how MONAI's command reads its words

    words = ["python", "-m", "monai.bundle", "run"]
    for name, value in arguments.items():
        plain = isinstance(value, str) and DefaultParseValue(value) == value  # not so for a folder named 2024
        words += [f"--{name}", value if plain else repr(value)]
    return shlex.join(words)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for an error (told in one line), 130 for Ctrl-C."""
    options, rest = parser().parse_known_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"monai-distill: warning: {message}\n"
    try:
        return _dispatched(options, rest)
    except KeyboardInterrupt:
        folder = getattr(options, "folder", None)
        way_on = f" Go on with: monai-distill resume {shlex.quote(str(folder))}" if folder else ""
        sys.stderr.write(f"\nInterrupted.{way_on}\n")
        return 130
    except (ValueError, TypeError, RuntimeError, OSError, SyntaxError) as error:
        if options.traceback:
            traceback.print_exc()
        sys.stderr.write(f"monai-distill: error: {_first_outside_monai(error)}\n")
        return 1


def _dispatched(options: argparse.Namespace, rest: Sequence[str]) -> int:
    if options.command == "compare":
        return _compared(options, parsed_overrides(rest))
    if options.command != "run" and rest:
        raise ValueError(f"Unknown arguments {list(rest)}. Settings are given to `run` and kept in the run folder.")
    if options.command == "list":
        for kind in ("datasets", "methods", "networks"):
            print(f"{kind}: {', '.join(available(kind))}")
        return 0
    if options.command == "run":
        values = composed(options, parsed_overrides(rest))
        if options.dry_run:
            print(bundle_line(values))
            return 0
        options.folder = _fresh(Path(values["output_dir"]), values)
    else:
        options.folder = options.run
        values = _resumed(options.run) | ({"run_id": "evaluate"} if options.command == "evaluate" else {})
    _run_bundle(values)
    _report(options.folder)
    return 0


def _resumed(folder: Path) -> dict[str, Any]:
    """The arguments of ``monai.bundle.run`` for going on with a run."""
    file = folder / "config.json"
    if not file.is_file():
        raise RuntimeError(f"Cannot find {file}. Give the folder of a run.")
    return {"config_file": str(file), "output_dir": str(folder), "resume": True}


def _compared(options: argparse.Namespace, overrides: dict[str, Any]) -> int:
    """Run or go on with every method in a folder of its own, then put them side by side."""
    from monai_distill.export import compare_methods

    methods = [name for name in dict.fromkeys(options.methods.split(",")) if name != "random"]
    unknown = sorted(set(methods) - set(available("methods")))
    if unknown:
        raise ValueError(f"Expected methods of {', '.join(available('methods'))} (and random), got {unknown}.")
    root = options.output_dir

    def run(method: str, folder: Path) -> None:
        options.method, options.output_dir = method, str(folder)
        only_once = {} if method == methods[0] else {"full_students": 0}
        values = composed(options, {"experts_root": f"{root}/experts", **overrides, **only_once})
        _run_bundle(_resumed(folder) if (folder / "config.json").exists() else values)

    knobs = {name: getattr(options, name) for name in ("dataset", "network", *KNOBS) if name != "output_dir"}
    print(compare_methods(root, methods, run, asked={**knobs, **overrides}))
    return 0


def _fresh(folder: Path, values: dict[str, Any]) -> Path:
    """Refuse a used folder before MONAI writes the new configuration over the one that a resume needs."""
    from monai_distill.export import RunFolder

    return RunFolder(folder).prepare(bool(values.get("resume"))).folder


def _run_bundle(values: dict[str, Any]) -> None:
    from monai.bundle import run  # here, so that `list` and `--help` answer at once

    # the first two report that configs/ is no finished bundle, the third an error that is told here
    for name in ("monai.bundle.scripts", "monai.bundle.workflows", "ignite.engine.engine"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # MONAI warns on every run that configurations are code; these are our own or the user's.
        warnings.filterwarnings("ignore", message="parsing config_file")
        run(**values)


def _report(folder: Path) -> None:
    from monai_distill.export import score_table

    print(score_table(json.loads((folder / "scores.json").read_text())))
    print(f"Run folder: {folder}")


def _check_names(values: dict[str, Any], files: Sequence[Path]) -> None:
    """MONAI takes any name as a new one; a misspelt setting must not pass for a setting."""
    known = sorted({name for file in files for name in yaml.safe_load(file.read_text())})
    for name in values:
        top = re.split("#|::", name)[0]
        if top not in known:
            near = difflib.get_close_matches(top, known, n=1)
            hint = f"Did you mean --{near[0]}?" if near else f"Known are {', '.join(known)}."
            raise ValueError(f"Expected a name of the configuration, got --{name}. {hint}")


def _check_data(values: dict[str, Any], file: Path) -> None:
    """Without this a forgotten folder would be taken for the working directory."""
    text = file.read_text()
    given = {**yaml.safe_load(text), **values}
    for name in ("dataset_dir", "dataset_file"):
        if f"@{name}" in text and not given.get(name):
            about = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
            raise ValueError(f"Expected --{name} for the data set {file.stem}, got none. {about}")


def _first_outside_monai(error: BaseException) -> str:
    """MONAI wraps an error once per configuration item; what was raised below that says what to do."""
    while error.__cause__ is not None and _raised_in(error).startswith("monai."):
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _raised_in(error: BaseException) -> str:
    trace, module = error.__traceback__, ""
    while trace is not None:
        module, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return module
