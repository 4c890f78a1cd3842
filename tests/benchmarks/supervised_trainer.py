"""MONAI's plain trainer on a shipped set: ``python -m tests.benchmarks supervised_trainer --data_dir DIR --work FILE``.

Nothing of this package trains here: ``SupervisedTrainer``, ``DataLoader``, ``SGD`` and ``StepLR`` do, as the manifest
of the set says: batches of one size, augmentation, steps, and a tenth of the learning rate after half of them. With
``--labels soft`` the labels are the probabilities of a network that the same function trained on all training images.
FILE gets a line for every network, so that several calls (``--seeds``) make one table.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler
from monai.utils import set_determinism
from torch import Tensor, nn

from monai_distill.data import SyntheticDataset
from monai_distill.data.datasets import MedMNISTDataset
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment
from tests.benchmarks.results import commit, hardware, write_record

BLOOD = Path(__file__).resolve().parents[2] / "bundles" / "bloodmnist_dataset_distillation" / "models"
TEACHER_SEED = 1000


def items_of(synthetic: SyntheticDataset) -> list[dict[str, Any]]:
    """The images of the set, decoded once, as a data loader takes them."""
    made = (synthetic[number] for number in range(len(synthetic)))
    return [{"image": item["image"].detach(), "label": item["label"]} for item in made]


def real_items(synthetic: SyntheticDataset, data_dir: Path, section: str) -> list[dict[str, Any]]:
    """Real images, prepared as the set was."""
    flag = str(synthetic.manifest["dataset"])
    items = MedMNISTDataset(str(data_dir), section, flag=flag)
    return [{"image": synthetic.preprocessing(torch.as_tensor(i["image"])), "label": int(i["label"])} for i in items]


def trained(synthetic: SyntheticDataset, items: Sequence[dict[str, Any]], seed: int, steps: int) -> nn.Module:
    """A fresh network of the set's manifest, trained on ``items`` by MONAI's ``SupervisedTrainer``."""
    augment = SiameseAugment(synthetic.manifest["augmentation"]["operations"])

    def augmented(batch: Any, device: Any, non_blocking: bool, **_: Any) -> tuple[Tensor, Tensor]:
        images = batch["image"].to(device)
        parameters = augment.draw(len(images), images.shape[2:], torch.default_generator)
        return augment.apply(images, parameters), batch["label"].to(device)

    set_determinism(seed)
    shape = {key: value for key, value in synthetic.manifest["network"].items() if key != "_target_"}
    network = ConvNet(**shape)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=float(synthetic.student_lr.detach()), momentum=0.9, weight_decay=5e-4
    )
    loader = DataLoader(items, batch_size=min(256, len(items)), shuffle=True, drop_last=True)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=-(-steps // len(loader)),
        train_data_loader=loader,
        network=network,
        optimizer=optimizer,
        loss_function=nn.CrossEntropyLoss(),
        prepare_batch=augmented,
        train_handlers=[
            LrScheduleHandler(
                torch.optim.lr_scheduler.StepLR(optimizer, -(-steps // 2)), print_lr=False, epoch_level=False
            )
        ],
    )
    trainer.run()
    set_determinism(None)
    return network.eval()


def logits_of(network: nn.Module, items: Sequence[dict[str, Any]]) -> Tensor:
    """The logits [n, classes] of the images."""
    with torch.no_grad():
        return torch.cat([network(batch["image"]) for batch in DataLoader(items, batch_size=512)])


def accuracy(network: nn.Module, items: Sequence[dict[str, Any]]) -> float:
    """The share of images whose class is right."""
    labels = torch.tensor([item["label"] for item in items])
    return float((logits_of(network, items).argmax(dim=1) == labels).float().mean())


def with_soft_labels(
    synthetic: SyntheticDataset, teacher: nn.Module, items: Sequence[dict[str, Any]]
) -> SyntheticDataset:
    """The set with the teacher's probabilities as labels: a set with ``--soft_labels true`` has such ones."""
    parts = {"student_lr": float(synthetic.student_lr.detach()), "preprocessing": synthetic.preprocessing}
    parts |= {"decode": synthetic.decode, "manifest": synthetic.manifest, "label_logits": logits_of(teacher, items)}
    return SyntheticDataset(synthetic.images, synthetic.canvas_labels, synthetic.class_names, **parts)


def record_of(rows: Sequence[dict[str, Any]], synthetic: SyntheticDataset, stated: dict[str, float]) -> dict[str, Any]:
    """The table of all networks so far."""
    lines = [["`score` of this project", len(stated["values"]), [stated["mean"], stated["std"]]]]
    for labels in dict.fromkeys(row["labels"] for row in rows):
        found = [row["accuracy"] for row in rows if row["labels"] == labels]
        deviation = statistics.stdev(found) if len(found) > 1 else None
        lines.append([f"`SupervisedTrainer`, {labels}", len(found), [statistics.mean(found), deviation]])
    measured = dict.fromkeys(row["commit"] for row in rows)
    return {
        "columns": ["trained by", "networks", "accuracy"], "rows": lines,
        "command": "python -m tests.benchmarks supervised_trainer --data_dir DIR --work FILE --labels hard|soft",
        "commit": ", ".join(measured), "hardware": hardware(torch.get_num_threads()),
        "seeds": ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows})),
    }  # fmt: skip


def main(words: list[str]) -> int:
    """Train, add the lines, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with the data set's file")
    parser.add_argument("--work", type=Path, required=True, help="a line for every network; teacher.pt lies next to it")
    parser.add_argument("--set", type=Path, default=BLOOD, help="models/ of a bundle")
    parser.add_argument("--labels", choices=("hard", "soft"), default="hard")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--name", default="supervised_trainer", help="of the table")
    options = parser.parse_args(words)
    synthetic = SyntheticDataset.load(options.set)
    test = real_items(synthetic, options.data_dir, "test")
    used, about = synthetic, "hard labels"
    if options.labels == "soft":
        teacher = _teacher(synthetic, options)
        about = f"soft labels of a network with test accuracy {accuracy(teacher, test):.3f}"
        used = with_soft_labels(synthetic, teacher, items_of(synthetic))
    for seed in options.seeds:
        since = time.process_time()
        found = accuracy(trained(synthetic, items_of(used), seed, options.steps), test)
        row = {"labels": about, "seed": seed, "steps": options.steps, "accuracy": found, "commit": commit()}
        with options.work.open("a") as file:
            file.write(json.dumps({**row, "cpu_s": time.process_time() - since}) + "\n")
    rows = [json.loads(line) for line in options.work.read_text().splitlines()]
    stated = json.loads((options.set / "scores.json").read_text())["distilled"]["accuracy"]
    print(write_record(options.name, record_of(rows, synthetic, stated)))
    return 0


def _teacher(synthetic: SyntheticDataset, options: argparse.Namespace) -> nn.Module:
    """The network of all training images; trained once."""
    file = options.work.with_name("teacher.pt")
    if not file.is_file():
        items = real_items(synthetic, options.data_dir, "training")
        torch.save(trained(synthetic, items, TEACHER_SEED, options.steps).state_dict(), file)
    shape = {key: value for key, value in synthetic.manifest["network"].items() if key != "_target_"}
    network = ConvNet(**shape)
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.eval()
