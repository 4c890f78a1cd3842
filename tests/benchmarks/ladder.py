"""The ladder: how far along the official trajectory matching curve this project gets, rung by rung.

``python -m tests.benchmarks ladder --data ../shared/data/cifar10_jpeg.zip --device cuda --out runs/ladder`` trains
experts, distils 10 images per class for 500 iterations and writes ``ladder.json``, ``ladder.md`` and ``ladder.png``.
Run it again to go on with an interrupted one. Without a GPU: ``--data ../shared/data/MNIST`` at small size.

As in the official program, all training images are used and the test accuracy is looked at on the way; nothing is
chosen by it. The official numbers are those of an independent rerun of the official program whose log is public (100
experts, ConvNet-3 of width 128, ZCA, N 50, M 2, T+ 20, 10 images per class, image step 1000, student step 0.01, 3
networks).
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from monai_distill.data import ClassBank, SegmentSampler, StartEpochs, SyntheticDataset, TrajectoryStore, real_images
from monai_distill.engines.distillation import Distiller, InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.engines.experts import ExpertProtocol, ExpertTrainer
from monai_distill.engines.students import StudentEvaluator, StudentTraining, student_seeds
from monai_distill.handlers import History, ProgressBar, ResumableState
from monai_distill.networks import FlatNetwork
from monai_distill.networks.factories import factory_config
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.image_blocks import blocks
from monai_distill.runtime.memory import disable_malloc_trim
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment, Standardize, ZCAWhitening
from tests.benchmarks.ladder_data import read_images
from tests.benchmarks.ladder_report import write_report


@dataclass
class Settings:
    """The options of a ladder; the defaults are the official log's, but for the number of experts."""

    width: int = 128
    depth: int = 3
    zca: bool = True
    experts: int = 5
    max_start_epoch: int = 20
    expert_epochs: int = 2
    student_steps: int = 50
    images_per_class: int = 10
    image_lr: float = 1000.0
    student_lr: float = 0.01
    student_lr_lr: float = 1e-5
    iterations: int = 500
    evaluate_every: int = 250
    evaluation_steps: int = 1000
    students: int = 3
    training_images: int = 0  # 0: all
    seed: int = 0


SMALL = {"width": 32, "zca": False, "experts": 4, "max_start_epoch": 4, "student_steps": 10, "images_per_class": 1}
SMALL |= {"image_lr": 50.0, "iterations": 100, "evaluate_every": 50, "evaluation_steps": 300}
SMALL |= {"training_images": 6000}


Known = Callable[[dict[str, Any]], object]  # is called with every point of the curve, as soon as it is known


class Curve:
    """Test accuracy of fresh students at the end of every epoch of the distiller; kept for a resume."""

    def __init__(self, evaluator: StudentEvaluator, known: Known) -> None:
        self.evaluator = evaluator
        self.known = known
        self.points: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self._before_the_first)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._score(engine.state.iteration))

    def state_dict(self) -> dict[str, Any]:
        return {"points": self.points}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.points = list(state["points"])

    def _before_the_first(self, engine: Engine) -> None:
        if not self.points:
            self._score(0)

    def _score(self, iteration: int) -> None:
        self.evaluator.run()
        self.points.append({"iteration": iteration, "accuracy": self.evaluator.scores()["accuracy"]["values"]})
        self.known(self.points[-1])


def prepared(data: Path, settings: Settings, device: str, out: Path) -> tuple[ClassBank, ClassBank]:
    """Training and test images, whitened or standardized by the training images."""
    training, test = read_images(data, out)
    if settings.training_images:
        order = torch.randperm(len(training), generator=seeded_generator(settings.seed, "training images"))
        kept = order[: settings.training_images]
        training = ClassBank(training.images[kept], training.labels[kept], training.class_names)
    fit = ZCAWhitening.fit if settings.zca else Standardize.fit
    preprocessing = fit(training.images)
    return training.mapped(preprocessing, device), test.mapped(preprocessing, device)


def expert_accuracy(network: FlatNetwork, store: TrajectoryStore, test: ClassBank, epoch: int) -> list[float]:
    """Test accuracy of every expert after ``epoch`` epochs."""
    values = []
    for expert in store.finished:
        parameters = store.snapshot(expert, epoch, test.device)
        parts = [network.predict(parameters, images).argmax(1) for images in blocks(test.images, 512)]
        values.append(float((torch.cat(parts) == test.labels).float().mean()))
    return values


