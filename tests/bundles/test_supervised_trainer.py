"""A shipped set is ordinary training data: MONAI's ``SupervisedTrainer`` learns from it what its scores say."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism

from monai_distill.data import SyntheticDataset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.networks.nets import ConvNet
from tests.benchmarks.supervised_trainer import BLOOD, accuracy, items_of, real_items, trained, with_soft_labels

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bloodmnist_own_split.npz"
MODELS = Path(__file__).resolve().parents[2] / "bundles" / "digits_dataset_distillation" / "models"


def test_a_plain_supervised_trainer_reaches_the_shipped_score_without_our_protocol() -> None:
    synthetic = SyntheticDataset.load(MODELS)
    set_determinism(0)
    network = ConvNet(2, 1, 10, 8, width=32, depth=2)
    SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=150,
        train_data_loader=DataLoader(synthetic, batch_size=256, shuffle=True),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=float(synthetic.student_lr), momentum=0.9),
        loss_function=torch.nn.CrossEntropyLoss(),
    ).run()
    set_determinism(None)
    test = DigitsDataset("test")
    images = torch.stack([synthetic.preprocessing(test[i]["image"]) for i in range(len(test))])
    labels = torch.tensor([test[i]["label"] for i in range(len(test))])
    with torch.no_grad():
        accuracy = float((network.eval()(images).argmax(dim=1) == labels).float().mean())
    scores = json.loads((MODELS / "scores.json").read_text())
    # no augmentation and no decay of the learning rate here, so the score is lower: 0.849 for 0.900 when written
    assert accuracy > scores["distilled"]["accuracy"]["mean"] - 0.1
    assert accuracy > scores["random"]["accuracy"]["mean"] + scores["random"]["accuracy"]["std"]


@pytest.mark.slow
def test_a_plain_supervised_trainer_with_the_manifest_s_protocol_reaches_the_score_of_the_blood_cells(
    tmp_path: Path,
) -> None:
    if not REAL.is_file():
        pytest.skip(f"{REAL.name} is not here")
    (tmp_path / "bloodmnist.npz").symlink_to(REAL)
    synthetic = SyntheticDataset.load(BLOOD)
    network = trained(synthetic, items_of(synthetic), seed=0, steps=1000)
    stated = json.loads((BLOOD / "scores.json").read_text())["distilled"]["accuracy"]
    assert accuracy(network, real_items(synthetic, tmp_path, "test")) > stated["mean"] - 2 * stated["std"]


def test_a_set_with_a_teacher_s_labels_gives_probabilities_to_a_plain_loss() -> None:
    synthetic = SyntheticDataset.load(MODELS)
    items = items_of(synthetic)
    soft = with_soft_labels(synthetic, ConvNet(2, 1, 10, 8, width=4, depth=1).eval(), items)
    batch = next(iter(DataLoader(items_of(soft), batch_size=10)))
    assert torch.allclose(batch["label"].sum(dim=1), torch.ones(10))
    assert torch.equal(batch["image"], torch.stack([item["image"] for item in items]))
    assert soft.soft
    assert not synthetic.soft
