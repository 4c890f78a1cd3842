"""``monai-distill bundle``: data of one's own becomes a bundle that MONAI runs."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from monai_distill.cli.bundle_messages import print_scored
from monai_distill.data import SyntheticDataset
from tests.bundles.conftest import QUICK, TRAJECTORY, run, workflow
from tests.configs.command import command, contents
from tests.data.volumes import write_shaped_volumes

DIGITS = "digits_dataset_distillation"


def write_shapes(root: Path, each: int = 12) -> Path:
    """``root/disc`` and ``root/square``: gray PNGs of a bright shape somewhere; ``root/scans.csv`` lists them."""
    lines = ["image,label,patient"]
    rows, columns = np.mgrid[:16, :16]
    for number in range(2 * each):
        draws = np.random.RandomState(number)
        y, x = draws.randint(5, 11, 2)
        inside = (
            (rows - y) ** 2 + (columns - x) ** 2 < 16 if number % 2 else np.maximum(abs(rows - y), abs(columns - x)) < 4
        )
        file = root / ("disc" if number % 2 else "square") / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((inside * 150 + draws.randint(0, 100, (16, 16))).astype(np.uint8)).save(file)
        lines.append(f"{file.relative_to(root)},{file.parent.name},p{number // 2}")
    (root / "scans.csv").write_text("\n".join(lines))
    return root


def walk_through(root: Path, data: Path, **settings: Any) -> SyntheticDataset:
    """Train, score, classify: what the bundle's README says, at smoke size."""
    settings |= {**QUICK, "dataset_dir": str(data)}
    run(workflow(root, "train", kind="train", **settings))
    run(workflow(root, "train", "evaluate", kind="train", **settings))
    assert json.loads((root / "eval" / "scores.json").read_text())["dataset"] == root.name
    return SyntheticDataset.load(root / "models")


@pytest.mark.parametrize("dataset", ["folder", "table"])
def test_a_folder_of_pngs_becomes_a_bundle_and_a_run(dataset: str, tmp_path: Path) -> None:
    data = write_shapes(tmp_path / "scans")
    words = ("--dataset", dataset, "--dataset_dir", data, "--method", "datadam", "--image_size", "[16, 16]")
    words += ("--dataset_file", "scans.csv") if dataset == "table" else ()
    outcome = command("bundle", "my_shapes", *words, "--width", "4", "--depth", "2", "--to", tmp_path)
    assert outcome.code == 0, outcome.err
    root = tmp_path / "my_shapes"
    assert f"--config_file {root}/configs/train.json --bundle_root {root} --dataset_dir {data}" in outcome.out
    assert not any(str(tmp_path).encode() in content for content in contents(root).values())
    synthetic = walk_through(root, data)
    assert (synthetic.class_names, tuple(synthetic.images.shape)) == (("disc", "square"), (2, 1, 16, 16))
    assert ("by patient" in synthetic.manifest["source"]["split"]) == (dataset == "table")

    run(workflow(root, "inference", kind="infer", device="cpu", image_dir=str(data)))
    with (root / "eval" / "predictions.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["image"] for row in rows] == sorted(
        [*(f"{p.parent.name}/{p.name}" for p in data.rglob("*.png")), "scans.csv"]
    )  # every file has a row; that of the table says why it has no prediction
    assert set(rows[0]) == {"image", "predicted", "p(disc)", "p(square)", "error"}  # nothing is known of the labels