def climbed(data: Path, settings: Settings, device: str, out: Path, known: Known) -> dict[str, Any]:
    """Train, distil and score; what the report is written from."""
    begin = time.perf_counter()
    training, test = prepared(data, settings, device, out)
    channels, *spatial = training.images.shape[1:]
    factory = partial(
        ConvNet,
        spatial_dims=2,
        in_channels=channels,
        num_classes=training.num_classes,
        image_size=tuple(spatial),
        width=settings.width,
        depth=settings.depth,
    )
    network = FlatNetwork(factory).to(device)
    letters = channels == 1  # a mirrored digit is another sign
    augment = SiameseAugment(["color", "crop", "cutout", *(() if letters else ("flip",)), "scale", "rotate"])
    job = {"data": training.fingerprint(), "network": factory_config(factory), "settings": asdict(settings)}
    seconds = {"data": time.perf_counter() - begin}

    epochs = settings.max_start_epoch + settings.expert_epochs - 1
    requested = {name: job["settings"][name] for name in ("zca", "experts", "seed", "training_images")}
    store = TrajectoryStore(
        out / "experts",
        {**job, "settings": requested},
        experts=settings.experts,
        snapshots=epochs + 1,
        parameters=network.size,
    )
    ExpertTrainer(
        network=network, bank=training, store=store, protocol=ExpertProtocol(augment, epochs), seed=settings.seed,
        handlers=[ProgressBar("experts", unit="epoch", show=["loss", "accuracy"])],
    ).run()  # fmt: skip
    seconds["experts"] = time.perf_counter() - begin - seconds["data"]
    accuracy = {epoch: expert_accuracy(network, store, test, epoch) for epoch in (1, 5, 10) if epoch <= epochs}

    history, curve = distilled(training, test, network, augment, store, settings, job, out, known)
    seconds["distillation and scores"] = time.perf_counter() - begin - sum(seconds.values())
    return {
        "data": str(data),
        "device": torch.cuda.get_device_name(training.device) if training.device.type == "cuda" else "cpu",
        "settings": asdict(settings),
        "experts": {str(epoch): values for epoch, values in accuracy.items()},
        "losses": [row["loss"] for row in history.iterations],
        "curve": curve.points,
        "seconds_of_this_call": {name: round(value, 1) for name, value in seconds.items()},
    }


def distilled(
    training: ClassBank,
    test: ClassBank,
    network: FlatNetwork,
    augment: SiameseAugment,
    store: TrajectoryStore,
    settings: Settings,
    job: dict[str, Any],
    out: Path,
    known: Known,
) -> tuple[History, Curve]:
    """The official inner loop on this project's distiller, its state saved for a resume."""
    start = real_images(training, settings.images_per_class, seeded_generator(settings.seed, "initial images"))
    synthetic = SyntheticDataset(*start, training.class_names, student_lr=settings.student_lr).to(training.device)
    protocol = StudentTraining(augment, steps=settings.evaluation_steps)

    def current() -> tuple[Tensor, Tensor, float]:
        return synthetic.training_set()

    seeds = student_seeds(settings.seed, students=settings.students)
    evaluator = StudentEvaluator(current, network, protocol, test, seeds=seeds)
    history, curve = History(), Curve(evaluator, known)
    optimizer = torch.optim.SGD(
        [
            {"params": [synthetic.images], "lr": settings.image_lr},
            {"params": [synthetic.student_lr], "lr": settings.student_lr_lr},
        ],
        lr=0.0,
        momentum=0.5,
    )
    free = torch.cuda.mem_get_info(training.device)[0] / 2**20 if training.device.type == "cuda" else 4096
    kept = {"synthetic": synthetic, "optimizer": optimizer, "history": history, "curve": curve}
    Distiller(
        synthetic=synthetic,
        objective=TrajectoryMatching(
            network,
            augment,
            inner=InnerLoop(settings.student_steps),
            memory=UnrollMemory(budget=free / 2),
            seed=settings.seed,
        ),
        train_data_loader=SegmentSampler(
            store, StartEpochs(settings.max_start_epoch), expert_epochs=settings.expert_epochs,
            seed=settings.seed, device=training.device,
        ),
        optimizer=optimizer,
        max_epochs=-(-settings.iterations // settings.evaluate_every),
        epoch_length=settings.evaluate_every,
        train_handlers=[
            ProgressBar("distilling", show=["loss", "student_lr"]),
            history,
            curve,
            ResumableState(out / "state.pt", kept, job=job, resume=True),
        ],
    ).run()  # fmt: skip
    return history, curve


def arguments() -> argparse.ArgumentParser:
    """The command's arguments; every setting may be given."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks ladder", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cifar10_jpeg.zip"),
                        help="cifar10_jpeg.zip, a folder with MNIST's four .gz files, or digits")  # fmt: skip
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=Path("runs/ladder"))
    for name, value in asdict(Settings()).items():
        kind = (lambda text: text == "true") if isinstance(value, bool) else type(value)
        parser.add_argument(f"--{name}", type=kind, metavar=str(value).lower())
    return parser


def main(words: Sequence[str], known: Known = lambda point: None) -> int:
    """Climb, write, print; fail when a judged rung is missed."""
    options = vars(arguments().parse_args(words))
    data, device, out = (options.pop(name) for name in ("data", "device", "out"))
    small = {} if data.suffix == ".zip" else SMALL
    settings = Settings(**{**small, **{name: value for name, value in options.items() if value is not None}})
    out.mkdir(parents=True, exist_ok=True)
    disable_malloc_trim()
    result = climbed(data, settings, device, out, known)
    atomic_write(out / "ladder.json", json.dumps(result, indent=1).encode())
    table, missed = write_report(result, out)
    print(table)
    return int(missed)
