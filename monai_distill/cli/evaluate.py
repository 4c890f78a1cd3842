"""``monai-distill evaluate``: scores the set of a finished run again, or by further protocols."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from monai_distill.configuration.composition import check_parts
from monai_distill.configuration.files import config_dir, read_yaml
from monai_distill.configuration.overrides import parsed_overrides
from monai_distill.configuration.setting_types import checked_values

from .execution import distilled, finished, run_bundle

__all__ = ["add_command", "chosen_protocols", "evaluate_run", "execute", "protocol_settings"]

OWN = {"evaluated", "+initialize"}  # of configs/protocols.yaml, what nobody sets
STUDENTS = ("students", "full_students")  # how many networks the run's own table has
PLACES = ("dataset_dir", "dataset_file", "device")  # where things lie now is no setting of the run


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "evaluate", help="score a run's set again; repeat the command to continue", allow_abbrev=False
    )
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument(
        "--protocols",
        metavar="A,B,...",
        help=f"of {', '.join(_content()['protocols'])}; the run's own table unless given",
    )
    own, places = (
        " ".join(f"--{n}" for n in names) for names in (sorted(_content().keys() - {*OWN, "protocols"}), PLACES)
    )
    command.epilog = (
        f"Settings of the protocols: {own}. Where things lie now: {places}. --students N and --full_students N score "
        "with more networks than the run did."
    )
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run the protocols one after another, print the tables."""
    common = read_yaml(config_dir() / "common.yaml")
    overrides = checked_values(parsed_overrides(rest), [common, _content()])
    _check_settings(overrides, options.run)
    _check_students(overrides, options.protocols)
    names = [] if options.protocols is None else chosen_protocols(options.protocols, overrides)
    options.log.open(options.run)
    evaluate_run(options.run, names, overrides)
    from monai_distill.export.tables import protocol_tables

    scores = json.loads((options.run / "scores.json").read_text())
    tables = protocol_tables(scores, names)
    print("\n\n".join([*([tables] if tables else []), finished(options.run)]))
    return 0


def evaluate_run(run: Path, names: Sequence[str], overrides: Mapping[str, Any]) -> None:
    """Score a run as it was scored (no names), or add to its scores protocol by protocol.

    Args:
        run: its folder.
        names: of protocols, in order.
        overrides: settings of the protocols.

    Raises:
        RuntimeError: when there is no run, or no scores to add to.
    """
    values = distilled(run)
    if names and not (run / "scores.json").is_file():
        raise RuntimeError(f"Cannot find {run / 'scores.json'}. Begin with: monai-distill evaluate {run}")
    lines = [f"$@run_folder.save_protocol({name!r}, @protocols#{name}.run(@evaluated))" for name in names]
    run_bundle(
        {
            **values,
            "config_file": [values["config_file"], str(config_dir() / "protocols.yaml")],
            "run_id": "evaluate",
            **({"evaluate": lines} if names else {}),  # the run's own list scores it as it was, whatever its age
            **{name: "$None" if value is None else value for name, value in overrides.items()},
        }
    )


def protocol_settings(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the overrides that are the protocols' own, not a run's.

    Raises:
        ValueError: for a part that a setting has not, or one value in place of several with names.
    """
    content = {name: value for name, value in _content().items() if name not in OWN}
    own = {name: value for name, value in overrides.items() if re.split("#|::", name)[0] in content}
    for name in own:
        top, *parts = re.split("#|::", name)
        if parts and top != "protocols":
            check_parts(name, parts, [content[top]])
        if not parts and isinstance(content[top], dict) and not isinstance(own[name], dict):
            part = next(iter(content[top]), "NAME")
            raise ValueError(
                f"Expected {{{part}: VALUE, ...}} for --{name}, got {own[name]}. Or give --{name}#{part} VALUE."
            )
    return checked_values(own, [_content()])


def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((config_dir() / "protocols.yaml").read_text())
    return content


def chosen_protocols(names: str, overrides: Mapping[str, Any]) -> list[str]:
    """The protocols of ``A,B,...`` in the order of the file, any that are given as ``--protocols#NAME`` last.

    Raises:
        ValueError: when one is not known.
    """
    requested = [name.strip() for name in names.split(",")]
    given = [re.split("#|::", name)[1] for name in overrides if re.match("protocols(#|::)", name)]
    known = list(dict.fromkeys([*_content()["protocols"], *given]))
    unknown = sorted(set(requested) - set(known))
    if unknown:
        raise ValueError(f"Expected protocols of {', '.join(known)}, got {', '.join(map(repr, unknown))}.")
    return [name for name in known if name in requested]


def _check_settings(overrides: Mapping[str, Any], run: Path) -> None:
    """Accept the settings of protocols only: those of the run itself are fixed.

    Raises:
        ValueError: for any other.
        RuntimeError: when there is no run.
    """
    own = protocol_settings(overrides)
    known = sorted({*_content(), *PLACES} - OWN)
    of_the_run = json.loads(Path(distilled(run)["config_file"]).read_text())
    for name in overrides.keys() - own.keys():
        top = re.split("#|::", name)[0]
        if name not in STUDENTS and top not in PLACES:
            near = difflib.get_close_matches(top, known, n=1)
            hint = f"Did you mean --{near[0]}?" if near else f"Known are {', '.join(known)}."
            hint = "Settings are given to `run` and stored in the run folder." if top in of_the_run else hint
            raise ValueError(f"Expected a setting of the protocols, got --{name}. {hint}")


def _check_students(overrides: Mapping[str, Any], protocols: str | None) -> None:
    """Numbers of students hold for the run's own table; the other protocols have their own."""
    given = [name for name in STUDENTS if name in overrides]
    if given and protocols is not None and "scores" not in protocols.split(","):
        raise ValueError(
            f"Expected --{given[0]} with the run's own table or the protocol scores, got --protocols {protocols}. "
            "These have settings such as --cross_students and --nas_students."
        )
