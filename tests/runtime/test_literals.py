"""Names from data reach a MONAI configuration as text: equal when read back, never executed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from monai.bundle import ConfigParser

from monai_distill.configuration.bundle_configs import bundle_configs, composed_job, recipe
from monai_distill.configuration.dependencies import with_dependencies
from monai_distill.runtime.literals import literal, literal_settings

PIECES = (
    "$",
    "@",
    "%",
    "#",
    "::",
    "@#",
    "%##",
    "\\",
    "'",
    '"',
    "{",
    "}",
    "\n",
    "import os",
    "seed",
    "é",
    "肺",
    "\u2028",
)
HOSTILE = (
    "$print('x')",
    "$import this",
    "$import-ant",
    "@seed",
    "@",
    "@missing",
    "%a",
    "%seed",
    "a%#b",
    "a@##b",
    "$@run",
)
names = st.one_of(st.text(min_size=1, max_size=12), st.lists(st.sampled_from(PIECES), min_size=1).map("".join))


def executed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Everything that ``print`` is called with."""
    calls: list[Any] = []
    monkeypatch.setattr(builtins, "print", lambda *values, **_: calls.append(values))
    return calls


def read_back(config: dict[str, Any], key: str, tmp: Path) -> Any:
    file = tmp / "config.json"
    file.write_text(json.dumps(config))
    return ConfigParser(ConfigParser.load_config_file(file)).get_parsed_content(key)


@settings(max_examples=200, deadline=None)
@given(st.lists(names, min_size=1, max_size=4))
@example(list(HOSTILE))
def test_any_name_comes_back_equal(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    config = {"seed": 1, "run": 2, "class_names": literal(texts), "nested": {"names": "@class_names"}}
    assert read_back(config, "nested", tmp_path_factory.getbasetemp()) == {"names": texts}
    assert with_dependencies({"class_names": config["class_names"]}, {}) == {"class_names": config["class_names"]}


def test_nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = executed(monkeypatch)
    config = {"_meta_": literal({"classes": ["$import this", "$print('x')"]}), "names": literal(list(HOSTILE))}
    assert read_back(config, "names", tmp_path) == list(HOSTILE)
    assert calls == []


def test_ordinary_names_stay_readable() -> None:
    ordinary = ["Lung_Opacity", "50% stenosis", "a: b", "cost $5", "黒色腫", ""]
    assert literal(ordinary) == ordinary


def test_only_names_and_texts_are_escaped_among_settings() -> None:
    given_settings = {
        "dataset_dir": "/data/scan #3",
        "iterations": "$2 * 3",
        "experts_root": "$None",
        "class_names": ["@x"],
    }
    escaped = literal_settings(given_settings)
    assert (escaped["iterations"], escaped["experts_root"]) == ("$2 * 3", "$None")
    parser = ConfigParser({**escaped, "seen": ["@dataset_dir", "@class_names"]})
    assert parser.get_parsed_content("seen") == ["/data/scan #3", ["@x"]]


@settings(max_examples=25, deadline=None)
@given(st.lists(names, min_size=2, max_size=4, unique=True))
@example(list(HOSTILE))
def test_every_configuration_of_a_bundle_holds_the_names(classes: list[str]) -> None:
    job = composed_job("folder", "convnet", "dm", {"image_size": [8, 8], "dataset_name": "mine", "dataset_dir": "x"})
    configs = json.loads(json.dumps(bundle_configs("mine", job, [1, 8, 8], classes, recipe("mine"))))
    for kind in ("train", "inference"):
        parser = ConfigParser(configs[kind])
        parser.read_meta(configs["metadata"])
        assert parser.get_parsed_content("class_names") == classes
        channels = parser.get_parsed_content("_meta_::network_data_format::outputs::pred::channel_def")
        assert list(channels.values()) == classes
