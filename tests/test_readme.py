"""What the README shows works: its Python runs, its commands are understood."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from monai_distill.cli import parser
from tests.configs.command import command

README = Path(__file__).resolve().parents[1] / "README.md"
FENCE = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A fenced block, the line it starts in and why it is not run."""

    language: str
    text: str
    line: int
    reason: str | None


def blocks(markdown: str) -> list[Block]:
    return [
        Block(m["language"], m["text"], markdown.count("\n", 0, m.start("text")) + 1, m["reason"])
        for m in FENCE.finditer(markdown)
    ]


def commands(text: str) -> list[list[str]]:
    """The words of every ``monai-distill`` command of a shell block, behind ``&&`` and over several lines too."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            if words[:1] == ["monai-distill"]:
                found.append(words[1:end])
            words = words[end + 1 :]
    return found


def ids(found: list[Block]) -> list[str]:
    return [f"line {block.line}" for block in found]


BLOCKS = blocks(README.read_text()) if README.is_file() else []
PYTHON = [block for block in BLOCKS if block.language == "python"]
SHELL = [block for block in BLOCKS if block.language == "bash"]


def test_blocks_and_commands_are_found() -> None:
    shell_block = "```bash\npip x && monai-distill run --a 1 \\\n  --b '2 3' # why\nls\n```\n"
    shell, python = blocks(f"a\n{shell_block}<!-- not run: slow -->\n```python\n1\n```\n")
    assert shell[2:] == (3, None)
    assert python == ("python", "1\n", 9, "slow")
    assert commands(shell.text) == [["run", "--a", "1", "--b", "2 3"]]


def test_there_is_python_and_shell_to_check_and_every_block_says_what_it_is() -> None:
    assert any(block.reason is None for block in PYTHON)
    assert any(commands(block.text) for block in SHELL if block.reason is None)
    assert [block.line for block in BLOCKS if not block.language] == []


@pytest.mark.parametrize("block", PYTHON, ids=ids(PYTHON))
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.reason:
        pytest.skip(block.reason)
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, f"README.md, line {block.line}", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("block", SHELL, ids=ids(SHELL))
def test_commands_are_understood(block: Block) -> None:
    if block.reason:
        pytest.skip(block.reason)
    for words in commands(block.text):
        if words[0] in ("run", "list"):
            outcome = command(*words, *(["--dry_run"] if words[0] == "run" else []))
            assert outcome.code == 0, outcome.err
        else:
            assert parser().parse_args(words).command == words[0]


def test_every_command_in_the_running_text_exists() -> None:
    for word in set(re.findall(r"`monai-distill (\w+)", FENCE.sub("", README.read_text()))):
        assert command(word, "--help").code == 0, word
