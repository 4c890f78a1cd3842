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

__all__ = ["KNOBS", "available", "bundle_line", "composed", "config_dir", "config_files"]

KNOBS = ("dataset_dir", "dataset_file", "images_per_class", "initial_images", "output_dir", "seed", "device")


def config_dir() -> Path:
    """Where ``configs/`` lies: inside an installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    return here / "configs" if (here / "configs").is_dir() else here.parent / "configs"


def available(kind: str) -> list[str]:
    """Names of the files in one folder of ``configs/``."""
    return sorted(file.stem for file in (config_dir() / kind).glob("*.yaml"))


def config_files(dataset: str, network: str, method: str) -> list[Path]:
    """The files of a run, later ones over earlier ones; a method's file names the families that it builds on."""
    root = config_dir()
    own = root / "methods" / f"{method}.yaml"
    named = yaml.safe_load(own.read_text()).get("family", [])
    families = [root / "families" / f"{name}.yaml" for name in ([named] if isinstance(named, str) else named)]
    return [root / "common.yaml", root / f"datasets/{dataset}.yaml", root / f"networks/{network}.yaml", *families, own]


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


def _check_names(values: dict[str, Any], files: Sequence[Path]) -> None:
    """MONAI takes any name as a new one; a misspelt setting must not pass for a setting."""
    contents = [yaml.safe_load(file.read_text()) for file in files]
    known = sorted({name for content in contents for name in content})
    for name in values:
        top, *parts = re.split("#|::", name)
        if top not in known:
            raise ValueError(f"Expected a name of the configuration, got --{name}. {_hint(top, known, '--')}")
        _check_parts(name, parts, [content[key] for content in contents for key in (top, f"+{top}") if key in content])
    sets = [*available("datasets"), "published"]
    if (borrowed := str(values.get("preset_of", "published"))) not in sets:
        raise ValueError(f"Expected for --preset_of a data set or published, got {borrowed}. {_hint(borrowed, sets)}")


def _check_parts(name: str, parts: Sequence[str], items: list[Any]) -> None:
    """Follow ``A#B#C`` down through every file that has A; a component may be given an argument that no file names."""
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
    """Without this a forgotten folder would be taken for the working directory."""
    text = file.read_text()
    given = {**yaml.safe_load(text), **values}
    for name in ("dataset_dir", "dataset_file"):
        if f"@{name}" in text and not given.get(name):
            about = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
            raise ValueError(f"Expected --{name} for the data set {file.stem}, got none. {about}")
