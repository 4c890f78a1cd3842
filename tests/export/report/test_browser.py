"""The report of a digits run as a browser shows it: no message, no request, nothing wider than the window."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monai_distill.export.report import save_report
from tests.configs.command import command, fast_run
from tests.export.report.conftest import EVERYTHING, write_run

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, or Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    with playwright.sync_playwright() as started:
        if found is None and not Path(started.chromium.executable_path).is_file():
            pytest.skip("no browser is installed: apt-get install chromium, or playwright install chromium")
        opened = started.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "run"
    assert fast_run(folder).code == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def with_every_protocol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_report(write_run(tmp_path_factory.mktemp("protocols"), scores=EVERYTHING))


def opened_in_silence(browser: Any, report: Path, width: int) -> Any:
    """The page, which logs nothing, requests nothing, and is no wider than the window."""
    page, said, requested = browser.new_page(viewport={"width": width, "height": 900}), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(report.as_uri())
    assert said == []
    assert [url for url in requested if not url.startswith("data:")] == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.evaluate(broken) == 0
    return page


@pytest.mark.parametrize("width", [1280, 390])
def test_a_run_of_the_digits_opens_in_silence_and_fits(browser: Any, report: Path, width: int) -> None:
    page = opened_in_silence(browser, report, width)
    assert page.locator("img").count() > 10
    assert page.get_by_role("heading", level=1).inner_text().startswith("Optical recognition")
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_so_does_a_run_with_every_protocol(browser: Any, with_every_protocol: Path, width: int) -> None:
    page = opened_in_silence(browser, with_every_protocol, width)
    titles = page.get_by_role("heading", level=2).all_inner_texts()
    for title in ("Class by class", "Other architectures", "Learning class after class"):
        assert title in titles
    assert len(page.pdf(format="A4")) > 10_000
    page.close()


def test_an_injected_script_would_not_run(browser: Any, report: Path, tmp_path: Path) -> None:
    """The policy in the head is the second lock, should the escaping ever fail."""
    broken = tmp_path / "report.html"
    broken.write_text(report.read_text().replace("<main>", "<main><script>document.title = 'ran'</script>"))
    page = browser.new_page()
    page.goto(broken.as_uri())
    assert page.title().startswith("Distilled data set")
    page.close()


def test_the_command_writes_it_again_from_the_files_alone(report: Path) -> None:
    before = report.read_bytes()
    report.unlink()
    (report.parent / "config.json").unlink()
    outcome = command("report", report.parent)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"Report: {report}\n"
    assert report.read_bytes() == before
