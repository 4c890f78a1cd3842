"""From a dataset, a network and a method to the arguments of ``monai.bundle.run``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import difflib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from monai_distill.runtime.literals import NONE, literal_settings

from .setting_types import checked_numbers

__all__ = ["KNOBS", "available", "bundle_line", "check_parts", "composed", "config_dir", "config_files", "takes"]

KNOBS = (
    "dataset_dir",
    "dataset_file",
    "images_per_class",
    "initial_images",
    "output_dir",
    "seed",
    "device",
    "epsilon",
    "delta",
    "site_ledger",
    "site_epsilon",
)
PLACES = ("dataset_dir", "experts_root", "controls_root")


def config_dir() -> Path:
    """Where ``configs/`` lies: inside an installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    return here / "configs" if (here / "configs").is_dir() else here.parent / "configs"


def available(kind: str) -> list[str]:
    """Names of the files in one folder of ``configs/``."""
    return sorted(file.stem for file in (config_dir() / kind).glob("*.yaml"))


def takes(choice: str, name: str, kind: str = "datasets") -> bool:
    """Whether a data set uses this setting (``dataset_dir``, ``dataset_file``), or one of ``networks`` (``depth``)."""
    return f"@{name}" in (config_dir() / kind / f"{choice}.yaml").read_text()


def config_files(dataset: str, network: str, method: str, *, guaranteed: bool = False) -> list[Path]:
    """The files of a run, later ones over earlier ones; a method's file names the families that it builds on.

    With a guarantee, those that ``with_epsilon`` names come last.

    Raises:
        ValueError: when a guarantee is asked of a method that has no way to one.
    """
    root = config_dir()
    own = root / "methods" / f"{method}.yaml"
    families = _families(yaml.safe_load(own.read_text()).get("family", []))
    first = [root / "common.yaml", root / f"datasets/{dataset}.yaml", root / f"networks/{network}.yaml"]
    files = [*first, *families, own]
    if not guaranteed:
        return files
    ways = [yaml.safe_load(file.read_text()).get("with_epsilon", []) for file in (*families, own)]
    if not ways or not any(ways) or ways[-1] is None:
        raise ValueError(
            f"No way to a guarantee is known for the method {method}. Use dm, datadam, mtt, ftd, att, datm, tesla or "
            "hoptm."
        )
    return [*files, *_families([name for way in ways for name in way])]


def _families(names: str | Sequence[str]) -> list[Path]:
    return [config_dir() / "families" / f"{name}.yaml" for name in ([names] if isinstance(names, str) else names)]


