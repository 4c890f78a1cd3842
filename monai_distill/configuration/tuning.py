"""A search for settings on validation images, within a time, with pruning and shared experts."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import functools
import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from monai.utils import optional_import

from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.literals import literal_settings

__all__ = ["Search", "SearchRange", "search_space"]

METRIC = "balanced_accuracy"  # a run selects by it too
HANDLERS = [  # a trial validates and writes nothing
    {"_target_": "monai_distill.handlers.handler_group.HandlerGroup", "handlers": "@method_handlers"},
    {"_target_": "ValidationHandler", "interval": "@val_interval", "validator": "@validate#evaluator"},
]
NOT_STORED = ("config_file", "tracking", "save_execute_config")


@dataclasses.dataclass(frozen=True)
class SearchRange:
    """The values of a setting that a search tries.

    Attributes:
        base: the value that is tried first.
        low: smallest number.
        high: largest number.
        choices: the values to choose from; none for a range of numbers.
        log: whether numbers are drawn on a logarithmic scale.

    Example:
        >>> SearchRange.around(10.0, 10).high
        100.0
    """

    base: Any
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Any, ...] = ()
    log: bool = False

    @classmethod
    def around(cls, base: float, factor: float) -> SearchRange:
        """From ``base / factor`` to ``base * factor`` on a logarithmic scale."""
        return cls(base, base / factor, base * factor, log=True)

    def suggested(self, trial: Any, name: str) -> Any:
        """The value of an Optuna trial."""
        if self.choices:
            return trial.suggest_categorical(name, list(self.choices))
        if isinstance(self.base, int):
            return trial.suggest_int(name, int(self.low), int(self.high))
        return float(f"{trial.suggest_float(name, self.low, self.high, log=self.log):.3g}")


def search_space(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, SearchRange]:
    """The ranges to search by setting, around their values; settings that were given are left out.

    Args:
        values: the values of the settings of a run.
        given: settings that must not change.

    Example:
        >>> space = search_space({"image_lr": 100.0, "expert_lr": 0.01, "expert_epochs": 2, "max_start_epoch": 6}, {})
        >>> sorted(space), space["expert_epochs"].high, space["max_start_epoch"].high
        (['expert_epochs', 'expert_lr', 'image_lr', 'max_start_epoch'], 3, 9)
    """
    space: dict[str, SearchRange] = {}
    rate = "base_image_lr" if "base_image_lr" in values else "image_lr"
    if values.get(rate) and "image_lr" not in given:
        space[rate] = SearchRange.around(float(values[rate]), 10)
    if values.get("expert_lr"):
        rates = [float(f"{float(values['expert_lr']) * factor:.2g}") for factor in (1, 1 / 3, 3)]
        space["expert_lr"] = SearchRange(rates[0], choices=tuple(rates))  # few, so that trials share experts
        length, window = int(values["expert_epochs"]), int(values["max_start_epoch"])
        space["expert_epochs"] = SearchRange(length, 1, length + 1)
        space["max_start_epoch"] = SearchRange(window, 1, -(-3 * window // 2))
    if values.get("network_lr"):
        space["network_lr"] = SearchRange.around(float(values["network_lr"]), 5)
    operations = values.get("operations")
    if isinstance(operations, list) and operations:
        subsets = dict.fromkeys([",".join(operations), ",".join(o for o in operations if o != "color"), "crop", ""])
        space["operations"] = SearchRange(",".join(operations), choices=tuple(subsets))
    return {name: of for name, of in space.items() if name not in given}


class Search:
    """Tries settings: distills with them and scores the selected set on validation images, never on test images.

    The first trial has the settings as they are. All trials use the same seeds and data, and share experts that are
    trained alike. A trial ends at the validation at which it falls behind the median of the earlier trials. Every
    trial is stored, so that a search can be continued.

    References:
        Akiba et al., Optuna: A Next-generation Hyperparameter Optimization Framework, KDD 2019,
        https://arxiv.org/abs/1907.10902 (TPE sampler, median pruner).

    Args:
        values: arguments of ``monai.bundle.run`` of the run whose settings are searched.
        folder: receives ``trials.json``, the study and the experts.
        given: settings that are not searched.
        seed: of the sampler.

    Raises:
        RuntimeError: if Optuna is not installed.
    """

    def __init__(self, values: Mapping[str, Any], folder: str | Path, given: Mapping[str, Any], seed: int = 0) -> None:
        self.optuna, installed = optional_import("optuna")
        if not installed:
            raise RuntimeError('Expected Optuna for `tune`, found none. Install it: pip install "monai-distill[tune]"')
        self.values, self.folder = dict(values), Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        parser = self._parser({}, self.folder / "base")
        self.data = parser.get_parsed_content("data")
        names = (
            "image_lr",
            "base_image_lr",
            "network_lr",
            "expert_lr",
            "expert_epochs",
            "max_start_epoch",
            "operations",
        )
        base = {name: parser.get_parsed_content(name) for name in names if name in parser.config}
        self.space = search_space(base, given)
        if not self.space:
            raise ValueError("Expected at least one setting to search, but all of them are given. Leave one out.")
        self.study = self._study(seed)

    def _study(self, seed: int) -> Any:
        backend = self.optuna.storages.journal.JournalFileBackend(str(self.folder / "study.log"))
        study = self.optuna.create_study(
            study_name="tune",
            direction="maximize",
            storage=self.optuna.storages.JournalStorage(backend),
            load_if_exists=True,
            sampler=self.optuna.samplers.TPESampler(seed=seed, n_startup_trials=5),
            pruner=self.optuna.pruners.MedianPruner(n_startup_trials=3),
        )
        if not study.trials:
            study.enqueue_trial({name: of.base for name, of in self.space.items()})
        return study

    def run(self, seconds: float, trials: int | None = None, tell: Callable[[str], object] = lambda line: None) -> None:
        """Try settings until the time is over: a trial that would not end in time is not begun.

        Args:
            seconds: wall seconds.
            trials: largest number of trials; None for any.
            tell: called with a line about every trial.
        """
        end, longest, count = time.monotonic() + seconds, 0.0, 0
        while (trials is None or count < trials) and time.monotonic() + longest < end:
            began = time.monotonic()
            self.study.optimize(functools.partial(self._trial), n_trials=1, catch=(RuntimeError,))
            took = time.monotonic() - began
            longest, count = max(longest, took) if count else took, count + 1
            last = self.study.trials[-1]
            value = "none" if last.value is None else f"{last.value:.3f}"
            how = f"{last.state.name.lower()}, {took:.0f} s"
            tell(f"trial {last.number}: {METRIC} {value} ({how}), {self.settings(last)}")
            self._store()

    def best(self) -> tuple[dict[str, Any], float, float]:
        """The settings with the best validation score, that score, and that of the first trial.

        Raises:
            RuntimeError: if no trial was finished.
        """
        done = [trial for trial in self.study.trials if trial.state.name == "COMPLETE"]
        if not done:
            raise RuntimeError("Expected a finished trial, got none. Give more --minutes, or lower the learning rates.")
        best = max(done, key=lambda trial: (trial.value, -trial.number))
        return self.settings(best), float(best.value), float(done[0].value)

    def settings(self, trial: Any) -> dict[str, Any]:
        """The settings of a trial, as a run takes them."""
        settings = dict(trial.params)
        if "operations" in settings:
            settings["operations"] = [word for word in settings["operations"].split(",") if word]
        return {name: float(f"{v:.3g}") if isinstance(v, float) else v for name, v in settings.items()}

    def _trial(self, trial: Any) -> float:
        for name, of in self.space.items():
            of.suggested(trial, name)
        settings = self.settings(trial)
        if "max_start_epoch" in self.space and "expert_epochs" in self.space:  # experts of one length, to be shared
            spans = (self.space["max_start_epoch"], self.space["expert_epochs"])
            settings["min_expert_epochs"] = int(sum(of.high for of in spans)) - 1
        parser = self._parser(settings, self.folder / f"trial{trial.number}")
        parser.update({"data": self.data})
        for step in range(len(parser["initialize"])):
            parser.get_parsed_content(f"initialize#{step}")
        steps = parser.get_parsed_content("run_steps")
        validator, trainer = (parser.get_parsed_content(name) for name in ("validate#evaluator", "train#trainer"))
        values: list[float] = []

        def report(engine: Engine) -> None:
            values.append(float(engine.state.metrics[METRIC]))
            trial.report(max([value for value in values if value == value], default=0.0), len(values))
            if trial.should_prune():
                raise self.optuna.TrialPruned

        validator.add_event_handler(Events.COMPLETED, report)
        steps.prepare(parser.get_parsed_content("prepare_objective"))
        steps.distill(trainer, parser.get_parsed_content("selection"))
        return max(value for value in values if value == value)

    def _parser(self, settings: Mapping[str, Any], folder: Path) -> ConfigParser:
        parser = ConfigParser()
        parser.read_config(self.values["config_file"])
        own = {
            "output_dir": str(folder),
            "experts_root": str(self.folder / "experts"),
            "train#handlers": HANDLERS,
        }
        settings = {**{n: v for n, v in self.values.items() if n not in NOT_STORED}, **settings, **own}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser.update(literal_settings({name: "$None" if v is None else v for name, v in settings.items()}))
        return parser

    def _store(self) -> None:
        rows = [
            {
                "number": trial.number,
                "state": trial.state.name,
                "validation": trial.value,
                "settings": self.settings(trial),
                "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 1),
            }
            for trial in self.study.trials
        ]
        atomic_write(self.folder / "trials.json", json.dumps(rows, indent=2).encode())
