"""From a data set, a network and a method to the arguments of ``monai.bundle.run``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .files import RunFiles, available, config_dir, run_files, uses
from .presets import preset_settings
from .setting_types import checked_settings

__all__ = ["bundle_line", "check_parts", "composed", "default_output_dir", "hint", "run_settings"]

PLACES = ("dataset_dir", "experts_root", "controls_root", "shared_controls", "network_weights")
NEEDS = {  # a setting that means nothing without another one
    "delta": ("epsilon", "Expected --epsilon with --delta: the two together are a guarantee."),
    "site_ledger": ("epsilon", "Expected --epsilon with --ledger: a run without a guarantee has no cost to add up."),
    "site_epsilon": ("site_ledger", "Expected --ledger FILE with --ledger_epsilon: the file stores the budget."),
}
PUBLISHED = "published"  # for --preset_of: the method's own settings


def default_output_dir(dataset: str, method: str, images_per_class: int, seed: int) -> str:
    """The run folder of a run that names none.

    Example:
        >>> default_output_dir("digits", "mtt", 1, 0)
        'runs/digits_mtt_ipc1_seed0'
    """
    return f"runs/{dataset}_{method}_ipc{images_per_class}_seed{seed}"


def run_settings(
    dataset: str, network: str, method: str, settings: Mapping[str, Any], preset_of: str | None = None
) -> tuple[RunFiles, dict[str, Any]]:
    """The files of a run, and what is laid over them: the data set's entry, the preset, and ``settings``.

    Args:
        dataset: name of a data set.
        network: name of a network.
        method: name of a method.
        settings: by id of the configuration; None is a value.
        preset_of: the data set whose preset is used; ``published`` for none.

    Raises:
        ValueError: for a setting that is unknown, of the wrong type or impossible here.
    """
    for name, (other, message) in NEEDS.items():
        if settings.get(name) is not None and settings.get(other) is None:
            raise ValueError(message)
    files = run_files(dataset, network, method, guaranteed=settings.get("epsilon") is not None)
    sets = [*available("datasets"), PUBLISHED]
    if preset_of is not None and preset_of not in sets:
        raise ValueError(f"Expected for --preset_of a data set or published, got {preset_of}. {hint(preset_of, sets)}")
    _check_data(settings, files, dataset)
    _check_names(settings, files)
    values = checked_settings(settings, files)
    if "depth" in values and "network_factory::depth" not in files.contents[2]:
        raise ValueError(
            f"Expected --depth for the network convnet only, got {values['depth']} for {network}. Leave it out; "
            "--width sets the size of this network."
        )
    _check_start(values, files)
    _check_groups(values, files, method)
    _check_recording(values)
    if values.get("amp") and values.get("epsilon") is not None:
        raise ValueError("Expected no --amp with --epsilon: its noise is for sums in full precision. Leave it out.")
    preset = preset_settings(files, preset_of or dataset, values.get("images_per_class", 1))
    return files, {**files.entry, **preset, **values}


def composed(
    dataset: str, network: str, method: str, settings: Mapping[str, Any], preset_of: str | None = None
) -> dict[str, Any]:
    """The arguments of ``monai.bundle.run`` for a run; see :func:`run_settings` for the arguments and errors."""
    from monai_distill.runtime.literals import NONE  # here, so that `list` and `--help` answer at once

    files, values = run_settings(dataset, network, method, settings, preset_of)
    if "output_dir" not in values:
        size, seed = values.get("images_per_class", 1), values.get("seed", 0)
        values["output_dir"] = default_output_dir(dataset, method, size, seed)
    if not str(values["output_dir"] or "").strip():  # or the root of the file system would be the run folder
        raise ValueError(f"Expected a folder for --output_dir, got {values['output_dir']!r}. Leave it out for runs/...")
    for name in PLACES:  # `evaluate` and others may be called from elsewhere, and the run folder moved
        if isinstance(values.get(name), str) and values[name] != NONE:
            values[name] = str(Path(values[name]).expanduser().resolve())
    return {
        "config_file": [str(file) for file in files.all],
        "tracking": str(config_dir() / "tracking.yaml"),
        "save_execute_config": f"{values['output_dir']}/config.json",
        # MONAI leaves out a value of None, as if it had not been given
        **{name: NONE if value is None else value for name, value in values.items()},
    }


def known_settings(files: RunFiles) -> list[str]:
    """The names that a run of these files can be given.

    Example:
        >>> [name in known_settings(run_files("digits", "convnet", "dm")) for name in ("iterations", "experts")]
        [True, False]
    """
    return sorted({name.split("::")[0] for content in files.contents for name in content if name[0] != "+"})


def bundle_line(arguments: Mapping[str, Any]) -> str:
    """The shell line that does the same with MONAI alone."""
    from fire.parser import DefaultParseValue  # how MONAI's command reads its words

    from monai_distill.runtime.literals import literal_settings

    words = ["python", "-m", "monai.bundle", "run"]
    for name, value in literal_settings(arguments).items():
        plain = isinstance(value, str) and DefaultParseValue(value) == value  # not so for a folder named 2024
        words += [f"--{name}", value if plain else repr(value)]
    return shlex.join(words)


def _check_names(values: Mapping[str, Any], files: RunFiles) -> None:
    """MONAI takes any name as a new one; a misspelt setting must not pass for a setting."""
    contents, known = files.contents, known_settings(files)
    for name in values:
        top, *parts = re.split("#|::", name)
        if top not in known:
            raise ValueError(f"Expected a name of the configuration, got --{name}. {hint(top, known, '--')}")
        check_parts(name, parts, [content[key] for content in contents for key in (top, f"+{top}") if key in content])


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
        open_ended = any(isinstance(item, dict) and {"_target_", "_mode_"} & item.keys() for item in items)
        below = [item[part] for item in items if isinstance(item, dict) and part in item]
        below += [i[int(part)] for i in items if isinstance(i, list) and part.isdecimal() and int(part) < len(i)]
        if not below:
            if open_ended and place == len(parts) - 1:
                return
            known = sorted({str(key) for item in items if isinstance(item, dict) for key in item})
            raise ValueError(f"Expected a part of the configuration, got {part} in --{name}. {hint(part, known)}")
        items = below


def hint(name: str, known: Sequence[str], dashes: str = "") -> str:
    """The nearest known name as a question, or all known names.

    Example:
        >>> hint("iterations", ["iterations", "seed"], "--")
        'Did you mean --iterations?'
    """
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {dashes}{near[0]}?" if near else f"Known are {', '.join(known)}."


def _check_data(values: Mapping[str, Any], files: RunFiles, dataset: str) -> None:
    """A forgotten folder must not be taken for the working directory, nor a forgotten --dataset for digits."""
    content = files.contents[1]
    for name in ("dataset_dir", "dataset_file"):
        used = uses(content["dataset"] or {}, name)
        if values.get(name) and not used:
            raise ValueError(
                f"Expected no --{name} for the data set {dataset}, got {values[name]}. Say what lies there with "
                "--dataset, such as --dataset folder or --dataset table (see `monai-distill list`), or leave it out."
            )
        if used and not {**content, **values}.get(name):
            lines = files.dataset.read_text().splitlines()
            comment = " ".join(line[2:] for line in lines if line.startswith("# "))
            raise ValueError(f"Expected --{name} for the data set {dataset}, got none. {comment}")


def _check_start(values: Mapping[str, Any], files: RunFiles) -> None:
    """A start from images that experts classify right exists only where experts are trained."""
    starts = sorted(
        {name for content in files.contents for key in ("initial", "+initial") for name in content.get(key, ())}
    )
    start = str(values.get("initial_images", starts[0]))
    if start not in starts and not start.startswith(("$", "@")):
        raise ValueError(f"Expected --initial_images of {', '.join(starts)} for this method, got {start}.")


def _check_recording(values: Mapping[str, Any]) -> None:
    """Steps are recorded on a GPU only; without this check a run would end after its experts."""
    recorded = [name for name in ("compile_distillation", "compile_training") if values.get(name) == "cuda-graphs"]
    if recorded:
        from monai_distill.runtime.processes.group import default_device  # here, so that `--help` answers at once

        device = str(values.get("device") or default_device())
        if device.startswith("cpu"):
            raise ValueError(f"Expected a GPU for --{recorded[0]} cuda-graphs, got {device}. Leave it out.")


def _check_groups(values: Mapping[str, Any], files: RunFiles, method: str) -> None:
    """Groups have equal weight only where real images are drawn by class: no other run may ignore the setting."""
    column = values.get("group_column")
    if column is None:
        return
    if values.get("epsilon") is not None:
        raise ValueError(
            f"Expected no --group_column with --epsilon, got {column}: the sums of small groups would be mostly noise. "
            "Leave one of them out; --group_columns reports the scores of groups."
        )
    batches = [content["batches"] for content in files.contents if isinstance(content.get("batches"), dict)]
    if not batches or "groups" not in batches[-1]:
        raise ValueError(
            f"Expected --group_column for a method that matches class means of real images, such as dm, got {column} "
            f"for {method}. Leave it out; --group_columns reports the scores of groups."
        )
