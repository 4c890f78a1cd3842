"""The page as a whole: what it says, that nothing of a user becomes markup, that it needs nothing else."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import io
import itertools
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from monai_distill.export import RunFolder
from monai_distill.export.report import save_report
from tests.export.report.conftest import EVERYTHING, EVIL, NAMES, Changed, manifest, row, scores
from tests.export.report.page import Page


def written(folder: Path) -> tuple[Page, str]:
    source = save_report(folder).read_text()
    return Page(source), source


def test_the_page_says_what_was_distilled_and_how(run: Changed) -> None:
    page, _ = written(run())
    text = page.text()
    for part in ("mtt", "ConvNet", "CC BY 4.0", "Somebody, 2020", "T0", "torch 2.11.0", "seed, run 7", "experts 4"):
        assert part in text, part
    assert "3600" in text.replace(",", "")  # training images in all
    assert "20 kept" not in text
    assert "selected iteration 20" in text


def test_the_score_table_holds_every_row_with_deviation_interval_and_networks(everything: str) -> None:
    text = Page(everything).text()
    assert "distilled images 0.800 ± 0.010 0.790 to 0.810" in text
    assert "as many random real images 0.600 ± 0.010" in text
    assert "as many real images by herding 0.500 ± 0.010" in text
    assert "all training images 0.900 ± 0.010" in text
    assert "most frequent class 0.400" in text


@pytest.mark.parametrize(
    "part",
    [
        "Class by class",
        "sensitivity",
        "150.5",
        "0.910",
        "Other architectures",
        "vit",
        "0.550 ± 0.010",
        "After every step.",
        "Learning class after class",
        "0.810 ± 0.010",
        "What it cost",
    ],
)
def test_what_further_protocols_found_is_there(everything: str, part: str) -> None:
    assert part in Page(everything).text()


def test_a_run_without_them_has_no_empty_sections(run: Changed) -> None:
    headings = written(run())[0].text("h2")
    assert "Other architectures" not in headings
    assert "Class by class" not in headings


def test_names_and_paths_of_a_user_are_text_and_never_markup(everything: str) -> None:
    page, source = Page(everything), everything
    assert not page.all("script")
    assert "<script" not in source
    assert EVIL in page.text("h3")
    assert f"/data/{EVIL}.npz" in page.text()
    assert page.open == []
    for _, attributes in page.all("img"):
        assert set(attributes) <= {"src", "alt", "width", "height", "class"}
    assert any(EVIL in attributes["alt"] for _, attributes in page.all("img"))
    for svg in page.svgs():
        assert "<script" not in svg.replace("<!-- <script", "")


def test_nothing_is_fetched(everything: str) -> None:
    page, source = Page(everything), everything
    for tag, attributes in page.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    style = page.text("style")
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [a["content"] for _, a in page.all("meta") if "http-equiv" in a]
    assert "default-src 'none'" in policy
    assert re.findall(r"https?://[^\s<]+", page.text()) == ["https://example.org/paper."]
    for svg in page.svgs():
        assert "<metadata" not in svg
        assert "<!DOCTYPE" not in svg
        assert set(re.findall(r"https?://[^\"]+", svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        assert all(target.startswith(("#", "data:")) for target in re.findall(r'href="([^"]*)"', svg))
    assert source.count("http://") + source.count("https://") == 1


def test_it_can_be_read_without_seeing_it(everything: str) -> None:
    page, source = Page(everything), everything
    assert dict(page.all("html")[0][1])["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert all(len(attributes["alt"]) > 10 for _, attributes in page.all("img"))
    assert all(attributes.get("scope") in ("row", "col") for _, attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    for table in re.findall(r"<table.*?</table>", source, re.S):
        rows = [Page(line) for line in re.findall(r"<tr>.*?</tr>", table, re.S)]
        widths = {len(line.all("th", "td")) for line in rows}
        assert len(widths) == 1, table[:200]
        assert all(line.all("th", "td")[0][0] == "th" for line in rows)
    assert page.all("main")
    assert page.all("title")


def test_colours_of_text_stand_out_from_their_ground() -> None:
    style = (Path(save_report.__code__.co_filename).parent / "report.css").read_text()
    pairs = re.findall(r"\.T\d \{ color: (#\w{6}); background: (#\w{6})", style)
    pairs += [(color, "#ffffff") for color in re.findall(r"--(?:ink|accent): (#\w{6})", style)]
    pairs.append(("#555555", "#ffffff"))
    assert len(pairs) == 6
    assert "--soft: #555;" in style
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(first: str, second: str) -> float:
    """WCAG 2.1: (lighter + 0.05) / (darker + 0.05) of the relative luminances."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_synthetic_images_stand_by_their_class_and_at_most_ten_are_shown(run: Changed) -> None:
    page, source = written(run(images_per_class=12))
    pictures = [a for _, a in page.all("img") if a.get("class") == "pixels"]
    assert [sum(a["alt"].endswith(f"of class {name}") for a in pictures) for name in NAMES] == [10, 10, 10]
    assert source.count("10 of 12 shown.") == 3
    with Image.open(io.BytesIO(base64.b64decode(pictures[0]["src"].partition(",")[2]))) as opened:
        assert (opened.format, opened.size, opened.info) == ("PNG", (8, 8), {})


