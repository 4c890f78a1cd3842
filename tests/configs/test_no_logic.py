"""Configurations hold values and references; logic is Python with a name and a test."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_distill.configuration.files import config_dir

ROOT = config_dir()
BUNDLES = ROOT.parent / "bundles"
MOST = 150
LOGIC = (ast.Lambda, ast.IfExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def expressions(part: Any) -> Iterator[str]:
    """Every value that begins with ``$``, imports included."""
    if isinstance(part, dict):
        for value in part.values():
            yield from expressions(value)
    elif isinstance(part, list):
        for value in part:
            yield from expressions(value)
    elif isinstance(part, str) and part.startswith("$"):
        yield part


def has_logic(expression: str) -> bool:
    """Whether an expression decides, loops, defines a function or fills in arguments."""
    tree = ast.parse(re.sub(r"@(\w+(?:(?:#|::)\w+)*)", lambda found: re.sub(r"\W+", "_", found[1]), expression[1:]))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return "partial" in names or any(isinstance(node, LOGIC) for node in ast.walk(tree))


def files() -> list[Path]:
    return [*sorted(ROOT.rglob("*.yaml")), *sorted(BUNDLES.glob("*/configs/*.json"))]


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT.parent)))
def test_no_configuration_has_logic(file: Path) -> None:
    content = json.loads(file.read_text()) if file.suffix == ".json" else yaml.safe_load(file.read_text())
    assert [text for text in expressions(content) if has_logic(text)] == []


@pytest.mark.parametrize(
    ("expression", "logic"),
    [
        ("$lambda: None", True),
        ("$1 if @a#b else 2", True),
        ("$[x for x in @items]", True),
        ("$functools.partial(@f, 1)", True),
        ("$@data.training", False),
        ("$@output_dir + '/lambda if partial.json'", False),
    ],
)
def test_the_rule_finds_logic(expression: str, logic: bool) -> None:
    assert has_logic(expression) is logic


def test_few_values_are_expressions() -> None:
    count = sum(len(list(expressions(yaml.safe_load(file.read_text())))) for file in ROOT.rglob("*.yaml"))
    assert count < MOST


def test_no_handler_is_named_by_its_position() -> None:
    text = "".join(file.read_text() for file in files())
    assert re.findall(r"handlers(?:#|::)\d", text) == []
