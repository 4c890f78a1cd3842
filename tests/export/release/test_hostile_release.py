"""A hostile sender: what is hidden between and behind what a format holds, in other spellings, or leads elsewhere."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import io
import json
import os
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from monai_distill.export.release import Release, Verification
from monai_distill.export.release.audit_evidence import released_audit
from monai_distill.export.release.formats import png
from monai_distill.export.release.scan import IdentifyingWords, file_contents
from monai_distill.export.release.scan.scan import scan_release
from monai_distill.runtime.checksums import checksums
from tests.export.release.conftest import AUDIT, LEDGER, PROMISE, MakeRun, Write, score_by_mean

WORDS = ("DOE_JANE", "Müller^Änne", "ward7-pc", "MRN123456")
Chunks = list[tuple[bytes, bytes]]


def rewrite_sums(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text(checksums(folder))


@pytest.mark.parametrize(
    "text",
    [
        "dOe-jAnE",
        "Jane Doe",
        "DoeJane was here",
        "https://x.org/?n=Doe%20Jane",
        "&#68;oe&nbsp;Jane",
        "D&#x6f;e Jane",
        "by \\u0044oe Jane",
        "ＤＯＥ ＪＡＮＥ",  # noqa: RUF001
        "Do\u200be Ja\u200bne",
        "MRN\u00ad123\u00ad456",
        "Müller Änne",
        unicodedata.normalize("NFD", "Müller Änne"),
        "muller_anne",
        "mueller_aenne",
        "M%C3%BCller%5E%C3%84nne",
        "on WARD7-PC.clinic.org",
    ],
)
def test_a_name_is_found_however_it_is_spelt(text: str, released: Path) -> None:
    for name in ("LICENSE", "labels.csv", "scores.json"):
        kept = (released / name).read_text()
        (released / name).write_text(json.dumps({"by": text}) if name.endswith("json") else text, encoding="utf-8")
        assert any(line.startswith(f"{name}: holds ") for line in scan_release(released, IdentifyingWords(WORDS)))
        (released / name).write_text(kept)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("dir:/data/clinic/terms", "an absolute path"),
        ("x=%2Fhome%2Fjane%2Fruns", "an absolute path"),
        ("~/runs/jane", "an absolute path"),
        ("C:/Users/jane/x", "an absolute path"),
        ("1.3.12.2.1107.5.2.33.37", "a DICOM identifier"),
        ("1.3.6.1.4.1.14519.5.2.1.7009", "a DICOM identifier"),
        ("2.16.840.1.113662.2.1.1", "a DICOM identifier"),
        ("of Müller^Änne", "a DICOM name"),
    ],
)
def test_places_and_identifiers_are_found_by_their_form(text: str, what: str, released: Path) -> None:
    (released / "LICENSE").write_text(text, encoding="utf-8")
    assert any(f"LICENSE: holds {what}" in line for line in scan_release(released))


def rechunked(file: Path, change: Callable[[bytes, bytes], Chunks]) -> None:
    data, out, place = file.read_bytes(), file.read_bytes()[:8], 8
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        body, place = data[place + 8 : place + 8 + length], place + length + 12
        for kind, new in change(name, body):
            out += struct.pack(">I", len(new)) + kind + new + struct.pack(">I", zlib.crc32(kind + new))
    file.write_bytes(out)


def in_palette(folder: Path) -> None:
    def change(kind: bytes, body: bytes) -> Chunks:
        return [(kind, body), *([(b"PLTE", b"Doe Jane, in 21 bytes")] if kind == b"IHDR" else [])]

    rechunked(folder / "preview.png", change)


def in_the_last_chunk(folder: Path) -> None:
    rechunked(folder / "preview.png", lambda kind, body: [(kind, b"Doe Jane" if kind == b"IEND" else body)])


def behind_the_rows(folder: Path) -> None:
    def change(kind: bytes, body: bytes) -> Chunks:
        return [(kind, zlib.compress(zlib.decompress(body) + b"Doe Jane") if kind == b"IDAT" else body)]

    rechunked(folder / "png" / "synthetic_0001.png", change)


def in_a_second_title(folder: Path) -> None:
    texts = PngInfo()
    for key, value in (("Title", "somebody else"), *png.TEXTS.items()):
        texts.add_text(key, value)
    Image.new("RGB", (4, 4)).save(folder / "preview.png", pnginfo=texts)


def in_a_second_gzip_member(folder: Path) -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile("doe_jane.nii", "wb", fileobj=buffer) as file:
        file.write(b"")
    with (folder / "nifti" / "synthetic_0001.nii.gz").open("ab") as file:
        file.write(buffer.getvalue())


def between_zip_entries(folder: Path) -> None:
    file = folder / "synthetic.npz"
    buffer = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            info = zipfile.ZipInfo(entry.filename)
            info.extra = struct.pack("<HH", 0x9999, 8) + b"Doe Jane"
            new.writestr(info, old.read(entry))
            info.extra = b""  # not in the list of entries, only before the entry itself
    file.write_bytes(buffer.getvalue())


def in_a_field_of_an_array(folder: Path) -> None:
    with np.load(folder / "synthetic.npz") as arrays:
        kept = dict(arrays)
    kept["pixel_low"] = np.array([(0.0,)], dtype=[("somebody", "f8")])
    np.savez(folder / "synthetic.npz", **kept)


def in_another_tensor(folder: Path) -> None:
    file = folder / "synthetic.safetensors"
    save_file({**load_file(file), "experts": torch.rand(50)}, file)


@pytest.mark.parametrize(
    ("plant", "where", "what"),
    [
        (in_palette, "preview.png", "PNG chunk PLTE"),
        (in_the_last_chunk, "preview.png", "PNG chunk IEND"),
        (behind_the_rows, "png/synthetic_0001.png", "bytes after the picture"),
        (in_a_second_title, "preview.png", "text chunks other"),
        (in_a_second_gzip_member, "nifti/synthetic_0001.nii.gz", "bytes after the archive"),
        (between_zip_entries, "synthetic.npz", "bytes around the archive"),
        (in_a_field_of_an_array, "synthetic.npz", "not a plain array"),
        (in_another_tensor, "synthetic.safetensors", "not part of a set: experts"),
    ],
)
def test_who_knows_no_names_sees_what_an_export_does_not_write(
    plant: Callable[[Path], None], where: str, what: str, released: Path
) -> None:
    plant(released)
    found = scan_release(released)
    assert any(line.startswith(f"{where}: ") and what in line for line in found), found


def test_names_in_tensor_bytes_are_found_in_utf8_and_utf16(released: Path) -> None:
    file = released / "synthetic.safetensors"
    tensors = load_file(file)
    for code in ("utf-8", "utf-16-le", "utf-16-be"):
        hidden = b"\xff\x00" + "Müller^Änne".encode(code) + b"\x00\xff"
        save_file({**tensors, "images": torch.frombuffer(bytearray(hidden), dtype=torch.uint8)}, file)
        assert "synthetic.safetensors: holds 'Müller^Änne'" in scan_release(released, IdentifyingWords(WORDS))


def test_a_file_that_swells_or_is_huge_is_named_and_not_unpacked(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_contents, "MOST", 100_000)
    (released / "nifti" / "synthetic_0001.nii.gz").write_bytes(gzip.compress(b"\0" * 1_000_000, mtime=0))
    with zipfile.ZipFile(released / "synthetic.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train_images.npy", b"\0" * 1_000_000)
    os.truncate(released / "LICENSE", 1_000_000)
    found = scan_release(released)
    for name, what in (
        ("nifti/synthetic_0001.nii.gz", "more than"),
        ("synthetic.npz", "not opened"),
        ("LICENSE", "too many"),
    ):
        assert any(line.startswith(f"{name}: ") and what in line for line in found), (name, found)


def test_links_and_names_that_lead_out_of_the_folder_are_not_followed(released: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("elsewhere")
    listing = json.loads((released / "croissant.json").read_text())
    listing["distribution"].append({"@id": "../secret.txt", "sha256": checksums(tmp_path).split("  ")[0]})
    (released / "croissant.json").write_text(json.dumps(listing))
    rewrite_sums(released)
    sums = released / "SHA256SUMS"
    sums.write_text(sums.read_text() + "0" * 64 + "  ../secret.txt\n")
    problems = Verification.of(released).problems
    assert "../secret.txt: is listed in SHA256SUMS and missing." in problems
    assert "croissant.json: its checksum of ../secret.txt differs." in problems
    (released / "audit.json").symlink_to(tmp_path / "secret.txt")
    problems = Verification.of(released).problems
    assert "audit.json: is a link" in problems
    assert "No file was opened, because a link leads out of the folder." in problems


def test_images_that_are_no_numbers_are_seen(released: Path) -> None:
    with np.load(released / "synthetic.npz") as arrays:
        kept = dict(arrays)
    kept["train_images"] = np.full(kept["train_images"].shape, np.nan, dtype=np.float32)
    np.savez(released / "synthetic.npz", **kept)
    assert any("npz: its images differ" in problem for problem in Verification.of(released).problems)


def test_a_tier_is_borne_out_by_the_figures_and_not_by_the_word(make_run: MakeRun, write: Write) -> None:
    folder = write(run=make_run(initial_images="noise", files={"audit.json": AUDIT}))
    assert Verification.of(folder).problems == ()
    audit = json.loads((folder / "audit.json").read_text())
    audit["attacks"]["nearest_neighbor"]["tpr_at_fpr"]["0.01"] |= {"value": 0.2, "low": 0.15}
    (folder / "audit.json").write_text(json.dumps(audit))
    rewrite_sums(folder)
    assert any("does not support the claim: the attack nearest" in line for line in Verification.of(folder).problems)


def test_no_file_of_a_guaranteed_release_depends_on_how_many_records_there_are(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """The words of the last scan are patients and files: an exact number would reveal one patient more."""
    run = make_run(initial_images="noise", privacy=PROMISE, files={"ledger.json": LEDGER})
    folders = []
    for count in (100, 101):
        words = IdentifyingWords([f"patient-{number:06d}x" for number in range(count)])
        folders.append(Release(run, tmp_path / str(count) / "release").write(score_by_mean, words))
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert first == second


def test_a_released_audit_tells_no_exact_number_of_scores() -> None:
    attack = {**AUDIT["attacks"]["nearest_neighbor"], "n_in": 6156, "not_given": {"0.001": "needs 8, there are 6156"}}
    public = released_audit({**AUDIT, "attacks": {"nearest": {**attack, "groups": {"class a": attack}}}})
    assert public["attacks"]["nearest"]["n_in"] == public["attacks"]["nearest"]["groups"]["class a"]["n_in"] == 6200
    assert "6156" not in json.dumps(public)


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        (lambda events, delta: 2.9, None),
        (lambda events, delta: 3.5, "its events cost 3.5"),
        (lambda events, delta: {}["purpose"], "cannot be added up"),
    ],
)
def test_a_ledger_is_added_up_anew(make_run: MakeRun, write: Write, cost: Callable[..., Any], says: str | None) -> None:
    run = make_run(initial_images="noise", privacy=PROMISE, files={"ledger.json": LEDGER})
    problems = Verification.of(write(run=run), cost).problems
    assert (problems == ()) if says is None else any(says in problem for problem in problems)
