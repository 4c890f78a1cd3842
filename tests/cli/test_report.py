"""``monai-distill report`` tells what it cannot do."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from tests.configs.command import command


@pytest.mark.parametrize(("words", "says"), [((), "Cannot find"), (("--images", "1"), "Unknown arguments")])
def test_a_folder_without_a_run_and_unknown_words_are_refused(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    outcome = command("report", tmp_path, *words)
    assert outcome.code == 1
    assert says in outcome.err
    assert list(tmp_path.iterdir()) == []
