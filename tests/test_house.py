"""The house rules, read off the source: who may import whom, how long things are, what never appears."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "monai_distill"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
FLOORS = {
    "runtime": 0,
    **dict.fromkeys(["losses", "metrics", "networks", "transforms"], 1),
    "data": 2,
    **dict.fromkeys(["engines", "handlers", "privacy", "export"], 3),
    "configuration": 4,
    "cli": 5,
    "__main__": 6,  # does nothing but call the command
}
BANNED_NAMES = {"utils", "util", "misc", "base", "helpers", "common", "core"}
BANNED_CALLS = {
    "print",
    "exit",
    "quit",
    "sys.exit",
    "os._exit",
    "torch.manual_seed",
    "torch.random.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
    "set_determinism",
    "monai.utils.set_determinism",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def room_of(path: Path) -> str:
    """The room a file lies in; empty for the package's own ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported_rooms(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Rooms named by any import statement, wherever it stands; ``package`` is where relative imports start."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            paths = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) - node.level + 1] if node.level else ()
            stem += tuple(node.module.split(".")) if node.module else ()
            paths = [(*stem, alias.name) for alias in node.names]
        else:
            continue
        yield from (path[1] for path in paths if path[0] == "monai_distill" and len(path) > 1 and path[1] in FLOORS)


def climbing_imports(source: str, package: tuple[str, ...], room: str) -> list[str]:
    """Rooms imported that are neither the room itself nor on a lower floor."""
    floor = FLOORS[room] if room else -1
    return [r for r in imported_rooms(ast.parse(source), package) if r != room and FLOORS[r] >= floor]


def body_lines(function: Function) -> int:
    """Lines of a function, its docstring not counted."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def undocumented(tree: ast.Module) -> list[str]:
    """Public classes, functions and public methods of public classes without a docstring."""
    missing: list[str] = []

    def look(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
                if not ast.get_docstring(node):
                    missing.append(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    look(node.body, f"{prefix}{node.name}.")

    look(tree.body, "")
    return missing


def banned_calls(tree: ast.AST) -> list[str]:
    called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [name for name in called if name in BANNED_CALLS]


@pytest.fixture(params=FILES, ids=NAMES)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]


def test_every_room_has_a_floor() -> None:
    assert {room_of(path) for path in FILES} - {""} <= FLOORS.keys()


def test_imports_run_strictly_down(path: Path) -> None:
    package = ("monai_distill", *path.relative_to(PACKAGE).parent.parts)
    assert climbing_imports(path.read_text(), package, room_of(path)) == []


@pytest.mark.parametrize(
    ("source", "room", "climbs"),
    [
        ("from monai_distill.engines import Distiller", "data", ["engines"]),
        ("def f():\n    import monai_distill.losses", "networks", ["losses"]),
        ("from ..handlers import X", "engines", ["handlers"]),
        ("from .. import handlers", "engines", ["handlers"]),
        ("from . import unroll", "engines", []),
        ("from .handlers import x", "engines", []),
        ("from monai_distill.runtime.randomness import seeded_generator", "losses", []),
        ("from monai.engines import Trainer", "data", []),
    ],
)
def test_the_import_rule_finds_what_climbs(source: str, room: str, climbs: list[str]) -> None:
    assert climbing_imports(source, ("monai_distill", room), room) == climbs


def test_no_file_or_folder_has_a_name_that_says_nothing(path: Path) -> None:
    assert not {part.removesuffix(".py").strip("_") for part in path.relative_to(PACKAGE).parts} & BANNED_NAMES


def test_files_have_at_most_250_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 250


def test_functions_have_at_most_45_lines_besides_their_docstring(path: Path) -> None:
    long = {f.name: body_lines(f) for f in functions(ast.parse(path.read_text())) if body_lines(f) > 45}
    assert long == {}


def test_files_open_with_license_and_future_import(path: Path) -> None:
    source = path.read_text()
    assert "# SPDX-License-Identifier: Apache-2.0" in source.splitlines()[:10]
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    if imports:
        first = imports[0]
        assert isinstance(first, ast.ImportFrom)
        assert first.module == "__future__"
        assert "annotations" in [alias.name for alias in first.names]
    assert ast.get_docstring(ast.parse(source))


def test_public_classes_and_functions_are_documented(path: Path) -> None:
    assert undocumented(ast.parse(path.read_text())) == []


def test_nothing_prints_exits_or_seeds_globally_but_the_command(path: Path) -> None:
    allowed = {
        "cli": {"print", "sys.exit"},
        "__main__": {"sys.exit"},
        "runtime": {"torch.cuda.manual_seed_all"},  # the one door, which restores the state behind it
    }.get(room_of(path), set())
    assert set(banned_calls(ast.parse(path.read_text()))) <= allowed


def test_the_rules_on_functions_find_offenders() -> None:
    source = 'def f():\n    """Two\n    lines."""\n    print(1)\n    torch.manual_seed(0)\n'
    source += "class A:\n    def b(self): ..."
    tree = ast.parse(source)
    assert body_lines(functions(tree)[0]) == 3
    assert banned_calls(tree) == ["print", "torch.manual_seed"]
    assert undocumented(tree) == ["A", "A.b"]


def test_no_public_name_is_one_of_monai_s() -> None:
    public = {
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_")
    }
    program = f"""
import importlib, pkgutil
import monai_distill
from monai.bundle.config_item import ComponentLocator
for module in pkgutil.walk_packages(monai_distill.__path__, "monai_distill."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
locator = ComponentLocator()
places = {{name: locator.get_component_module_name(name) for name in {sorted(public)}}}
several = {{name: found for name, found in places.items() if isinstance(found, list)}}
shared = {{name for name, found in several.items() if not all(m.startswith("monai_distill") for m in found)}}
assert not shared, shared
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_importing_every_module_leaves_all_random_states_alone() -> None:
    program = """
import importlib, pkgutil, pickle, random, sys
import numpy, torch
def states():
    return pickle.dumps((random.getstate(), numpy.random.get_state(), torch.random.get_rng_state().numpy().tobytes()))
def import_all():
    import monai_distill
    for module in pkgutil.walk_packages(monai_distill.__path__, "monai_distill."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
import_all()  # other packages may draw when they are imported (rich does, which scikit-learn imports where it is there)
for name in [name for name in sys.modules if name.split(".")[0] == "monai_distill"]:
    del sys.modules[name]
before = states()
import_all()
assert states() == before, "a random state changed"
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
