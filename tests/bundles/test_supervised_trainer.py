"""A shipped set is ordinary training data: MONAI's ``SupervisedTrainer`` learns from it what its scores say."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import torch
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from monai.utils import set_determinism

from monai_distill.data import SyntheticDataset
from monai_distill.data.datasets import DigitsDataset
from monai_distill.networks.nets import ConvNet

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
