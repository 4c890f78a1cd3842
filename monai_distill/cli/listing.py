"""``monai-distill list``: what there is to choose from, and the settings of a choice."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.files import available, config_dir, dataset_entry, read_yaml, run_files
from monai_distill.configuration.presets import preset_settings

from .execution import reject_unknown_arguments

__all__ = ["add_command", "execute"]

DEFAULTS = {"dataset": "digits", "method": "mtt", "network": "convnet"}
SENTENCE = re.compile(r"(?<!al)\.(?:\s|$)|;\s")
COMMENT = re.compile(r"^(\w+):.*?\s# ?(.*)$", re.MULTILINE)
# what a run does not take as a setting: names of files, tables, and what the command sets itself
NOT_SET = {
    *("bundle_root", "config_format", "dataset_name", "entries", "family", "flag", "method", "presets", "resume"),
    *("dp_presets", "save_execute_config", "no_guarantee", "shared_presets", "with_epsilon"),
}


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "list", help="data sets, methods and networks; with one of them named, its settings"
    )
    for kind, default in DEFAULTS.items():
        command.add_argument(
            f"--{kind}",
            choices=available(f"{kind}s"),
            metavar=kind[0].upper(),
            help=f"list the settings of a run with it and their values; {default} where another one is named",
        )
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print one line per name, or one per setting."""
    reject_unknown_arguments(rest)
    chosen = {kind: getattr(options, kind) for kind in DEFAULTS}
    if any(chosen.values()):
        _print_settings(**{kind: name or DEFAULTS[kind] for kind, name in chosen.items()})
        return 0
    for kind, default in DEFAULTS.items():
        print(f"{kind}s (--{kind}, default {default}):")
        for name in available(f"{kind}s"):
            print(f"  {name:<17} {_description(kind, name)}")
    print("Settings of a run and their values: monai-distill list --method M --dataset D --network N")
    return 0


def _description(kind: str, name: str) -> str:
    """The first sentence of the comment at the head of a file, or of a data set's entry."""
    file = dataset_entry(name)[0] if kind == "dataset" else config_dir() / f"{kind}s/{name}.yaml"
    head = _head(file)
    entries = read_yaml(file).get("entries", {})
    if name in entries:
        head = f"{head.split(':')[0]}: {entries[name]['about']}"
    return SENTENCE.split(head)[0]


def _head(file: Path) -> str:
    lines = []
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def _print_settings(dataset: str, method: str, network: str) -> None:
    files = run_files(dataset, network, method)
    values: dict[str, Any] = {}
    comments: dict[str, str] = {}
    for file, content in zip(files.all, files.contents, strict=True):
        values |= content
        comments |= COMMENT.findall(file.read_text())
    values |= {**files.entry, **preset_settings(files, dataset, 1)}
    if "network_factory::depth" not in files.contents[2]:  # a run refuses it
        del values["depth"]
    print(f"Settings of --dataset {dataset} --method {method} --network {network}, one image per class:")
    for name in sorted(values.keys() - NOT_SET):
        if name.isidentifier() and _is_plain(values[name]):
            value, comment = values[name], comments.get(name)
            text = value if isinstance(value, str) else json.dumps(value)
            print(f"  --{name} {text}" + (f"  # {comment}" if comment else ""))


def _is_plain(value: Any) -> bool:
    """Whether a value refers to nothing and computes nothing: what the configuration computes is no default to show."""
    if isinstance(value, Mapping):
        return bool(value) and "_target_" not in value and all(_is_plain(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return not (isinstance(value, str) and value.startswith(("$", "@", "%")))
