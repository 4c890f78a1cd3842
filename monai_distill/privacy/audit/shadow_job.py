"""The run's job repeated on other training images, as an attacker who knows the method could do."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monai.bundle import ConfigParser

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.literals import literal_settings

__all__ = ["REPRODUCED", "ShadowJob", "shadow_differences"]

REPRODUCED = "reproduced"  # key of a shadow's manifest: what the job that ran says of itself
COMPARED = ("method", "images_per_class", "initial_images", "network", "augmentation", "settings")
SILENT = ("ProgressBar", "TensorBoardStatsHandler")  # the audit has one progress bar of its own


class ShadowJob:
    """Repeats a run on other training images: ``shadow(members, seed, columns) -> SyntheticDataset``.

    All steps of the run are done except those that write into the run folder. Files of the shadow (state, experts) go
    to a working folder, which is deleted before and after.

    Args:
        config_file: ``config.json`` of the run.
        settings: settings of the shadows that differ from the run, by id of the configuration (``{"iterations": 20}``).
        validation: validation section of the run.
        test: test section of the run; used only to drop identical training images.
        folder: working folder.

    Raises:
        ValueError: from a call, if a setting is unknown to the configuration, or is one that each shadow sets itself.
    """

    def __init__(
        self, config_file: str | Path, settings: Mapping[str, Any], validation: Any, test: Any, folder: str | Path
    ) -> None:
        self.config_file = Path(config_file)
        self.settings = dict(settings)
        self.sections = {"validate": validation, "test": test}
        self.folder = Path(folder)

    def __call__(
        self, members: ClassBank, seed: int, columns: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> SyntheticDataset:
        """Distill ``members`` (images as pixel values); ``columns`` holds patients and groups where they are known."""
        shutil.rmtree(self.folder, ignore_errors=True)
        parser = ConfigParser()
        parser.read_config(str(self.config_file))
        self._refuse_unknown(parser.config)
        _silence(parser.config)
        per_shadow = {"output_dir": str(self.folder), "seed": seed, "resume": False, "experts_root": None}
        per_shadow["site_ledger"] = None  # shadows are not released, so the site is not charged
        for name, value in literal_settings({**self.settings, **per_shadow}).items():
            parser.set(value, name)
        parser["train"]["dataset"] = _Items(members, columns)
        for section, dataset in self.sections.items():
            parser[section]["dataset"] = dataset
        try:
            self.folder.mkdir(parents=True)
            for step in range(len(parser["reproduce"])):  # in order: a later one may need what an earlier one made
                parser.get_parsed_content(f"reproduce#{step}")
            distilled: SyntheticDataset = parser.get_parsed_content(
                "candidate" if "candidate" in parser.config else "synthetic"
            )
            names = [name for name in COMPARED if name in parser["about"]]
            about = {name: parser.get_parsed_content(f"about#{name}") for name in names}
            distilled.manifest[REPRODUCED] = json.loads(json.dumps(about))
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        return distilled

    def _refuse_unknown(self, config: Mapping[str, Any]) -> None:
        unknown = sorted(name for name in self.settings if name.replace("#", "::").split("::")[0] not in config)
        if unknown:
            raise ValueError(f"Expected settings of the run's configuration for the shadows, got {unknown}.")
        reserved = sorted({"output_dir", "seed", "resume", "experts_root"} & set(self.settings))
        if reserved:
            raise ValueError(
                f"Expected no {reserved} for the shadows: each shadow sets its own. Set --audit#seed instead."
            )


class _Items:
    """A bank in the form of the dataset section that a configuration expects."""

    def __init__(self, bank: ClassBank, columns: Mapping[str, Sequence[str]]) -> None:
        self.bank = bank
        self.data = [{name: values[i] for name, values in columns.items()} for i in range(len(bank))]
        self.class_names = bank.class_names
        self.provenance: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.bank)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.bank.images[index], "label": int(self.bank.labels[index]), **self.data[index]}


def shadow_differences(run: Mapping[str, Any], shadow: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the job that a shadow ran which differ from those in the run's manifest, by path.

    Both describe themselves with the same function, so that a difference shows however it came about: by a setting of
    the audit, an edited configuration or another version.

    Args:
        run: manifest of the run.
        shadow: description of the shadow's job.

    Example:
        >>> run = {"method": "dm", "settings": {"iterations": 400}}
        >>> shadow_differences(run, {"method": "dm", "settings": {"iterations": 1}})
        {'settings.iterations': 1}
    """
    different: dict[str, Any] = {}
    for name in (name for name in COMPARED if name in run or name in shadow):
        different |= dict(_differences(name, run.get(name), shadow.get(name)))
    return different


def _differences(path: str, expected: Any, actual: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name in dict.fromkeys([*expected, *actual]):
            yield from _differences(f"{path}.{name}", expected.get(name), actual.get(name))
    elif expected != actual:
        yield path, actual


def _silence(config: Any) -> None:
    """Disable progress bars and TensorBoard everywhere in the configuration."""
    if isinstance(config, dict):
        if str(config.get("_target_", "")).rsplit(".", 1)[-1] in SILENT:
            config["_disabled_"] = True
        for value in config.values():
            _silence(value)
    elif isinstance(config, list):
        for value in config:
            _silence(value)
