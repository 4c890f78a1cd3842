"""The texts of a bundle: README, licenses, a tutorial, and what their templates are filled with."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from monai_distill import __version__

from .files import config_dir, read_yaml, uses

__all__ = ["about_bundle", "bundle_papers", "filled", "images_held"]

Config = dict[str, Any]


def bundle_papers(
    name: str, train: Config, words: Config, image_shape: Sequence[int], class_names: Sequence[str]
) -> dict[str, str]:
    """LICENSE, logging.conf, README, data license and, where the recipe names one, the tutorial by path."""
    about = about_bundle(name, train, words, image_shape, class_names)
    root = config_dir()
    license = root.parent / "LICENSE"  # next to configs/, in a checkout and in an installed package
    tutorial = {"docs/tutorial.ipynb": root / "bundles" / words["tutorial"]} if "tutorial" in words else {}
    return {
        "LICENSE": license.read_text(),
        "configs/logging.conf": (root / "bundle" / "logging.conf").read_text(),
        "docs/README.md": Template((root / "bundle" / "README.md").read_text()).substitute(about),
        "docs/data_license.txt": words["data_license"],
        **{path: file.read_text(encoding="utf-8") for path, file in tutorial.items()},
    }


def about_bundle(
    name: str, train: Config, words: Config, shape: Sequence[int], class_names: Sequence[str]
) -> dict[str, str]:
    """The values that templates of texts and of ``metadata.json`` are filled with."""
    network = str(train["network_def"]["_target_"]).rpartition(".")[2]
    needs_data = uses(train["train"]["dataset"]["data"], "dataset_dir")
    metadata = {**read_yaml(config_dir() / "bundle" / "metadata.yaml"), **words.get("metadata", {})}
    fixed = {
        "name": name,
        "display_name": words.get("display_name") or name.replace("_", " ").capitalize(),  # in the zoo's browser
        "authors": metadata["authors"],
        "method": str(train["method"]),
        "network": network,
        "images_per_class": str(train["images_per_class"]),
        "number": str(len(class_names)),
        "images": _images(train, len(class_names), len(shape) - 1),
        "classes": ", ".join(class_names),
        "channels": str(shape[0]),
        "sides": "x".join(map(str, shape[1:])),
        "package_version": __version__,
        "measured": _measured(metadata.get("eval_metrics", {})),
        "references": _references(metadata["references"], str(train["method"])),
        "system": words.get("system", ""),
        "data_words": " --dataset_dir DATA" if needs_data else "",
        "command": words.get("command") or f"monai-distill bundle {shlex.quote(name)} --images_per_class N --to FOLDER",
    }
    fixed |= filled(_claims(train), {**fixed, "spread": _spread(train), **_numbers(train)})
    return {**fixed, **{key: filled(words[key].strip(), fixed) for key in ("title", "status", "data")}}


def images_held(train: Config, dims: int) -> int:
    """Images that the stored images of one class hold: as many as are stored, or more with a factor above 1.

    Args:
        train: the configuration of the bundle's job.
        dims: spatial dimensions of an image.
    """
    from monai_distill.transforms.canvas_decode import CanvasDecode  # here, so that `list` and `--help` answer at once

    decode = CanvasDecode(int(train["factor"]), str(train["factor_kind"]))
    return len(decode.cells([0] * int(train["images_per_class"]), dims).canvas)


def _images(train: Config, classes: int, dims: int) -> str:
    """The number of stored images and, where it differs, of those that they hold."""
    stored, held = int(train["images_per_class"]), images_held(train, dims)
    smaller = "" if held == stored else f", which hold {classes * held} smaller ones,"
    return f"{classes * stored} synthetic images{smaller}"


def _spread(train: Config) -> str:
    """The sentence on how several processes change a bundle's result."""
    if "segments_per_step" in train:
        return (
            ".\nAn iteration then averages one trajectory segment per process; `--segments_per_step N` in one process "
            "gives the same set to\nrounding. Machines must share the folder of the experts, `--expert_dir`"
        )
    return ".\nThe set is to rounding the one that a single process makes"


def _claims(train: Config) -> dict[str, str]:
    """The sentences that depend on whether the set has a guarantee."""
    sentences: dict[str, dict[str, str]] = read_yaml(config_dir() / "bundle" / "claims.yaml")
    return sentences["none" if train["guarantee"] is None else "epsilon"]


def _numbers(train: Config) -> dict[str, str]:
    """The numbers of the guarantee, where there is one."""
    return {name: f"{train[name]:g}" for name in ("epsilon", "delta", "public_mean", "public_std") if name in train}


def _measured(scores: Mapping[str, float]) -> str:
    """The scores of a filled bundle as a table."""
    if not scores:
        return "Not measured here. Evaluate measures the set that train makes, next to its controls."
    rows = [f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in scores.items()]
    return "\n".join(["| on what is shipped here | |", "|---|---|", *rows])


def _references(given: Sequence[str], method: str) -> str:
    shown = given or [f"`monai-distill list` names the paper of `{method}`."]
    return "\n".join(f"[{number}] {text}\n" for number, text in enumerate(shown, start=1)).strip()


def filled(content: Any, about: Mapping[str, str]) -> Any:
    """The content of a YAML file with the ``$NAME`` of its texts filled in."""
    if isinstance(content, str):
        return Template(content).substitute(about)
    if isinstance(content, Mapping):
        return {key: filled(value, about) for key, value in content.items()}
    return [filled(value, about) for value in content] if isinstance(content, list) else content
