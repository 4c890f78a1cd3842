"""``monai-distill export`` and ``verify`` as a user meets them, on the digits at smoke size."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from monai_distill.export.release.formats.reading import read_release
from tests.configs.command import command, contents, fast_run
from tests.export.release.test_signature import write_keys


def table_of(folder: Path) -> Path:
    """A clinic's table of 60 images with patients' names, in numbered folders."""
    import numpy as np
    from PIL import Image

    pixels, rows = np.random.RandomState(0), ["image,label,patient,split"]
    for number in range(60):
        name, split = f"study{number}/scan_{number:05d}x.png", ("train", "train", "train", "val", "test")[number % 5]
        (folder / name).parent.mkdir(parents=True)
        Image.fromarray(pixels.randint(0, 256, (8, 8), dtype=np.uint8)).save(folder / name)
        rows.append(f"{name},{'ab'[number // 5 % 2]}x,Quispe Maria {number} {split},{split}")
    (folder / "clinic.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    outcome = fast_run(folder)
    assert outcome.code == 0, outcome.err
    return folder


def scores(folder: Path) -> Any:
    return json.loads((folder / "scores.json").read_text())


def test_a_run_goes_out_scored_as_it_lies_and_verifies_until_a_byte_changes(run: Path, tmp_path: Path) -> None:
    before, to = contents(run), tmp_path / "release"
    outcome = command("export", run, "--to", to, "--no_claim", "--publisher", "Clinic A")
    assert outcome.code == 0, outcome.err
    assert "T0 (no claim)" in outcome.out
    assert contents(run) == before

    # the students of the run, seeds included: what was not rounded scores exactly what the run scored
    out = scores(to)
    assert out["formats"]["safetensors"]["accuracy"] == scores(run)["distilled"]["accuracy"]
    assert out["random"] == scores(run)["random"]
    assert out["formats"].keys() == {"safetensors", "npz", "nifti"}
    assert len(read_release(to, "npz")) == 10

    verified = command("verify", to)
    assert (verified.code, verified.err) == (0, "")
    for part in (
        "Checked here:",
        "T0 (no claim)",
        "Claimed by the sender",
        "trained on npz",
        "it is not signed",
        "Limits of every release:",
    ):
        assert part in verified.out

    data = bytearray((to / "synthetic.npz").read_bytes())
    data[100] ^= 1
    (to / "synthetic.npz").write_bytes(data)
    tampered = command("verify", to)
    assert tampered.code == 1
    assert "FAILED the check" in tampered.out
    assert "synthetic.npz: differs from its checksum." in tampered.out


def test_a_release_can_be_signed(run: Path, tmp_path: Path) -> None:
    private, public = write_keys(tmp_path)
    to, words = tmp_path / "release", ("--no_claim", "--students", "1", "--formats", "safetensors")
    refused = command("export", run, "--to", to, *words, "--sign", public)
    assert (refused.code, to.exists()) == (1, False)
    assert "Expected an unencrypted Ed25519 private key" in refused.err
    assert command("export", run, "--to", to, *words, "--sign", private).code == 0
    verified = command("verify", to, "--trusted", public)
    assert verified.code == 0
    assert f"The holder of the key {public} signed SHA256SUMS." in verified.out
    assert command("verify", to, "--trusted", write_keys(tmp_path, "other")[1]).code == 1


def test_without_the_flag_nothing_unclaimed_goes_out(run: Path, tmp_path: Path) -> None:
    outcome = command("export", run, "--to", tmp_path / "release")
    assert outcome.code == 1
    assert "No claim can be made" in outcome.err
    assert "--no_claim" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_release(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "release"
    words = ("--students", "1", "--formats", "safetensors,nifti", "--spacing", "0.5,0.5", "--title", "Numbers")
    outcome = command("export", run, "--to", to, "--no_claim", *words)
    assert outcome.code == 0, outcome.err
    assert scores(to)["students"] == 1
    manifest = json.loads((to / "manifest.json").read_text())
    assert manifest["release"]["spacing"] == [0.5, 0.5]
    assert manifest["release"]["title"] == "Numbers"
    assert not (to / "synthetic.npz").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--spacing", "wide"), "numbers separated by commas"),
        (("--formats", "npz"), "with safetensors among them"),
        (("--formats", "safetensors,dicom"), "Expected formats of"),
        (("--initial_images", "noise"), "Unknown arguments"),
    ],
)
def test_mistakes_are_reported_in_one_line(words: tuple[str, ...], says: str, run: Path, tmp_path: Path) -> None:
    outcome = command("export", run, "--to", tmp_path / "release", "--no_claim", *words)
    assert outcome.code == 1
    assert says in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_folder_is_reported(tmp_path: Path) -> None:
    outcome = command("verify", tmp_path / "absent")
    assert (outcome.code, "Expected a release folder" in outcome.err) == (1, True)


def test_patients_of_the_table_keep_a_set_inside(tmp_path: Path) -> None:
    root, folder = table_of(tmp_path / "data"), tmp_path / "run"
    words = ("--dataset", "table", "--dataset_dir", root, "--dataset_file", "clinic.csv", "--initial_images", "noise")
    outcome = fast_run(folder, *words, "--expert_batch_size", "8")
    assert outcome.code == 0, outcome.err
    (tmp_path / "terms").write_text("Data-use agreement")
    (tmp_path / "notes").write_text("Thanks to Maria.")
    more = ("--no_claim", "--license", tmp_path / "terms", "--students", "1", "--notes", tmp_path / "notes")
    outcome = command("export", folder, "--to", tmp_path / "release", *more)
    assert outcome.code == 0, outcome.err
    text = "".join(data.decode("latin-1") for data in contents(tmp_path / "release").values())
    assert not any(word in text for word in ("Quispe", "clinic.csv", "scan_0", "study1", str(tmp_path)))

    (tmp_path / "notes").write_text("The first image is that of quispe, maria 0 train (study17).")
    caught = command("export", folder, "--to", tmp_path / "second", *more)
    assert caught.code == 1
    assert "DATA_CARD.md: holds 'Quispe Maria 0 train'" in caught.err
    assert "'study17'" in caught.err
    assert {path.name for path in tmp_path.iterdir()} == {"data", "run", "release", "terms", "notes"}


def test_the_configuration_of_the_export_names_nothing_that_a_run_does_not_have() -> None:
    root = Path(__file__).resolve().parents[2] / "configs"
    common, own = (yaml.safe_load((root / name).read_text()) for name in ("common.yaml", "export.yaml"))
    assert not common.keys() & own.keys()
