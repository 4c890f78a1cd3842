"""``monai-distill list``: what there is to choose from, and the settings of a choice."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from monai_distill.configuration import available, config_dir, config_files
from monai_distill.configuration.composition import takes

from .execution import reject_unknown_arguments

__all__ = ["add_command", "execute"]

DEFAULTS = {"dataset": "digits", "method": "mtt", "network": "convnet"}
SENTENCE = re.compile(r"(?<!al)\.(?:\s|$)|;\s")
SETTING = re.compile(r"^(\w+): (?:\$@preset\['(\w+)'\]|([^\s$@'\"{&*>|#].*?|''))(?:\s+# ?(.*))?$", re.MULTILINE)
ANY = re.compile(r"^(\w+):", re.MULTILINE)
NOT_SET = {"bundle_root", "dataset_name", "family", "method", "resume", "save_execute_config", "with_epsilon"}


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
    """Print one line a name, or one a setting."""
    reject_unknown_arguments(rest)
    asked = {kind: getattr(options, kind) for kind in DEFAULTS}
    if any(asked.values()):
        _print_settings(**{kind: name or DEFAULTS[kind] for kind, name in asked.items()})
        return 0
    for kind, default in DEFAULTS.items():
        print(f"{kind}s (--{kind}, default {default}):")
        for name in available(f"{kind}s"):
            print(f"  {name:<17} {_about(kind, name)}")
    print("Settings of a run and their values: monai-distill list --method M --dataset D --network N")
    return 0


def _about(kind: str, name: str) -> str:
    """The first sentence of the comment at the head of a file."""
    head = []
    for line in (config_dir() / f"{kind}s/{name}.yaml").read_text().splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# "))
    return SENTENCE.split(" ".join(head))[0]


def _print_settings(dataset: str, method: str, network: str) -> None:
    from monai_distill.configuration.bundle_configs import composed_job  # here, so that the names are listed at once

    preset = composed_job(dataset, network, method, {})["preset"]
    found: dict[str, tuple[str, str, str]] = {}
    for text in (file.read_text() for file in config_files(dataset, network, method)):
        settings = {name: rest for name, *rest in SETTING.findall(text)}
        for name in set(ANY.findall(text)) - settings.keys():
            found.pop(name, None)  # a formula now: DC's iterations are networks times outer steps
        for name, (of_preset, value, comment) in settings.items():
            found[name] = (of_preset, value, comment or found.get(name, ("", "", ""))[2])
    if not takes(network, "depth", "networks"):  # a run refuses it
        del found["depth"]
    print(f"Settings of --dataset {dataset} --method {method} --network {network}, one image a class:")
    for name, (of_preset, value, comment) in sorted(found.items()):
        if name not in NOT_SET:
            value = str(preset[of_preset]) if of_preset else value
            shown = {"None": "null", "True": "true", "False": "false"}.get(value, value)
            print(f"  --{name} {shown}" + (f"  # {comment}" if comment else ""))
