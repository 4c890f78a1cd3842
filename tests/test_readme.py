"""The documents are true: their Python runs, their commands are understood, README's figures are in RESULTS.md."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import monai_distill
from monai_distill.cli.main import parser
from tests.configs.command import command

pytestmark = pytest.mark.draws

ROOT = Path(__file__).resolve().parents[1]
README, RESULTS = ROOT / "README.md", ROOT / "tests" / "benchmarks" / "RESULTS.md"
IDM_NCFM = RESULTS.parent / "results" / "idm_ncfm.json"
PROTOCOLS = ROOT / "configs" / "protocols.yaml"
DOCUMENTS = [
    README,
    RESULTS,
    ROOT / ".github" / "CONTRIBUTING.md",
    *sorted((ROOT / "monai_distill").rglob("README.md")),
]
FENCE = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)|<img src=\"(?P<image>[^\"]+)\"")
FIGURE = re.compile(r"\d\.\d+ ± \d\.\d+")
# .ci/run distills the digits in full
SHORT = {"iterations": 10, "validate_every": 5, "validation_steps": 5, "evaluation_steps": 10, "full_steps": 10}
GUARANTEE = {"yes": True, "no": False}


class Block(NamedTuple):
    """A fenced block, the line where it starts, the reason why it is not run, and its document."""

    language: str
    text: str
    line: int
    reason: str | None
    document: Path = README

    @property
    def name(self) -> str:
        return f"{self.document.relative_to(ROOT)}, line {self.line}"


def blocks(markdown: str, document: Path = README) -> list[Block]:
    return [
        Block(m["language"], m["text"], markdown.count("\n", 0, m.start("text")) + 1, m["reason"], document)
        for m in FENCE.finditer(markdown)
    ]


def commands(text: str) -> list[list[str]]:
    """The arguments of every ``monai-distill`` command of a shell block, also after ``&&`` and over several lines."""
    arguments = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            if words[:1] == ["monai-distill"]:
                arguments.append(words[1:end])
            words = words[end + 1 :]
    return arguments


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_rows(markdown: str, header: str) -> Iterator[list[str]]:
    """The cells of the table whose first column is called ``header``."""
    lines = iter(markdown.splitlines())
    for line in lines:
        if line.startswith(f"| {header} |"):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return
                yield [cell.strip() for cell in row.strip("|").split("|")]


BLOCKS = [block for document in DOCUMENTS for block in blocks(document.read_text(), document)]
PYTHON = [pytest.param(block, id=block.name) for block in BLOCKS if block.language == "python"]
SHELL = [pytest.param(block, id=block.name) for block in BLOCKS if block.language == "bash"]
METHODS = [row for row in table_rows(README.read_text(), "`--method`") if row[0].startswith("`")]


def test_blocks_and_commands_are_recognized() -> None:
    shell_block = "```bash\npip x && monai-distill run --a 1 \\\n  --b '2 3' # why\nls\n```\n"
    shell, python = blocks(f"a\n{shell_block}<!-- not run: slow -->\n```python\n1\n```\n")
    assert shell[2:4] == (3, None)
    assert python[:4] == ("python", "1\n", 9, "slow")
    assert commands(shell.text) == [["run", "--a", "1", "--b", "2 3"]]


def test_there_is_python_and_shell_to_check_and_every_block_has_a_language() -> None:
    readme = [block for block in BLOCKS if block.document == README and block.reason is None]
    assert any(block.language == "python" for block in readme)
    assert any(commands(block.text) for block in readme if block.language == "bash")
    assert [block.name for block in BLOCKS if not block.language] == []


@pytest.mark.parametrize("block", PYTHON)
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.reason:
        pytest.skip(block.reason)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(monai_distill, "distill", functools.partial(monai_distill.distill, **SHORT))
    exec(compile(block.text, block.name, "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("block", SHELL)
def test_commands_are_understood(block: Block) -> None:
    if block.reason:
        pytest.skip(block.reason)
    for arguments in commands(block.text):
        options, settings = parser().parse_known_args(arguments)
        assert options.command == arguments[0]
        if options.command in ("run", "list"):
            more = ["--dry_run"] if options.command == "run" else []
            if more and not {"--effort", "--minutes", "--preset_of"} & {*arguments}:
                more += ["--preset_of", "published"]  # a plan would read data that are not here
            outcome = command(*arguments, *more)
            assert outcome.code == 0, outcome.err
        elif options.command == "compare" and settings:
            method = options.methods.split(",")[0]
            source = ("--dataset", options.dataset, "--dataset_dir", options.dataset_dir)
            outcome = command("run", "--method", method, *source, *settings, "--preset_of", "published", "--dry_run")
            assert outcome.code == 0, outcome.err
        else:
            names = {word[2:].split("#")[0] for word in settings if word.startswith("--")}
            assert names <= yaml.safe_load(PROTOCOLS.read_text()).keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_commands_in_the_text_exist_and_links_lead_somewhere(document: Path) -> None:
    text = FENCE.sub("", document.read_text())
    for word in set(re.findall(r"`monai-distill (\w+)", text)):
        assert command(word, "--help").code == 0, word
    for match in LINK.finditer(text):
        target = match["target"] or match["image"]
        if not target.startswith("http"):
            file, _, anchor = target.partition("#")
            path = (document.parent / file) if file else document
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), target


def test_readme_fits_on_a_front_page() -> None:
    assert len(README.read_text().splitlines()) <= 180


def test_every_figure_of_readme_is_a_result() -> None:
    """Each row of the methods table repeats the PneumoniaMNIST columns of RESULTS.md."""
    results = RESULTS.read_text()
    assert FIGURE.findall(README.read_text())
    assert set(FIGURE.findall(README.read_text())) <= set(FIGURE.findall(results))
    one, ten = (results.partition(f"\n## {title}\n")[2] for title in ("One image per class", "Ten images per class"))
    measured = {n: {row[0]: row[1] for row in table_rows(part, "trained on")} for n, part in ((1, one), (10, ten))}
    for _, name, stored, _, (mean, deviation), *_ in json.loads(IDM_NCFM.read_text())["rows"]:  # measured later
        measured[stored].setdefault(name, f"{mean:.3f} ± {deviation:.3f}")
    for name, *_, at_one, at_ten in METHODS:
        assert (at_one, at_ten) == (measured[1].get(name, "-"), measured[10].get(name, "-")), name
    assert {name for name in measured[1] if name.startswith("`")} <= {row[0] for row in METHODS}


def test_the_table_of_methods_holds_every_method_with_a_link() -> None:
    names = {path.stem for path in (ROOT / "configs" / "methods").glob("*.yaml")}
    assert {row[0].strip("`") for row in METHODS} == names
    sources = {row[0]: re.search(r"\]\(https://arxiv\.org/abs/\d{4}\.\d{5}\)|^this project", row[1]) for row in METHODS}
    assert [name for name, source in sources.items() if not source] == []


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row[0].strip("`"))
def test_the_table_says_which_methods_have_experts_and_a_guarantee(row: list[str]) -> None:
    method, guarantee = row[0].strip("`"), GUARANTEE[row[3]]
    run = ("run", "--method", method, "--dataset", "mnist", "--dataset_dir", "x", "--epsilon", "1", "--delta", "1e-5")
    assert (command(*run, "--dry_run").code == 0) is guarantee
    settings = command("list", "--method", method, "--dataset", "pneumoniamnist").out
    assert bool(re.search(r"^\s*--experts\s", settings, re.M)) is GUARANTEE[row[2]]
