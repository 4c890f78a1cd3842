"""Words that promise what nobody can promise: "anonymous", "private" and "compliant" are never a claim.

The test reads every text of the project: package, configurations and documents. A word passes only where it cannot be
read as a promise: in a name of the code, in the defined term "differentially private", of data and keys (private
images), quoted as a word, or denied in its own clause.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENDINGS = ("*.md", "*.json", "*.yaml")
TEXTS = sorted(
    {
        *(ROOT / "monai_distill").rglob("*.py"),
        *(ROOT / "configs").rglob("*.yaml"),
        *(
            path
            for name in ("bundles", ".github")
            for ending in ("*.md", "*.json", "*.yaml")
            for path in (ROOT / name).rglob(ending)
        ),
        *ROOT.glob("*.md"),
        *(ROOT / "monai_distill").rglob("*.md"),
        ROOT / "tests" / "benchmarks" / "RESULTS.md",
        ROOT / "pyproject.toml",
    }
)
WORD = re.compile(r"(?<![\w.])(?:de-?)?(anonym\w*|private\w*|compliant|compliance)(?!\w)", re.I)
TITLES = {"anonymeter"}  # of other works
INPUT = (
    r"data|images?|keys?|records?|patients?|training|validation|statistics?|mean|counts?|information|generators?|seeds?"
)
DENIED = re.compile(r"\b(?:not|no|never|nor|neither|cannot|nobody|nothing|without|refuted?|un\w+ly)\b|n't\b", re.I)


def prose(path: Path) -> str:
    """The text of a file; of Python its comments and strings, because names of the code promise nothing."""
    if path.suffix != ".py":
        return path.read_text()
    found, last = [], (0, "")
    for kind, text, first, end in _comments_and_strings(path):
        goes_on = kind == last[1] and first <= last[0] + 1
        found.append(("" if goes_on else "\n") + _unquoted(text, kind))
        last = (end, kind)
    return "\n".join(found)


def _comments_and_strings(path: Path) -> Iterator[tuple[str, str, int, int]]:
    """Kind, text, first and last line; an f-string is one string, which it is not for Python 3.12's own tokens."""
    lines = path.read_text().splitlines(keepends=True)
    depth, start = 0, (0, 0)
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            kind = tokenize.tok_name[token.type]
            if kind == "FSTRING_START":
                start = start if depth else token.start
                depth += 1
            elif kind == "FSTRING_END":
                depth -= 1
                if not depth:
                    (row, column), (last, end) = start, token.end
                    text = [*lines[row - 1 : last - 1], lines[last - 1][:end]]
                    yield "STRING", "".join([text[0][column:], *text[1:]]), row, last
            elif not depth and kind in ("COMMENT", "STRING"):
                yield kind, token.string, token.start[0], token.end[0]


def _unquoted(text: str, kind: str) -> str:
    if kind == "COMMENT":
        return text
    bare = re.sub(r"^\w*(\"{3}|'{3}|\"|')(.*)\1$", r"\2", text, flags=re.S)
    return re.sub(r"\{[^{}]*\}", "x", bare)  # of an f-string: what stands in braces is code


def claims(text: str) -> Iterator[str]:
    """Clauses in which one of the words stands as a claim."""
    lines = [re.sub(r"^\s*(?:#|-|\*|>|\d+\.)*\s*", "", line) for line in text.splitlines()]
    blocks = re.sub(r"[\"']{3}", "\n\n", "\n".join(lines)).split("\n\n")
    for block in blocks:
        for clause in re.split(r"[.!?;:]\s|\bbut\b|\balthough\b", " ".join(block.split())):
            yield from (clause.strip() for match in WORD.finditer(clause) if not _harmless(clause, match))


def _harmless(clause: str, match: re.Match[str]) -> bool:
    if match.group().lower() in TITLES:
        return True
    word, before, after = match.group(), clause[: match.start()], clause[match.end() :]
    name = "_" in word or re.search(r"[a-z][A-Z]", word) or after.startswith(("(", "=", "_", "["))
    defined = re.search(r"\bdifferentially[\s-]$", before, re.I) and word.lower() == "private"
    kept = re.match(rf"\s(?:{INPUT})\b", after) and word.lower() == "private"
    quoted = before.endswith(('"', "'", "`", "“")) and after.startswith(('"', "'", "`", "”", ",", "."))
    return bool(name or defined or kept or quoted or DENIED.search(before))


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(ROOT)) for path in TEXTS])
def test_no_text_makes_such_a_claim(path: Path) -> None:
    assert list(claims(prose(path))) == []


def test_the_texts_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in TEXTS}
    assert names >= {"README.md", "CHANGELOG.md", "configs/common.yaml", "monai_distill/export/release/card.py"}


def test_comments_and_strings_are_read_and_names_are_not(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    lines = [
        '"""A private set."""',
        "private = 1  # makes sets",
        "# anonymous",
        'x = f"is {private} " \\',
        '"compliant"',
    ]
    file.write_text("\n".join(lines))
    assert list(claims(prose(file))) == ["A private set.", "makes sets anonymous", "is x compliant"]


@pytest.mark.parametrize(
    "text",
    [
        "The set is private.",
        "A private synthetic set.",
        "makes anonymous images",
        "# fully anonymised\nx = 1",
        '"""HIPAA compliant export."""',
        "The images are not real, but anonymous.",
        "GDPR\ncompliance in one command",
        "It is not slow. It is private.",
        "privately held? No: private",
        "a de-anonymised set",
        "not fast: private by design",
    ],
)
def test_claims_are_caught(text: str) -> None:
    assert list(claims(text)), text


@pytest.mark.parametrize(
    "text",
    [
        "Distillation by itself is not private.",
        "Nothing here is anonymous\nor compliant.",
        "class PrivateRelease:",
        "private_generator = 1",
        "a differentially private mechanism",
        "never selected on private data",
        "the private images of a hospital",
        'the word "anonymous" is banned',
        "privacy report",
        "signed with a private key",
        "It never says that a set is private",
    ],
)
def test_names_terms_and_denials_pass(text: str) -> None:
    assert list(claims(text)) == [], text
