"""One door in Python: the same run as the command's, errors at the door."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import Dataset

import monai_distill
from monai_distill.configuration.python_data import NamedDataset
from monai_distill.data import SyntheticDataset
from monai_distill.data.datasets import DigitsDataset
from tests.configs.command import command, read

SECTIONS = ("training", "validation", "test")
FAST: dict[str, Any] = {
    "device": "cpu",
    "iterations": 4,
    "validate_every": 2,
    "evaluation_steps": 3,
    "full_steps": 3,
    "width": 4,
    "validation_steps": 2,
    "students": 2,
    "full_students": 2,
    "depth": 1,
    "image_lr": 10,
    "student_lr": 0.01,
}


@pytest.fixture(scope="module")
def sections() -> list[DigitsDataset]:
    return [DigitsDataset(name) for name in ("training", "validation", "test")]


def made_npz(folder: Path) -> Path:
    pixels, arrays = np.random.RandomState(0), {}
    for part, count in (("train", 36), ("val", 6), ("test", 6)):
        arrays[f"{part}_images"] = pixels.randint(0, 256, (count, 8, 8), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 3)[:, None].astype(np.uint8)
    np.savez(folder / "made.npz", **arrays)
    return folder / "made.npz"


def test_datasets_give_the_set_and_the_scores_of_the_command(sections: list[DigitsDataset], tmp_path: Path) -> None:
    result = monai_distill.distill(*sections, method="dm", images_per_class=2, effort="published", **FAST)
    words = [word for name, value in FAST.items() for word in (f"--{name}", str(value))]
    # the command's preset of the digits has a batch and the run a name of its own
    words += ["--method", "dm", "--images_per_class", "2", "--preset_of", "published"]
    outcome = command("run", "--output_dir", tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    theirs = SyntheticDataset.load(tmp_path / "run")
    assert torch.equal(result.synthetic.images, theirs.images)
    scores = read(tmp_path / "run", "scores.json")
    assert result.scores["distilled"] == scores["distilled"]
    assert result.scores["random"] == scores["random"]


def test_a_result_is_saved_once_and_outlives_its_temporary_folder(
    sections: list[DigitsDataset], tmp_path: Path
) -> None:
    result = monai_distill.distill(*sections, method="dm", **FAST)
    run = result.folder
    saved = result.save(tmp_path / "saved")
    assert torch.equal(SyntheticDataset.load(saved).images, result.synthetic.images.detach().cpu())
    assert {"scores.json", "report.html", "grid.png"} <= {file.name for file in saved.iterdir()}
    with pytest.raises(ValueError, match="saved"):
        result.save(tmp_path / "saved")
    assert run.is_dir()
    result._temporary.cleanup()  # as when the result is gone
    assert not run.exists()


class Items(torch.utils.data.Dataset[Any]):
    """A dataset without a list of its items."""

    class_names = ("a", "b")

    def __init__(self, seed: int) -> None:
        self.images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> dict[str, Any]:
        return {"image": self.images[position], "label": position % 2}


def test_data_without_a_preset_get_the_settings_of_a_plan(tmp_path: Path) -> None:
    given = {name: value for name, value in FAST.items() if name not in ("width", "iterations", "validate_every")}
    sections = [Items(seed) for seed in range(3)]
    result = monai_distill.distill(*sections, method="dm", output_dir=tmp_path / "run", minutes=0.5, **given)
    plan = read(tmp_path / "run", "plan.json")
    assert (plan["minutes"], plan["data"]["counts"]) == (0.5, [10, 10])
    assert plan["settings"]["iterations"]["value"] == result.scores["settings"]["iterations"] > 4
    assert "students" not in plan["settings"], "given settings are not chosen"


def test_a_path_leaves_a_run_folder_that_the_command_evaluates(tmp_path: Path) -> None:
    result = monai_distill.distill(made_npz(tmp_path), method="dm", output_dir=tmp_path / "run", **FAST)
    assert result.scores["dataset"] == "npz"
    outcome = command("evaluate", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    with pytest.raises(RuntimeError, match="finished run"):
        monai_distill.distill(made_npz(tmp_path), method="dm", output_dir=tmp_path / "run", **FAST)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"iteratoins": 2}, "got iteratoins. Did you mean iterations"),
        ({"iterations": 0}, "at least 1 for iterations, got 0"),
        ({"student_steps": 2}, "got student_steps"),  # dm has no students to unroll
        ({"method": "dn"}, "dm.*got 'dn'"),
        ({"network": "unet"}, "convnet.*got 'unet'"),
        ({"preset_of": "bloodmist"}, "Did you mean bloodmnist"),
        ({"initial_images": "correct"}, "noise, real.*got correct"),
        ({"epsilon": None, "delta": 1e-5}, "epsilon"),
    ],
)
def test_a_wrong_setting_is_refused_before_any_work(
    sections: list[DigitsDataset], settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        monai_distill.distill(*sections, **{"method": "dm", **settings})


def test_wrong_data_is_refused_at_the_door(sections: list[DigitsDataset], tmp_path: Path) -> None:
    training, validation, test = sections
    with pytest.raises(TypeError, match=r"validation .*NoneType"):
        monai_distill.distill(training)
    with pytest.raises(ValueError, match="twice"):
        monai_distill.distill(training, validation, validation)
    with pytest.raises(ValueError, match="test"):
        monai_distill.distill(training, validation, [])
    with pytest.raises(TypeError, match="image and label"):
        monai_distill.distill([(0, 1)], validation, test)
    with pytest.raises(ValueError, match=r"\[8, 8\]"):
        monai_distill.distill([{"image": torch.zeros(8, 8), "label": 0}], validation, test)
    with pytest.raises(TypeError, match="holds all sections"):
        monai_distill.distill(tmp_path, validation, test)
    with pytest.raises(ValueError, match="nothing is there"):
        monai_distill.distill(tmp_path / "none.npz")


def test_importing_the_package_imports_neither_torch_nor_monai() -> None:
    program = "import sys, monai_distill; print({'torch', 'monai'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="distil"):
        monai_distill.distil  # noqa: B018


def test_classes_of_plain_datasets_get_names(tmp_path: Path) -> None:
    images = torch.rand(36, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    items = [{"image": image, "label": number % 3} for number, image in enumerate(images)]
    plain = [Dataset(items[:18]), Dataset(items[18:27]), Dataset(items[27:])]
    names = ["benign", "malignant", "normal"]
    result = monai_distill.distill(*plain, method="dm", effort="published", class_names=names, **FAST)
    assert list(result.synthetic.class_names) == names
    named = pickle.loads(pickle.dumps(NamedDataset(plain[0], names)))
    assert (len(named), named.class_names, len(named.data)) == (18, tuple(names), 18)
    with pytest.raises(ValueError, match="training names its classes itself"):
        monai_distill.distill(*map(DigitsDataset, SECTIONS), method="dm", class_names=names, **FAST)
    with pytest.raises(ValueError, match="2 classes"):
        monai_distill.distill(*plain, method="dm", effort="published", class_names=names[:2], **FAST)
    with pytest.raises(TypeError, match="class_names"):
        monai_distill.distill(*plain, method="dm", class_names="benign", **FAST)
