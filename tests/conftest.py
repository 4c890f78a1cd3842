"""Fixtures of every test."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers that each start a thread per core wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, here and in the commands that tests start


LONGEST = ("other_device", "runtime/processes")  # folders, each of whose modules waits for processes of its own


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules, so that no worker of the suite ends long after the other."""
    folders = [Path(__file__).parent / name for name in LONGEST]
    items.sort(key=lambda item: not any(item.path.is_relative_to(folder) for folder in folders))


def pytest_collection_finish() -> None:
    """Exempt libraries and tests from garbage collection, of which every run of the command does one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _user_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the cache of the machine's user; the commands that tests start neither."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module", autouse=True)
def _figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Figures are drawn in tests/export, in doctests, and in modules marked ``draws``: it takes half of a small run."""
    from tests.configs.command import undrawn_figures  # imports torch

    folder = Path(__file__).parent
    drawn = request.node.get_closest_marker("draws") or request.path.is_relative_to(folder / "export")
    with contextlib.nullcontext() if drawn else undrawn_figures():
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data next to the checkout; nothing of it is part of the project."""
    folder = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data is not here: {folder}")
    return folder