def test_a_table_of_nifti_volumes_becomes_a_bundle_and_a_run(tmp_path: Path) -> None:
    data = write_shaped_volumes(tmp_path / "volumes", patients=8, side=8)
    words = ("--dataset", "table", "--dataset_dir", data, "--dataset_file", "scans.csv", "--spatial_dims", "3")
    size = ("--image_size", "[8, 8, 8]", "--width", "4", "--depth", "2")
    outcome = command("bundle", "my_volumes", *words, *size, "--method", "mtt", "--to", tmp_path)
    assert outcome.code == 0, outcome.err
    synthetic = walk_through(tmp_path / "my_volumes", data, **TRAJECTORY)
    assert tuple(synthetic.images.shape) == (3, 1, 8, 8, 8)
    source = synthetic.manifest["source"]
    assert "by patient" in source["split"]
    assert source["spacing"]["millimeters"] == [2, 1, 1]
    metadata = json.loads((tmp_path / "my_volumes" / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [8, 8, 8]


def test_volumes_without_three_sides_are_refused_with_the_way_out(tmp_path: Path) -> None:
    data = write_shaped_volumes(tmp_path / "volumes", patients=4, side=8)
    words = ("--dataset", "table", "--dataset_dir", data, "--dataset_file", "scans.csv")
    outcome = command("bundle", "my_volumes", *words, "--image_size", "8", "--to", tmp_path)
    assert outcome.code == 1
    assert "Add --spatial_dims 3" in outcome.err


def test_settings_are_written_into_the_bundle(tmp_path: Path) -> None:
    words = (
        "--images_per_class",
        "10",
        "--iterations",
        "7",
        "--train#trainer#limits#min_student_lr",
        "1e-4",
        "--seed",
        "5",
    )
    assert command("bundle", DIGITS, *words, "--to", tmp_path).code == 0
    job = json.loads((tmp_path / DIGITS / "configs" / "train.json").read_text())
    assert (job["images_per_class"], job["iterations"], job["seed"]) == (10, 7, 5)
    assert job["train"]["trainer"]["limits"]["min_student_lr"] == 1e-4
    # the shipped scores are those of other settings
    assert "eval_metrics" not in json.loads((tmp_path / DIGITS / "configs" / "metadata.json").read_text())
    readme = (tmp_path / DIGITS / "docs" / "README.md").read_text()
    assert "0.900" not in readme
    assert "Without `models/synthetic.safetensors` this bundle is **not filled**" in readme


def test_what_somebody_changed_is_not_written_over_without_a_request(tmp_path: Path) -> None:
    assert command("bundle", DIGITS, "--to", tmp_path).code == 0
    assert command("bundle", DIGITS, "--to", tmp_path).code == 0  # the same again
    readme, model = (tmp_path / DIGITS / name for name in ("docs/README.md", "models/model.pt"))
    original = readme.read_text()
    readme.write_text("mine")
    torch.save({"filled": torch.ones(1)}, model)
    refused = command("bundle", DIGITS, "--to", tmp_path)
    assert refused.code == 1
    assert "docs/README.md differ" in refused.err
    assert readme.read_text() == "mine"
    assert command("bundle", DIGITS, "--replace", "--to", tmp_path).code == 0
    assert readme.read_text() == original
    assert list(torch.load(model, weights_only=True)) == ["filled"]  # models are kept


PLAIN = ("bundle", "my_digits", "--dataset", "digits", "--method", "dm")
WITH_EPSILON = (*PLAIN, "--epsilon", "8", "--delta", "1e-4")


@pytest.mark.parametrize(
    ("claim", "words", "said"),
    [
        (
            {"tier": "T2", "epsilon": 8.0, "delta": 1e-4},
            PLAIN,
            "no guarantee in .* got one with epsilon 8 and delta 0.0001",
        ),
        ({"tier": "T2", "epsilon": 3.0, "delta": 1e-4}, WITH_EPSILON, "epsilon 8 and delta 0.0001 in .* epsilon 3"),
        ({"tier": "T0", "epsilon": None, "delta": None}, WITH_EPSILON, "epsilon 8 .* got one with no guarantee"),
    ],
)
def test_texts_never_state_another_guarantee_than_the_set_has(
    claim: dict[str, Any], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    assert command(*WITH_EPSILON, "--to", tmp_path).code == 0
    (tmp_path / "my_digits" / "models" / "manifest.json").write_text(json.dumps({"privacy": claim}))
    before = contents(tmp_path)
    outcome = command(*words, "--replace", "--to", tmp_path)
    assert outcome.code == 1
    assert re.search(said, outcome.err)
    assert "take away models/, train/, eval/ and release/" in outcome.err
    assert contents(tmp_path) == before


def test_the_configuration_of_several_processes_goes_where_a_guarantee_comes(tmp_path: Path) -> None:
    assert command(*PLAIN, "--to", tmp_path).code == 0
    several = tmp_path / "my_digits" / "configs" / "multi_gpu_train.json"
    assert several.is_file()
    assert "configs/multi_gpu_train.json" in command(*WITH_EPSILON, "--to", tmp_path).err
    assert several.is_file()
    assert command(*WITH_EPSILON, "--replace", "--to", tmp_path).code == 0
    assert not several.exists()
    papers = [(tmp_path / "my_digits" / name).read_text() for name in ("docs/README.md", "configs/metadata.json")]
    assert 'pip install "monai-distill[privacy]"' in papers[0]
    assert '"dp-accounting"' in papers[1]


@pytest.mark.parametrize(("license", "is_asked_for"), [("unknown", True), ("CC BY 4.0", False)])
def test_a_license_that_nobody_knows_is_asked_for_before_the_export_refuses(
    license: str, is_asked_for: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {name: {"mean": 0.5, "std": 0.1} for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc")}
    scores = {"distilled": row, "prior": {"accuracy": 0.1}, "source": {"license": license}}
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    print_scored(tmp_path, tmp_path, tmp_path / "models")
    assert ("--license FILE" in capsys.readouterr().out.splitlines()[-1]) == is_asked_for


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("My-Scans", "--dataset", "digits"), "lower snake case"),
        (("my_scans",), "Expected --dataset for 'my_scans'"),
        ((DIGITS, "--method", "dm"), "leave out --method"),
        (("my_scans", "--dataset", "folder"), "Expected --dataset_dir"),
        ((DIGITS, "--itertions", "3"), "Did you mean --iterations?"),
        (("my_scans", "--dataset", "digits", "--epsilon", "1", "--ledger", "site.json"), "--site_ledger FILE"),
        (("my_scans", "--dataset", "folder", "--dataset_dir", "d", "--epsilon", "1"), "Expected --public_records N"),
    ],
)
def test_mistakes_are_reported_in_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    outcome = command("bundle", *words, "--to", tmp_path)
    assert outcome.code == 1
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_reported_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = command("bundle", "digits_dataset_distillation", "--to", tmp_path / "file")
    assert outcome.code == 1
    assert f"Cannot make the bundle {tmp_path / 'file' / 'digits_dataset_distillation'}" in outcome.err
    assert "Choose another folder." in outcome.err