def test_images_that_are_still_the_real_ones_are_not_shown(run: Changed) -> None:
    started = manifest(initial_images="real")
    page, source = written(run(manifest=started, history={"iterations": [], "validations": []}))
    assert not [a for _, a in page.all("img") if a.get("class") == "pixels"]
    assert source.count("still the real images") == 3
    page, source = written(run(manifest=started))
    assert "They started from real training images" in source
    assert "No real image is on this page" not in source
    assert len([a for _, a in page.all("img") if a.get("class") == "pixels"]) == 6


def test_the_same_files_give_the_same_bytes(run: Changed) -> None:
    folder = run(scores=EVERYTHING)
    first = save_report(folder).read_bytes()
    assert save_report(str(folder)).read_bytes() == first


def test_a_set_and_its_scores_are_enough(run: Changed) -> None:
    folder = run(manifest={})
    (folder / "history.json").unlink()
    text = written(folder)[0].text()
    assert "A data set" in text or "a data set" in text
    assert "license of the source is unknown" in text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("scores.json", None, "no scores yet.*resume.*evaluate"),
        ("scores.json", "{", "not valid JSON"),
        ("scores.json", "{}", "no scores of the set"),
        ("audit.json", "[]", "Expected an object"),
        ("manifest.json", None, "Cannot find"),
    ],
)
def test_what_is_missing_or_damaged_is_reported(run: Changed, name: str, content: str | None, says: str) -> None:
    folder = run()
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(RuntimeError, match=says):
        save_report(folder)
    assert not (folder / "report.html").exists()


def test_saving_scores_writes_it_and_again_when_they_change(run: Changed) -> None:
    folder = run()
    RunFolder(folder).save_scores(scores())
    assert "0.800 ± 0.010" in Page((folder / "report.html").read_text()).text()
    RunFolder(folder).save_scores(json.loads(json.dumps(scores(distilled=row(0.7)))))
    assert "0.700 ± 0.010" in Page((folder / "report.html").read_text()).text()


def test_words_that_promise_too_much_are_never_used(everything: str) -> None:
    text = Page(everything).text()
    assert not re.search(r"\b(private|anonym\w*|compliant|compliance)\b", text, re.I)


def test_a_set_that_nothing_selected_is_not_called_selected(run: Changed) -> None:
    page, _ = written(run(manifest=manifest(protocol={"selection": "none, the last iterate"})))
    assert "last iteration 20" in page.text()
    assert "selected iteration" not in page.text()
