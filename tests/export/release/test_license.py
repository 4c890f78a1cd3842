"""Licenses: what goes on under which terms, and what does not go on."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_distill.data.datasets import MHISTDataset
from monai_distill.export.release.license import license_text


def manifest(license: str, **others: Any) -> dict[str, Any]:
    return {"dataset": "table", "source": {"name": "S", "license": license, "citation": "C 2020", **others}}


@pytest.mark.parametrize(
    ("license", "first", "address", "terms"),
    [
        ("CC BY 4.0", "CC BY 4.0", "licenses/by/4.0/", ()),
        ("CC BY-NC 4.0", "CC BY-NC 4.0", "licenses/by-nc/4.0/", ("Commercial use is not permitted",)),
        ("CC BY-SA 3.0 (as widely given)", "CC BY-SA 3.0", "licenses/by-sa/3.0/", ("under the same license.",)),
        ("CC BY-NC-SA 4.0", "CC BY-NC-SA 4.0", "licenses/by-nc-sa/4.0/", ("Commercial", "must be shared")),
        ("CC0 1.0", "CC0 1.0", "publicdomain/zero/1.0/", ()),
    ],
)
def test_a_set_goes_on_under_the_license_of_its_source(
    license: str, first: str, address: str, terms: tuple[str, ...]
) -> None:
    text = license_text(manifest(license))
    assert text.splitlines()[0] == first
    assert f"https://creativecommons.org/{address}legalcode" in text
    assert "Attribution: C 2020" in text
    assert all(term in text for term in terms)


@pytest.mark.parametrize(
    "source",
    [
        {"dataset": "mhist", "source": {"license": "CC BY 4.0"}},
        manifest("CC BY 4.0", name="MHIST at 64 pixels"),
        manifest("MHIST research use agreement: no redistribution"),
    ],
)
def test_mhist_is_refused_whatever_text_is_given(source: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("do as you like")
    with pytest.raises(ValueError, match="MHIST may not be passed on"):
        license_text(source, tmp_path / "terms")


def test_what_the_mhist_loader_calls_itself_is_refused(tmp_path: Path) -> None:
    # not the words of this test: those of the loader, so that renaming there cannot open the door
    source = MHISTDataset.__init__.__code__.co_consts
    assert any("no redistribution" in str(part) for part in source)


@pytest.mark.parametrize("license", ["CC BY-ND 4.0", "CC BY-NC-ND 4.0", "no derivatives", "All rights reserved"])
def test_a_license_that_forbids_it_is_clear(license: str, tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("do as you like")
    with pytest.raises(ValueError, match="forbids passing on"):
        license_text(manifest(license), tmp_path / "terms")


@pytest.mark.parametrize("license", ["unknown", "see the database's own terms", "none given; citation required"])
def test_an_unknown_license_needs_the_owners_text(license: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--license FILE"):
        license_text(manifest(license))
    (tmp_path / "terms").write_text("Data-use agreement\nfor the partner")
    assert license_text(manifest(license), tmp_path / "terms") == "Data-use agreement\nfor the partner"
    with pytest.raises(ValueError, match=r"Cannot read .*absent"):
        license_text(manifest(license), tmp_path / "absent")
