"""The files of ``configs/``: where they lie, what there is to choose from, and which of them make a run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

__all__ = ["RunFiles", "available", "config_dir", "dataset_entry", "read_yaml", "run_files", "uses"]

Config = dict[str, Any]


def config_dir() -> Path:
    """Where ``configs/`` lies: inside an installed package, or next to it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    return here / "configs" if (here / "configs").is_dir() else here.parent / "configs"


def read_yaml(file: Path) -> Config:
    """The content of a YAML file; the caller may change it."""
    return deepcopy(_read(file))


@functools.lru_cache(maxsize=256)
def _read(file: Path) -> Config:
    content: Config = yaml.safe_load(file.read_text())
    return content


def available(kind: str) -> list[str]:
    """Names of ``datasets``, ``methods``, ``networks`` or ``bundles``: those of files and of the entries in a file."""
    names: list[str] = []
    for file in (config_dir() / kind).glob("*.yaml"):
        if _read(file).get("listed") is False:  # not for the command
            continue
        names += _read(file).get("entries", {}) or [file.stem]
    return sorted(names)


def dataset_entry(name: str) -> tuple[Path, Config]:
    """The file of a data set, and the settings of its entry where the file describes several data sets.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> file, entry = dataset_entry("bloodmnist")
        >>> file.name, entry["flag"], entry["spatial_dims"]
        ('medmnist.yaml', 'bloodmnist', 2)
    """
    for file in sorted((config_dir() / "datasets").glob("*.yaml")):
        entries = _read(file).get("entries")
        if entries is None and file.stem == name:
            return file, {}
        if entries is not None and name in entries:
            return file, {"flag": name, **{key: value for key, value in entries[name].items() if key != "about"}}
    raise ValueError(f"Expected a data set of {', '.join(available('datasets'))}, got {name!r}.")


class RunFiles:
    """The files that make a run, later ones over earlier ones.

    Attributes:
        dataset: the data set's file.
        network: the network's file; of a dotted name, such as ``monai.networks.nets.DenseNet121``, ``adapted.yaml``.
        method: the families' files and the method's.
        guarantee: the files that ``--epsilon`` adds.
        entry: settings of the data set's entry, and the dotted name of the network.
    """

    def __init__(self, dataset: str, network: str, method: str, *, guaranteed: bool = False) -> None:
        root = config_dir()
        self.dataset, self.entry = dataset_entry(dataset)
        self.network = root / "networks" / f"{'adapted' if '.' in network else network}.yaml"
        if "." in network:
            self.entry = {**self.entry, "network_target": network}
        own = root / "methods" / f"{method}.yaml"
        self.method = [*_families(_read(own).get("family", [])), own]
        self.guarantee = self._guarantee_files(method) if guaranteed else []

    def _guarantee_files(self, method: str) -> list[Path]:
        ways = [_read(file).get("with_epsilon", []) for file in self.method]
        if not any(ways) or ways[-1] is None:
            reasons = [_read(file)["no_guarantee"] for file in self.method if "no_guarantee" in _read(file)]
            raise ValueError(
                f"The method {method} has no way to a guarantee{''.join(f': {reason}' for reason in reasons[-1:])}. "
                f"Methods with one: {', '.join(_guaranteed_methods())}."
            )
        return _families([name for way in ways for name in way])

    @property
    def all(self) -> list[Path]:
        """Every file, in the order in which they are laid over one another."""
        return [config_dir() / "common.yaml", self.dataset, self.network, *self.method, *self.guarantee]

    @property
    def contents(self) -> list[Config]:
        """The contents of the files, in the same order; callers must not change them."""
        return [_read(file) for file in self.all]


def run_files(dataset: str, network: str, method: str, *, guaranteed: bool = False) -> RunFiles:
    """The files of a run.

    Args:
        dataset: name of a data set.
        network: name of a network.
        method: name of a method; its file names the families that it builds on.
        guaranteed: whether the run has ``--epsilon``.

    Raises:
        ValueError: for an unknown data set, or a guarantee for a method that has no way to one.

    Example:
        >>> [file.name for file in run_files("digits", "convnet", "mtt").all]
        ['common.yaml', 'digits.yaml', 'convnet.yaml', 'experts.yaml', 'trajectory.yaml', 'mtt.yaml']
    """
    return RunFiles(dataset, network, method, guaranteed=guaranteed)


def uses(part: Mapping[str, Any], setting: str) -> bool:
    """Whether a component of a configuration has an argument that refers to ``setting``.

    Example:
        >>> uses({"_target_": "Loader", "root_dir": "@dataset_dir"}, "dataset_dir")
        True
    """
    return f"@{setting}" in part.values()


def _families(names: str | Sequence[str]) -> list[Path]:
    """The files of families, each after those of the families that it builds on."""
    files: list[Path] = []
    for name in [names] if isinstance(names, str) else names:
        file = config_dir() / "families" / f"{name}.yaml"
        files += [*_families(_read(file).get("family", [])), file]
    return files


def _guaranteed_methods() -> list[str]:
    names = []
    for name in available("methods"):
        own = config_dir() / "methods" / f"{name}.yaml"
        ways = [_read(file).get("with_epsilon", []) for file in (*_families(_read(own).get("family", [])), own)]
        if any(ways) and ways[-1] is not None:
            names.append(name)
    return names
