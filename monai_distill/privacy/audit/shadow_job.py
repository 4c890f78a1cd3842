"""The run's own job on other training images: what an attacker who knows the method would repeat."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.runtime.literals import literal_settings

__all__ = ["ShadowJob"]

SILENT = ("ProgressBar", "TensorBoardStatsHandler")  # one bar for the whole audit is enough


class ShadowJob:
    """Runs a configuration anew on given training images: ``shadow(members, seed, patients) -> SyntheticDataset``.

    Every step of the configuration's ``run`` is done but those that write into the run folder. Its own files (state,
    experts) lie in a working folder that is emptied before and after.

    Args:
        config_file: the run's ``config.json``.
        settings: what shadows do otherwise, by id of the configuration (``{"iterations": 20}``).
        validation: the run's validation section.
        test: its test section; nobody looks at it but to drop identical training images.
        folder: the working folder.

    Raises:
        ValueError: from a call, when a setting's first part is no name of the configuration, or is one that every
            shadow must have of its own.
    """

    def __init__(
        self, config_file: str | Path, settings: Mapping[str, Any], validation: Any, test: Any, folder: str | Path
    ) -> None:
        self.config_file = Path(config_file)
        self.settings = dict(settings)
        self.sections = {"validate": validation, "test": test}
        self.folder = Path(folder)

    def __call__(self, members: ClassBank, seed: int, patients: Sequence[str] | None = None) -> SyntheticDataset:
        """Distil ``members`` (images as pixel values); ``patients`` says whose they are, where that is known."""
        shutil.rmtree(self.folder, ignore_errors=True)
        parser = ConfigParser()
        parser.read_config(str(self.config_file))
        self._refuse_unknown(parser.config)
        parser["run"] = [step for step in parser["run"] if "@run_folder" not in str(step)]
        _silence(parser.config)
        own = {"output_dir": str(self.folder), "seed": seed, "resume": False, "experts_root": None}
        own["site_ledger"] = None  # shadows are not released, so the site is not charged
        for name, value in literal_settings({**self.settings, **own}).items():
            parser.set(value, name)
        parser["train"]["dataset"] = _Items(members, patients)
        for section, dataset in self.sections.items():
            parser[section]["dataset"] = dataset
        try:
            self.folder.mkdir(parents=True)
            parser.get_parsed_content("run")
            found: SyntheticDataset = parser.get_parsed_content(
                "candidate" if "candidate" in parser.config else "synthetic"
            )
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        return found

    def _refuse_unknown(self, config: Mapping[str, Any]) -> None:
        unknown = sorted(name for name in self.settings if name.replace("#", "::").split("::")[0] not in config)
        if unknown:
            raise ValueError(f"Expected settings of the run's configuration for the shadows, got {unknown}.")
        taken = sorted({"output_dir", "seed", "resume", "experts_root"} & set(self.settings))
        if taken:
            raise ValueError(f"Expected no {taken} for the shadows: each has its own. The audit's is --audit#seed.")


class _Items:
    """A bank as the dataset section that a configuration expects."""

    def __init__(self, bank: ClassBank, patients: Sequence[str] | None) -> None:
        self.bank = bank
        self.patients = patients
        self.class_names = bank.class_names
        self.provenance: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.bank)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = {"image": self.bank.images[index], "label": int(self.bank.labels[index])}
        return item if self.patients is None else {**item, "patient": self.patients[index]}


def _silence(config: Any) -> None:
    """Disable progress bars and TensorBoard wherever they stand."""
    if isinstance(config, dict):
        if str(config.get("_target_", "")).rsplit(".", 1)[-1] in SILENT:
            config["_disabled_"] = True
        for value in config.values():
            _silence(value)
    elif isinstance(config, list):
        for value in config:
            _silence(value)