def composed(options: argparse.Namespace, overrides: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``monai.bundle.run`` for a run."""
    given = {name: getattr(options, name, None) for name in KNOBS}
    knobs = {name: value for name, value in given.items() if value is not None}
    if "delta" in knobs and "epsilon" not in knobs:
        raise ValueError("Expected --epsilon beside --delta: the two together are a guarantee.")
    if "site_ledger" in knobs and "epsilon" not in knobs:
        raise ValueError("Expected --epsilon beside --ledger: a run without a guarantee has no cost to add up.")
    if "site_epsilon" in knobs and "site_ledger" not in knobs:
        raise ValueError("Expected --ledger FILE beside --ledger_epsilon: the file keeps the budget.")
    files = config_files(options.dataset, options.network, options.method, guaranteed="epsilon" in knobs)
    values = checked_numbers({**knobs, **overrides})
    if "output_dir" not in values:
        size, seed = values.get("images_per_class", 1), values.get("seed", 0)
        values["output_dir"] = f"runs/{options.dataset}_{options.method}_ipc{size}_seed{seed}"
    if not str(values["output_dir"] or "").strip():  # or the root of the file system would be the run folder
        raise ValueError(f"Expected a folder for --output_dir, got {values['output_dir']!r}. Leave it out for runs/...")
    for name in PLACES:  # `evaluate` and others may be called from elsewhere, and the run folder moved
        if isinstance(values.get(name), str) and values[name] != NONE:
            values[name] = str(Path(values[name]).expanduser().resolve())
    _check_data(values, files[1])
    if "depth" in values and not takes(options.network, "depth", "networks"):
        raise ValueError(
            f"Expected --depth for the network convnet only, got {values['depth']} for {options.network}. Leave it "
            "out; --width sets the size of this network."
        )
    _check_names(values, files)
    _check_start(values, files)
    return {
        "config_file": [str(file) for file in files],
        "tracking": str(config_dir() / "tracking.yaml"),
        "save_execute_config": f"{values['output_dir']}/config.json",
        # MONAI leaves out a value of None, as if it had not been given
        **{name: NONE if value is None else value for name, value in values.items()},
    }


def bundle_line(arguments: dict[str, Any]) -> str:
    """The shell line that does the same with MONAI alone."""
    from fire.parser import DefaultParseValue  # how MONAI's command reads its words

    words = ["python", "-m", "monai.bundle", "run"]
    for name, value in literal_settings(arguments).items():
        plain = isinstance(value, str) and DefaultParseValue(value) == value  # not so for a folder named 2024
        words += [f"--{name}", value if plain else repr(value)]
    return shlex.join(words)


def _check_names(values: dict[str, Any], files: Sequence[Path]) -> None:
    """MONAI takes any name as a new one; a misspelt setting must not pass for a setting."""
    contents = [yaml.safe_load(file.read_text()) for file in files]
    known = sorted({name for content in contents for name in content})
    for name in values:
        top, *parts = re.split("#|::", name)
        if top not in known:
            raise ValueError(f"Expected a name of the configuration, got --{name}. {_hint(top, known, '--')}")
        check_parts(name, parts, [content[key] for content in contents for key in (top, f"+{top}") if key in content])
    sets = [*available("datasets"), "published"]
    if (borrowed := str(values.get("preset_of", "published"))) not in sets:
        raise ValueError(f"Expected for --preset_of a data set or published, got {borrowed}. {_hint(borrowed, sets)}")


def check_parts(name: str, parts: Sequence[str], items: list[Any]) -> None:
    """Follow ``A#B#C`` down through every file that has A; a component may be given an argument that no file names.

    Args:
        name: as it was given.
        parts: what follows its first part.
        items: what the files have under its first part.

    Raises:
        ValueError: when a part is in none of them.
    """
    for place, part in enumerate(parts):
        open_ended = any(isinstance(item, dict) and "_target_" in item for item in items)
        below = [item[part] for item in items if isinstance(item, dict) and part in item]
        below += [i[int(part)] for i in items if isinstance(i, list) and part.isdecimal() and int(part) < len(i)]
        if not below:
            if open_ended and place == len(parts) - 1:
                return
            known = sorted({str(key) for item in items if isinstance(item, dict) for key in item})
            raise ValueError(f"Expected a part of the configuration, got {part} in --{name}. {_hint(part, known)}")
        items = below


def _hint(name: str, known: Sequence[str], dashes: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {dashes}{near[0]}?" if near else f"Known are {', '.join(known)}."


def _check_data(values: dict[str, Any], file: Path) -> None:
    """A forgotten folder must not be taken for the working directory, nor a forgotten --dataset for digits."""
    text = file.read_text()
    given = {**yaml.safe_load(text), **values}
    for name in ("dataset_dir", "dataset_file"):
        if values.get(name) and not takes(file.stem, name):
            raise ValueError(
                f"Expected no --{name} for the data set {file.stem}, got {values[name]}. Say what lies there with "
                "--dataset, such as --dataset folder or --dataset table (see `monai-distill list`), or leave it out."
            )
        if f"@{name}" in text and not given.get(name):
            about = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
            raise ValueError(f"Expected --{name} for the data set {file.stem}, got none. {about}")


def _check_start(values: dict[str, Any], files: Sequence[Path]) -> None:
    """Not every method knows every start: one that asks experts is there only where experts are trained."""
    contents = [yaml.safe_load(file.read_text()) for file in files]
    known = sorted(
        {name for content in contents for name in (*content.get("initial", ()), *content.get("+initial", ()))}
    )
    start = str(values.get("initial_images", known[0]))
    if start not in known and not start.startswith(("$", "@")):
        raise ValueError(f"Expected --initial_images of {', '.join(known)} for this method, got {start}.")
