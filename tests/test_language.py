"""Plain words: words and openings that make a sentence hard to read stand in no text of the project.

The list follows the glossary of the project. ``codespell`` checks American spelling (see ``pyproject.toml``).
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("*.md", "*.json", "*.yaml")
PYTHON = sorted({*(ROOT / "monai_distill").rglob("*.py"), *(ROOT / "tests").rglob("*.py")} - {Path(__file__).resolve()})
TEXTS = sorted(
    {
        *PYTHON,
        *ROOT.glob("*.md"),
        *(
            path
            for room in ("monai_distill", "configs", "bundles", ".github")
            for kind in DOCUMENTS
            for path in (ROOT / room).rglob(kind)
        ),
    }
)
BETTER = {  # the banned word: words that serve
    "told": "recorded, reported, released, distinguished",
    "anew": "again, new",
    "asked": "requested, required",
    "is none": "is missing, or the type that is expected",
    "are no numbers": "are NaN or infinite",
    "beside": "next to, besides, with",
}
BANNED = re.compile(rf"\b({'|'.join(BETTER)})\b", re.I)
OPENING = re.compile(r"(What|Of)\b")


def banned_words(text: str) -> Iterator[str]:
    """Line number, word and better words; ``is None`` is code, and a glossary of CONTRIBUTING may name the words."""
    glossary = re.compile(r"^\| say \|.*?(?=^[^|]|\Z)", re.M | re.S)
    text = glossary.sub(lambda table: "\n" * table.group().count("\n"), text)
    for number, line in enumerate(text.splitlines(), start=1):
        for word in BANNED.findall(line.replace("None", "")):
            yield f"line {number}: {word!r}; say {BETTER[word.lower()]}"


def bad_openings(source: str) -> Iterator[str]:
    """First lines of docstrings that begin with "What" or "Of"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node) or ""
            if OPENING.match(docstring):
                yield docstring.splitlines()[0]


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(ROOT)) for path in TEXTS])
def test_no_text_has_a_banned_word(path: Path) -> None:
    assert list(banned_words(path.read_text())) == []


@pytest.mark.parametrize("path", PYTHON, ids=[str(path.relative_to(ROOT)) for path in PYTHON])
def test_docstrings_begin_with_their_subject(path: Path) -> None:
    assert list(bad_openings(path.read_text())) == []


def test_the_texts_are_read() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in TEXTS}
    bundle = "bundles/digits_dataset_distillation/docs/README.md"
    assert names >= {"README.md", "monai_distill/cli/main.py", "configs/common.yaml", bundle, "tests/conftest.py"}


@pytest.mark.parametrize(
    "text", ["It was told.", "made\nAnew", "x = asked", "when the set is none", "beside the chart"]
)
def test_banned_words_are_caught(text: str) -> None:
    assert len(list(banned_words(text))) == 1


OTHER = [
    "if x is None:",
    "besides",
    "untold",
    "The default is None.",
    "_asked_",
    "| say | not |\n|---|---|\n| again | anew |\n",
]


@pytest.mark.parametrize("text", OTHER)
def test_other_words_pass(text: str) -> None:
    assert list(banned_words(text)) == []


def test_openings_are_caught() -> None:
    source = '"""What it does."""\nclass A:\n    """Of a set."""\n    def f(self):\n        """Whatever. What?"""\n'
    assert list(bad_openings(source)) == ["What it does.", "Of a set."]
