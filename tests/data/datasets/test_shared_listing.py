"""One listing for all sections, and never a stale one."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import (
    COVIDRadiographyDataset,
    ImageFolderDataset,
    ImageTableDataset,
    SplitRule,
    image_files,
    listed_files,
    shared_listing,
)
from monai_distill.data.reading import FileToImaged

Tools = dict[str, Callable[..., Any]]
SECTIONS = ("training", "validation", "test")


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry per listing of files; files that were made a moment ago count as old."""
    made: list[str] = []
    original = image_files.found_rows

    def counted(*arguments: Any) -> Any:
        made.append(str(arguments[0]))
        return original(*arguments)

    monkeypatch.setattr(image_files, "found_rows", counted)
    monkeypatch.setattr(shared_listing, "RECENT", -60.0)
    return made


def content(dataset: Any) -> list[tuple[str, int]]:
    return [(item["image"], item["label"]) for item in dataset.data]


def test_three_sections_and_a_second_reading_list_the_files_once(folder_root: Path, listings: list[str]) -> None:
    first = [ImageFolderDataset(folder_root, section) for section in SECTIONS]
    again = [ImageFolderDataset(folder_root, section, cache_rate=0.0) for section in SECTIONS]
    assert len(listings) == 1
    assert [content(part) for part in first] == [content(part) for part in again]
    assert len({path for part in first for path, _ in content(part)}) == 20
    assert first[0].provenance == again[0].provenance
    first[0].provenance["files"].clear()
    assert ImageFolderDataset(folder_root, "test").provenance["files"]  # nothing of a section is shared by mistake


def added(root: Path, tools: Tools) -> None:
    tools["image"](root / "cat" / "new.png", seed=77)


def removed(root: Path, tools: Tools) -> None:
    (root / "cat" / "3.png").unlink()


def moved(root: Path, tools: Tools) -> None:
    (root / "cat" / "3.png").rename(root / "dog" / "images" / "z.png")


def written_over(root: Path, tools: Tools) -> None:
    file = root / "cat" / "3.png"
    before = file.stat()
    file.write_bytes(bytes(before.st_size))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # only the time of the change of status tells


def new_class(root: Path, tools: Tools) -> None:
    for number in range(4):
        tools["image"](root / "bird" / f"{number}.png", seed=number)


def a_text_becomes_an_image(root: Path, tools: Tools) -> None:
    (root / "cat" / "notes").write_bytes((root / "cat" / "1.png").read_bytes())


@pytest.mark.parametrize("change", [added, removed, moved, written_over, new_class, a_text_becomes_an_image])
def test_a_changed_folder_is_listed_again(
    folder_root: Path, tools: Tools, listings: list[str], change: Callable[[Path, Tools], None]
) -> None:
    (folder_root / "cat" / "notes").write_text("no image")
    before = ImageFolderDataset(folder_root, "training")
    time.sleep(0.02)  # longer than the clock of a file system takes for a step
    change(folder_root, tools)
    after = ImageFolderDataset(folder_root, "training", cache_rate=0.0)
    assert len(listings) == 2
    if change is not written_over:
        assert after.provenance["files"] != before.provenance["files"]


@pytest.mark.parametrize("changed", ["label", "file", "file behind a link", "file of an absolute path", "mask"])
def test_a_changed_table_or_mask_is_listed_again(
    table_root: Path, covid_root: Path, tools: Tools, listings: list[str], changed: str
) -> None:
    link = table_root / "png" / "00.png"
    target = link.rename(table_root / "elsewhere.png")
    link.symlink_to(target)
    if "absolute" in changed:
        table = table_root / "table.csv"
        table.write_text(table.read_text().replace("png/", f"{table_root}/png/"))
    make: Callable[[], Any] = lambda: ImageTableDataset(table_root, "training", cache_rate=0.0)  # noqa: E731
    if changed == "mask":
        make = lambda: COVIDRadiographyDataset(covid_root, "training", lung_masks=True, cache_rate=0.0)  # noqa: E731
    make()
    make()
    assert len(listings) == 1
    time.sleep(0.02)
    if changed == "label":
        table = table_root / "table.csv"
        text = table.read_text()
        table.write_text(text.replace("00.png,a", "00.png,b").replace("01.png,a", "01.png,b"))
    elif changed == "mask":
        (covid_root / "COVID" / "masks" / "COVID-1.png").write_bytes(b"")
    else:
        tools["image"](target if "link" in changed else table_root / "png" / "07.png", (9, 9), seed=900)
    make()
    assert len(listings) == 2


def test_other_settings_are_another_listing(folder_root: Path, listings: list[str]) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"split": SplitRule(0.2, 0.3)},
        {"class_names": ["dog", "cat"]},
        {"patient_folders": False},
        {"reading": FileToImaged(image_size=4)},
        {"dicom_patients": False},
    ]
    for given in options:
        ImageFolderDataset(folder_root, "test", **given)
    assert len(listings) == len(options)
    small = ImageFolderDataset(folder_root, "test", reading=FileToImaged(image_size=4))
    assert small[0]["image"].shape == (1, 4, 4)


def test_files_of_a_moment_ago_are_listed_for_every_section(
    folder_root: Path, listings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # they could change again without a later time of change
    monkeypatch.setattr(shared_listing, "RECENT", 2.0)
    for section in SECTIONS:
        ImageFolderDataset(folder_root, section)
    assert len(listings) == 3


def test_a_class_of_ones_own_lists_for_itself(folder_root: Path, listings: list[str]) -> None:
    chosen = {"cat"}

    class Chosen(ImageFolderDataset):
        def _rows(self) -> Any:
            return [row for row in super()._rows() if row.label not in chosen or "1" in row.image or "2" in row.image]

    assert len(Chosen(folder_root, "training").data) < 10
    chosen.clear()  # a fact that no file and no setting shows
    assert len(Chosen(folder_root, "training").data) == 14


def test_every_section_warns_of_what_the_listing_left_out(folder_root: Path, listings: list[str]) -> None:
    (folder_root / "empty").mkdir()
    for section in SECTIONS:
        with pytest.warns(UserWarning, match=r"Left out \['empty'\]"):
            dataset = ImageFolderDataset(folder_root, section)
    assert len(listings) == 1
    assert dataset.left_out == {}


def test_a_plan_does_not_swallow_the_warnings_of_the_run(folder_root: Path, listings: list[str]) -> None:
    (folder_root / "empty").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ImageFolderDataset(folder_root, "training", reading=FileToImaged(image_size=4))
    with pytest.warns(UserWarning, match="Left out") as caught:
        ImageFolderDataset(folder_root, "training", reading=FileToImaged(image_size=4))
    assert any("20 of 20 images" in str(warning.message) for warning in caught)


def test_a_large_set_shows_a_sign_before_its_headers_are_read(
    folder_root: Path, listings: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="monai_distill"):
        ImageFolderDataset(folder_root, "training")
        assert not caplog.messages
        monkeypatch.setattr(listed_files, "MANY", 20)
        for section in SECTIONS:
            ImageFolderDataset(folder_root, section, reading=FileToImaged(image_size=4))
    assert [message for message in caplog.messages if "20 files" in message] == [caplog.messages[0]]
