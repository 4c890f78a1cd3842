"""House rules that neither ruff nor import-linter can check (their rules are in pyproject.toml)."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "monai_distill"
FILES = sorted(PACKAGE.rglob("*.py"))
BANNED_NAMES = {"utils", "util", "misc", "base", "helpers", "common", "core"}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 250, 45
MAX_PUBLIC_NAMES = 129
MAX_ARGUMENTS = 8  # of a constructor
STORED = {"AdaptedNetwork", "ConvNet", "SiameseAugment"}  # manifests store their 9 arguments one by one
Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(function: Function) -> int:
    """Lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def functions(source: str) -> Iterator[Function]:
    yield from (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    parts = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in FILES}
    assert [path for path, names in parts.items() if {name.strip("_") for name in names} & BANNED_NAMES] == []


def test_files_are_short() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {f"{path}:{f.name}": body_lines(f) for path in FILES for f in functions(path.read_text())}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_constructors_are_short() -> None:
    counts = {
        node.name: len(function.args.args + function.args.kwonlyargs) - 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for function in node.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
    }
    assert {name for name, count in counts.items() if count > MAX_ARGUMENTS} == STORED


def test_the_docstring_does_not_count_as_body() -> None:
    source = 'def f():\n    """Two\n    lines."""\n    return 1\n'
    assert [body_lines(function) for function in functions(source)] == [2]


def room_of(path: Path) -> str:
    return ".".join(path.parent.relative_to(PACKAGE.parent).parts)


def public_names() -> dict[str, set[str]]:
    """Room -> names in its ``__all__``."""
    trees = {room_of(path): ast.parse(path.read_text()) for path in FILES if path.name == "__init__.py"}
    lists = {
        room: [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        for room, tree in trees.items()
    }
    return {room: {name for value in values for name in ast.literal_eval(value)} for room, values in lists.items()}


def test_the_rooms_list_only_what_users_import() -> None:
    number = sum(len(names) for names in public_names().values())
    assert number <= MAX_PUBLIC_NAMES, "configurations and package code name the module that defines a name"


def test_package_code_imports_from_the_module_that_defines_a_name() -> None:
    public = public_names()
    shortcuts = [
        f"{path}:{node.lineno}: {node.module}.{alias.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and not node.level and node.module != "monai_distill"
        for alias in node.names
        if alias.name in public.get(node.module or "", ())
    ]
    assert shortcuts == []


IMPORTED = """
import importlib, json, pickle, pkgutil, random, sys
import numpy, torch
from monai.bundle.config_item import ComponentLocator
def states():
    return pickle.dumps((random.getstate(), numpy.random.get_state(), torch.random.get_rng_state().numpy().tobytes()))
def import_all():
    import monai_distill
    for module in pkgutil.walk_packages(monai_distill.__path__, "monai_distill."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
import_all()  # other packages may draw when they are imported (rich does, which scikit-learn imports where it is there)
locator = ComponentLocator()
places = {name: locator.get_component_module_name(name) for name in json.loads(sys.argv[1])}
for name in [name for name in sys.modules if name.split(".")[0] == "monai_distill"]:
    del sys.modules[name]
before = states()
import_all()
print(json.dumps({"unchanged": states() == before, "places": places}))
"""


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    """A process that imports every module: where MONAI finds the public names, and whether a random state changed."""
    public = {
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_")
    }
    words = [sys.executable, "-c", IMPORTED, json.dumps(sorted(public))]
    done = subprocess.run(words, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["places"].keys() == public
    return found


def test_no_public_name_is_one_of_monai_s(imported: dict[str, Any]) -> None:
    several = {name: found for name, found in imported["places"].items() if isinstance(found, list)}
    assert [n for n, found in several.items() if not all(m.startswith("monai_distill") for m in found)] == []


def test_importing_every_module_leaves_all_random_states_alone(imported: dict[str, Any]) -> None:
    assert imported["unchanged"]
