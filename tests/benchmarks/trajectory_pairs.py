"""MTT next to its official program, from the same experts: ``python -m tests.benchmarks trajectory_pairs``.

The official program's functions train the experts on the images of ``--data``. Then, for every seed, both sides distil
from the same real images on the same segments, and one evaluator scores both sets. Writes
``results/trajectory_pairs.json``. ``--reference`` is a checkout of GeorgeCazenavette/mtt-distillation (MIT).
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset, real_images
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching
from monai_distill.engines.students import StudentEvaluator, StudentTraining, student_seeds
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment
from tests.benchmarks import official, results
from tests.benchmarks.matching_data import SIDE, banks
from tests.benchmarks.subject import arguments

COLUMNS = ["seed", "loss, ours", "original", "student_lr, ours", "original ", "accuracy, ours", "original  ", "pair"]
Iterate = Callable[[Segment], float]
Found = tuple[float, float, Tensor]  # mean loss of the last tenth of iterations, learning rate, images


def trained_experts(options: argparse.Namespace, bank: ClassBank) -> list[Tensor]:
    """Experts of the official program, the states [epochs + 1, P] of each."""
    experts = []
    for number in range(options.experts):
        torch.manual_seed(number)
        net, epoch = official.training(options, bank.images, bank.labels, options.expert_lr)
        states = [official.flat(net)]
        for _ in range(options.max_start_epoch + options.expert_epochs):
            epoch()
            states.append(official.flat(net))
        experts.append(torch.stack(states))
        print(f"expert {number + 1} of {options.experts}", flush=True)
    return experts


def segments(options: argparse.Namespace, experts: list[Tensor], seed: int) -> list[Segment]:
    """A segment for every iteration, the same for both sides."""
    generator = seeded_generator(seed, "segments")
    drawn = []
    for iteration in range(options.iterations):
        expert = int(torch.randint(len(experts), (1,), generator=generator))
        epoch = int(torch.randint(options.max_start_epoch, (1,), generator=generator))
        states = experts[expert]
        drawn.append(Segment(iteration, expert, epoch, states[epoch], states[epoch + options.expert_epochs], None, 0))
    return drawn


def ours(options: argparse.Namespace, images: Tensor, labels: Tensor, drawn: list[Segment], seed: int) -> Found:
    """This project's set."""
    names = [str(c) for c in range(options.classes)]
    synthetic = SyntheticDataset(images.clone(), labels, names, student_lr=options.student_lr)
    inner = InnerLoop(options.student_steps)
    objective = TrajectoryMatching(flat_network(options), SiameseAugment(), inner=inner, seed=seed)
    rates = [(synthetic.images, options.image_lr), (synthetic.student_lr, options.lr_lr)]
    optimizer = torch.optim.SGD([{"params": [p], "lr": lr} for p, lr in rates], lr=0.0, momentum=0.5)

    def iterate(segment: Segment) -> float:
        loss, gradients = objective(synthetic, segment)
        for name, parameter in synthetic.named_parameters():
            parameter.grad = gradients[name].to(parameter)
        optimizer.step()
        return float(loss)

    loss = _mean_of_last(iterate, drawn)
    return loss, float(synthetic.student_lr.detach()), synthetic.images.detach()


def theirs(options: argparse.Namespace, images: Tensor, labels: Tensor, drawn: list[Segment], seed: int) -> Found:
    """The official program's set."""
    torch.manual_seed(seed)
    rates = {"student_lr": options.student_lr, "image_lr": options.image_lr, "lr_lr": options.lr_lr}
    work = official.Trajectory(options, images, labels, **rates)
    loss = _mean_of_last(lambda segment: work(segment.start, segment.target), drawn)
    return loss, float(work.student_lr.detach()), work.images.detach()


def _mean_of_last(iterate: Iterate, drawn: list[Segment]) -> float:
    losses = [iterate(segment) for segment in drawn]
    return statistics.fmean(losses[-max(len(losses) // 10, 1) :])


def flat_network(options: argparse.Namespace) -> FlatNetwork:
    """The architecture of both sides."""
    return FlatNetwork(partial(ConvNet, 2, 3, options.classes, SIDE, width=options.width, depth=options.depth))


def accuracy(options: argparse.Namespace, found: Found, labels: Tensor, test: ClassBank, seed: int) -> float:
    """Mean test accuracy of three students with the set's own learning rate."""
    protocol = StudentTraining(SiameseAugment(), steps=options.steps)
    current = partial(_set, found[2], labels, max(found[1], 1e-4))
    evaluator = StudentEvaluator(current, flat_network(options), protocol, test, seeds=student_seeds(seed, students=3))
    evaluator.run()
    return statistics.fmean(evaluator.scores()["accuracy"]["values"])


def _set(images: Tensor, labels: Tensor, lr: float) -> tuple[Tensor, Tensor, float]:
    return images, labels, lr


def main(words: list[str]) -> int:
    """Train experts, distil on both sides for every seed, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, parents=[arguments()], conflict_handler="resolve")
    settings = {"experts": 5, "max_start_epoch": 15, "expert_epochs": 2, "iterations": 100, "seeds": 5, "steps": 300}
    for name, value in settings.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    # the preset of `mtt` for ten images a class of BloodMNIST
    for name, rate in {"expert_lr": 0.03, "student_lr": 0.03, "image_lr": 200.0, "lr_lr": 1e-5}.items():
        parser.add_argument(f"--{name}", type=float, default=rate)
    parser.set_defaults(ipc=10, width=16, threads=1, student_steps=20, real_images=4000)
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    training, test = banks(Path(options.data))
    options.classes = len(training.class_names)
    chosen = torch.randperm(len(training), generator=seeded_generator(0, "subset"))[: options.real_images]
    bank = ClassBank(training.images[chosen], training.labels[chosen], list(training.class_names))
    experts = trained_experts(options, bank)
    rows: list[list[Any]] = []
    for seed in range(options.seeds):
        images, labels = real_images(bank, options.ipc, seeded_generator(seed, "initial images"))
        drawn = segments(options, experts, seed)
        found = [make(options, images, labels, drawn, seed) for make in (ours, theirs)]
        scores = [accuracy(options, one, labels, test, seed) for one in found]
        rows.append([seed, found[0][0], found[1][0], found[0][1], found[1][1], *scores, scores[0] - scores[1]])
        print(json.dumps(rows[-1]), flush=True)
        results.write_record("trajectory_pairs", _record(rows, words, options.threads))
    return 0


def _record(rows: list[list[Any]], words: list[str], threads: int) -> dict[str, Any]:
    columns = [list(column) for column in zip(*rows, strict=True)][1:]
    mean = ["mean", *([statistics.fmean(c), statistics.stdev(c) if len(c) > 1 else None] for c in columns)]
    shown = [word if before not in ("--reference", "--data") else Path(word).name for before, word in _pairs(words)]
    return {
        "columns": COLUMNS, "rows": [*rows, mean], "format": dict.fromkeys(COLUMNS[1:5], ".4f"),
        "command": " ".join(["python -m tests.benchmarks trajectory_pairs", *shown]), "commit": results.commit(),
        "hardware": results.hardware(threads), "seeds": "0 and following",
    }  # fmt: skip


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(("", *words), words, strict=False))
