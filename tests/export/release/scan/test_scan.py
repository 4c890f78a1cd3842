"""The last scan: everything planted is found, and nothing in what an export writes."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from monai_distill.export.release.scan import IdentifyingWords
from monai_distill.export.release.scan.scan import scan_release
from tests.export.release.conftest import SHAPES, Write

NAME = "Doe^Jane"
WORDS = ("DOE_JANE", "MRN123456")


@pytest.mark.parametrize("kind", SHAPES)
def test_nothing_is_found_in_what_an_export_writes(kind: str, write: Write) -> None:
    assert scan_release(write(kind), IdentifyingWords(WORDS)) == []


def in_json(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**content, "by": "doe jane"}))


def in_escaped_json(folder: Path) -> None:
    (folder / "scores.json").write_text('{"by": "\\u0044oe, J\\u0061ne"}')


def in_file_name(folder: Path) -> None:
    (folder / "png" / "synthetic_0001.png").rename(folder / "png" / "DOE_JANE_syn.png")


def in_folder_name(folder: Path) -> None:
    (folder / "DOE_JANE").mkdir()


def nifti(folder: Path, change: Callable[[nibabel.Nifti1Image], None], compress: Callable[[bytes], bytes]) -> None:
    file = folder / "nifti" / "synthetic_0001.nii.gz"
    old = nibabel.load(file)
    made = nibabel.Nifti1Image(np.asarray(old.dataobj), old.affine, old.header)
    change(made)
    file.write_bytes(compress(made.to_bytes()))


def in_nifti_header(folder: Path) -> None:
    nifti(folder, lambda image: image.header.__setitem__("descrip", "Doe Jane"), gzip.compress)


def in_nifti_db_name(folder: Path) -> None:
    nifti(folder, lambda image: image.header.__setitem__("db_name", "MRN123456"), gzip.compress)


def in_nifti_extension(folder: Path) -> None:
    extension = nibabel.nifti1.Nifti1Extension("comment", b"doe_jane")
    nifti(folder, lambda image: image.header.extensions.append(extension), gzip.compress)


def in_gzip_header(folder: Path) -> None:
    def compress(data: bytes) -> bytes:
        buffer = io.BytesIO()
        with gzip.GzipFile("MRN123456.nii", "wb", fileobj=buffer) as file:
            file.write(data)
        return buffer.getvalue()

    nifti(folder, lambda _: None, compress)


def in_safetensors_metadata(folder: Path) -> None:
    file = folder / "synthetic.safetensors"
    save_file(load_file(file), file, metadata={"source": "doe_jane.png"})


def in_tensor_name(folder: Path) -> None:
    file = folder / "synthetic.safetensors"
    save_file({**load_file(file), "MRN123456": torch.zeros(1)}, file)


def in_tensor_bytes(folder: Path) -> None:
    file = folder / "synthetic.safetensors"
    hidden = torch.frombuffer(bytearray(b"x-MRN123456-"), dtype=torch.uint8)
    save_file({**load_file(file), "labels2": hidden}, file)


def in_png_text(folder: Path) -> None:
    texts = PngInfo()
    texts.add_text("Comment", "Jane Doe: doe jane")
    Image.new("RGB", (4, 4)).save(folder / "preview.png", pnginfo=texts)


def in_png_zipped_text(folder: Path) -> None:
    texts = PngInfo()
    texts.add_text("Comment", "doe jane", zip=True)
    Image.new("RGB", (4, 4)).save(folder / "preview.png", pnginfo=texts)


def in_exif(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Jane"
    Image.new("RGB", (4, 4)).save(folder / "preview.png", exif=exif)


def behind_the_picture(folder: Path) -> None:
    with (folder / "preview.png").open("ab") as file:
        file.write(b"MRN123456")


def in_npz_entry(folder: Path) -> None:
    with zipfile.ZipFile(folder / "synthetic.npz", "a") as file:
        file.writestr("patients.txt", "doe jane")


def in_npz_strings(folder: Path) -> None:
    with np.load(folder / "synthetic.npz") as arrays:
        kept = dict(arrays)
    np.savez(folder / "synthetic.npz", **{**kept, "class_names": np.array(["benign", "doe jane"])})


def in_npz_comment(folder: Path) -> None:
    with zipfile.ZipFile(folder / "synthetic.npz", "a") as file:
        file.comment = b"doe jane"


def in_npz_pickle(folder: Path) -> None:
    with np.load(folder / "synthetic.npz") as arrays:
        kept = dict(arrays)
    np.savez(folder / "synthetic.npz", **{**kept, "class_names": np.array(["a", None], dtype=object)})


def as_pickle(folder: Path) -> None:
    (folder / "audit.json").write_bytes(pickle.dumps({"by": "someone"}))


def as_torch_file(folder: Path) -> None:
    torch.save({"images": torch.zeros(1)}, folder / "images.pt")


def as_path(folder: Path) -> None:
    (folder / "LICENSE").write_text("see (/data/clinic/terms.txt)")


def as_home(folder: Path) -> None:
    (folder / "LICENSE").write_text("see ~x:/home/j")


def as_windows_path(folder: Path) -> None:
    (folder / "scores.json").write_text(json.dumps({"run": "D:\\scans\\a"}))


def as_dicom_name(folder: Path) -> None:
    (folder / "DATA_CARD.md").write_text("of Meier^Hans")


def as_dicom_identifier(folder: Path) -> None:
    (folder / "DATA_CARD.md").write_text("study 1.2.840.113619.2.55.3")


def as_link(folder: Path) -> None:
    (folder / "audit.json").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("plant", "where", "what"),
    [
        (in_json, "manifest.json", "DOE_JANE"),
        (in_escaped_json, "scores.json", "DOE_JANE"),
        (in_file_name, "png/DOE_JANE_syn.png", "has 'DOE_JANE' in its name"),
        (in_folder_name, "DOE_JANE", "is a folder that no release has"),
        (in_nifti_header, "nifti/synthetic_0001.nii.gz", "DOE_JANE"),
        (in_nifti_db_name, "nifti/synthetic_0001.nii.gz", "MRN123456"),
        (in_nifti_extension, "nifti/synthetic_0001.nii.gz", "extensions"),
        (in_gzip_header, "nifti/synthetic_0001.nii.gz", "gzip header"),
        (in_safetensors_metadata, "synthetic.safetensors", "DOE_JANE"),
        (in_tensor_name, "synthetic.safetensors", "MRN123456"),
        (in_tensor_bytes, "synthetic.safetensors", "MRN123456"),
        (in_png_text, "preview.png", "DOE_JANE"),
        (in_png_zipped_text, "preview.png", "PNG chunk zTXt"),
        (in_exif, "preview.png", "EXIF"),
        (behind_the_picture, "preview.png", "MRN123456"),
        (in_npz_entry, "synthetic.npz", "patients.txt"),
        (in_npz_strings, "synthetic.npz", "DOE_JANE"),
        (in_npz_comment, "synthetic.npz", "DOE_JANE"),
        (in_npz_pickle, "synthetic.npz", "pickle"),
        (as_pickle, "audit.json", "is a pickle"),
        (as_torch_file, "images.pt", "is a file that no release has"),
        (as_path, "LICENSE", "an absolute path: '/data/clinic/terms.txt'"),
        (as_home, "LICENSE", "an absolute path"),
        (as_windows_path, "scores.json", "a Windows path"),
        (as_dicom_name, "DATA_CARD.md", "a DICOM name"),
        (as_dicom_identifier, "DATA_CARD.md", "a DICOM identifier"),
        (as_link, "audit.json", "is a link"),
    ],
)
def test_what_is_planted_is_found(plant: Callable[[Path], None], where: str, what: str, released: Path) -> None:
    plant(released)
    findings = scan_release(released, IdentifyingWords(WORDS))
    assert any(line.startswith(f"{where}: ") and what in line for line in findings), findings
    # and nothing is said of the files that were left alone
    assert {line.split(": ")[0] for line in findings} == {where}


@pytest.mark.parametrize(
    "text",
    [
        "https://creativecommons.org/licenses/by/4.0/legalcode",
        "http://mlcommons.org/croissant/RAI/",
        "and/or, 1/255, application/x-gzip, png/synthetic_0001.png",
        "10^5, x^2 and Doe",
        "version 1.2.0, cuda:0, 12:30",
    ],
)
def test_addresses_fractions_and_versions_are_let_pass(text: str, released: Path) -> None:
    (released / "LICENSE").write_text(text)
    assert scan_release(released, IdentifyingWords(WORDS)) == []


@pytest.mark.parametrize("name", ["synthetic.safetensors", "synthetic.npz", "preview.png", "manifest.json"])
def test_a_damaged_file_is_a_finding_not_a_crash(name: str, released: Path) -> None:
    (released / name).write_bytes((released / name).read_bytes()[:40])
    assert any(line.startswith(f"{name}: ") for line in scan_release(released))


def test_grey_values_that_read_like_a_name_are_no_finding_but_a_known_name_is(released: Path) -> None:
    with np.load(released / "synthetic.npz") as arrays:
        kept = dict(arrays)
    pixels = kept["train_images"]
    pixels.reshape(-1)[:20] = np.frombuffer(b"KQTWZ^acehkDOE_JANE\0", dtype=np.uint8)  # a ramp of grays, then a word
    with zipfile.ZipFile(released / "synthetic.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in kept.items():
            np.save(buffer := io.BytesIO(), array)
            file.writestr(f"{name}.npy", buffer.getvalue())
    assert scan_release(released) == []
    assert scan_release(released, IdentifyingWords(["DOE_JANE"])) == ["synthetic.npz: holds 'DOE_JANE'"]
