"""``monai-distill evaluate``: scores the set of a finished run anew, or asks more of it, protocol by protocol."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from monai_distill.overrides import parsed_overrides

from .composition import check_parts, config_dir
from .execution import finished, resumed, run_bundle

__all__ = ["add_command", "execute"]

PLACES = ("dataset_dir", "dataset_file", "device")  # where things lie now is no setting of the run


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate", help="score a run's set anew; run again to go on", allow_abbrev=False
    )
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument(
        "--protocols",
        metavar="A,B,...",
        help=f"of {', '.join(_content()['protocols'])}; the run's own table unless given",
    )
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run the protocols one after another, print the tables."""
    values = resumed(options.run)
    overrides = parsed_overrides(rest)
    _check_settings(overrides, options.run / "config.json")
    names = [] if options.protocols is None else _chosen(options.protocols.split(","), overrides)
    file = options.run / "scores.json"
    if names and not file.is_file():
        raise RuntimeError(f"Cannot find {file}. Begin with: monai-distill evaluate {options.run}")
    lines = [f"$@run_folder.save_scores(@protocols#{name}.run(@evaluated))" for name in names]
    run_bundle(
        {
            **values,
            "config_file": [values["config_file"], str(config_dir() / "protocols.yaml")],
            "run_id": "evaluate",
            **({"evaluate": lines} if names else {}),  # the run's own list scores it as it was, whatever its age
            **{name: "$None" if value is None else value for name, value in overrides.items()},
        }
    )
    from monai_distill.export import protocol_tables

    tables = protocol_tables(_asked(json.loads(file.read_text()), names))
    print("\n\n".join([*([tables] if tables else []), finished(options.run)]))
    return 0


def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((config_dir() / "protocols.yaml").read_text())
    return content


def _chosen(asked: Sequence[str], overrides: dict[str, Any]) -> list[str]:
    """The protocols in the order of the file, any that are given as ``--protocols#NAME`` last."""
    given = [re.split("#|::", name)[1] for name in overrides if re.match("protocols(#|::)", name)]
    known = list(dict.fromkeys([*_content()["protocols"], *given]))
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise ValueError(f"Expected protocols of {', '.join(known)}, got {', '.join(map(repr, unknown))}.")
    return [name for name in known if name in asked]


def _check_settings(overrides: dict[str, Any], config: Path) -> None:
    """What a run was made with stays as it was: only the protocols' own settings may be given."""
    known = sorted({*_content(), *PLACES} - {"evaluate", "evaluated"})
    of_the_run = json.loads(config.read_text())
    for name in overrides:
        top, *parts = re.split("#|::", name)
        if parts and top in _content() and top != "protocols":
            check_parts(name, parts, [_content()[top]])
        if top not in known:
            near = difflib.get_close_matches(top, known, n=1)
            hint = f"Did you mean --{near[0]}?" if near else f"Known are {', '.join(known)}."
            hint = "Settings are given to `run` and kept in the run folder." if top in of_the_run else hint
            raise ValueError(f"Expected a setting of the protocols, got --{name}. {hint}")


def _asked(scores: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in scores.items() if key.removesuffix("_random") in names}
