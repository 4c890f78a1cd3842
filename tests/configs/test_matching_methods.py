"""Every preset of the distribution and gradient matching methods loads and runs through the command."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_distill.cli import main
from monai_distill.configuration.composition import composed
from monai_distill.configuration.files import available
from monai_distill.data import SyntheticDataset
from tests.configs.conftest import SMALLEST, families_of
from tests.configs.presets import own_settings, resolved, tables

FAMILIES = {"distribution_matching", "gradient_matching"}
METHODS = [name for name in available("methods") if families_of(name) & FAMILIES]
PUBLISHED_ITERATIONS = {
    "dm": 20000,
    "idm": 20000,
    "ncfm": 20000,
    "datadam": 20000,
    "datadam_paper": 8000,
    "dc": 10000,
    "dsa": 10000,
}


FEWER = {"networks", "experts", "expert_train_epochs", "network_steps", "network_batch_size"}
SHORTER: dict[str, dict[str, Any]] = {
    "dc": {"inner_epochs": 2},
    "dsa": {"inner_epochs": 2},
    "idm": {"network_steps": 1, "network_batch_size": 8},
    "ncfm": {"experts": 1, "expert_train_epochs": 1, "frequencies": 8},
}


def cases() -> Iterator[tuple[str, str, int]]:
    for method in METHODS:
        own, shared = tables(method)
        seen: list[Any] = []  # of those that are equal at smoke size, one
        for name in ("published", *sorted({*own, *shared} - {"default"})):
            for count in {n for part in (own, shared) if isinstance(part.get(name), dict) for n in part[name]} or {1}:
                preset = {k: v for k, v in own_settings(method, name, count).items() if k not in {*SMALLEST, *FEWER}}
                if preset not in seen:
                    seen.append(preset)
                    yield method, name, count


CASES = list(cases())


@pytest.mark.parametrize(("method", "name", "count"), CASES)
def test_every_preset_runs_three_iterations(
    run: Callable[..., dict[str, Any]], method: str, name: str, count: int
) -> None:
    shorter = SHORTER.get(method, {})
    if count > 1 and own_settings(method, name, count).get("factor"):  # more images than the few real ones here
        shorter = {**shorter, "initial_images": "noise"}
    scores = run(method, preset_of=name, images_per_class=min(count, 10), **shorter)
    saved = SyntheticDataset.load(scores["folder"])
    assert len(saved.images) == 3 * min(count, 10)
    assert float(saved.student_lr.detach()) == pytest.approx(0.01)


NAMED = sorted(set(available("datasets")) - {"folder", "npz", "table", "cifar10"})


@pytest.mark.parametrize("method", sorted(set(available("methods"))))
def test_every_method_has_settings_for_every_medical_data_set(method: str) -> None:
    missing = [name for name in NAMED if not own_settings(method, name, 1)]
    assert missing == []
    sides = {"mhist": 224, "covid": 112}  # the network must not run out of pixels
    for name, side in sides.items():
        assert all(2 ** resolved(method, name, count)["depth"] <= side for count in (1, 10, 50)), name


def test_the_paper_of_datadam_whitens_cifar_and_weights_embeddings_more_at_high_resolution() -> None:
    chosen = {name: resolved("datadam_paper", name, 10) for name in ("cifar10", "covid", "mnist")}
    assert [chosen[name]["zca"] for name in chosen] == [True, False, False]
    assert [chosen[name]["embedding_weight"] for name in chosen] == [0.01, 0.02, 0.01]


@pytest.mark.parametrize("method", PUBLISHED_ITERATIONS)
def test_the_published_defaults_are_one_name_away(method: str) -> None:
    given = {"dataset_dir": "x", "images_per_class": 10}
    arguments = composed("mnist", "convnet", method, given, preset_of="published")
    parser = ConfigParser()
    parser.read_config(ConfigParser.load_config_files(arguments["config_file"]))
    parser.update({name: value for name, value in arguments.items() if name != "config_file"})
    parser.parse()
    assert parser.get_parsed_content("width") == 128
    assert parser.get_parsed_content("iterations") == PUBLISHED_ITERATIONS[method]
    assert parser.get_parsed_content("initial_images") == ("noise" if method == "dc" else "real")


@pytest.mark.parametrize("method", ["dm", "dsa", "idm", "ncfm"])
def test_an_interrupted_run_ends_bit_identical(
    run: Callable[..., dict[str, Any]], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"images_per_class": 2, "batch_per_class": 5, "iterations": 6, "validate_every": 2}
    extra = {
        "dsa": {"outer_steps": 4, "inner_epochs": 2},
        "idm": {**SHORTER["idm"], "add_every": 2, "most_networks": 5, "real_batches": "clusters", "cluster_every": 4},
        "ncfm": {**SHORTER["ncfm"], "sampling_network": True},
    }.get(method, {})
    whole = run(method, **settings, **extra)["folder"]
    # The same run is killed inside its second epoch: its state is the one saved after the third iteration.
    folder = whole.with_name("killed")
    words = ["run", "--method", method, "--output_dir", str(folder), "--device", "cpu", "--dataset", "npz"]
    executed = json.loads((whole / "config.json").read_text())
    for name in (*SMALLEST, *settings, *extra, "dataset_dir", "dataset_file"):
        words += [f"--{name}", str(executed[name])]
    words += ["--state#interval", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("monai_distill.engines.distillation.Distiller._step", _failing_after(3))
        assert main(words) == 1
    assert torch.load(folder / "state.pt", weights_only=True)["trainer"]["iteration"] == 3
    assert main(["resume", str(folder)]) == 0
    first, second = SyntheticDataset.load(whole), SyntheticDataset.load(folder)
    assert torch.equal(first.images, second.images)


def _failing_after(iterations: int) -> Callable[..., None]:
    from monai_distill.engines.distillation import Distiller

    step = Distiller._step

    def stepped(self: Distiller, iteration: int, loss: torch.Tensor) -> None:
        if iteration > iterations:
            raise OSError("killed")
        step(self, iteration, loss)

    return stepped


def test_batch_norm_is_refused_for_a_network_without_the_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--method", "datadam", "--network", "vgg11", "--output_dir", str(tmp_path / "x"), "--device", "cpu"]
    assert main(words) == 1
    assert "argument norm to set to 'batch', got VGG11. Set it to null." in capsys.readouterr().err


def test_datadam_runs_on_the_layout_of_mhist_with_the_course_settings(
    run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    root = tmp_path / "mhist"
    (root / "images").mkdir(parents=True)
    rows = ["Image Name,Majority Vote Label,Number of Annotators who Selected SSA (Out of 7),Partition"]
    for i in range(36):
        pixels = np.random.RandomState(i).randint(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"MHIST_{i:03d}.png")
        label, votes = ("SSA", 6) if i % 3 == 0 else ("HP", 1)
        rows.append(f"MHIST_{i:03d}.png,{label},{votes},{'train' if i < 27 else 'test'}")
    (root / "annotations.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    scores = run(
        "datadam", dataset="mhist", dataset_dir=root, dataset_file=None, image_size="[16, 16]", images_per_class=2
    )
    executed = json.loads((scores["folder"] / "manifest.json").read_text())["settings"]["method"]
    assert (executed["batch_per_class"], executed["image_lr"], executed["embedding_weight"]) == (128, 0.1, 0.01)
    assert {"accuracy", "balanced_accuracy", "auroc"} <= set(scores["distilled"])
