"""The script that test_two_processes.py starts twice by torchrun: jobs, of which the last fails in one process."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from monai_distill.data import SyntheticDataset, TrajectoryStore
from monai_distill.data.class_batches import ClassBatch
from monai_distill.engines.distillation import (
    DistributionMatching,
    GradientMatching,
    NetworkLoop,
    RandomNetworks,
    TrajectoryMatching,
    attention_features,
)
from monai_distill.losses import AttentionMatchingLoss, GrowingMaskLoss
from monai_distill.networks import FlatNetwork
from monai_distill.networks.features import shared_statistics
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.processes import exchange, group
from monai_distill.transforms import SiameseAugment
from tests.configs.command import FAST, command, undrawn_figures
from tests.losses.segments import segment

SPREAD = ("--segments_per_step", "2", "--experts", "3")
NO_EXPERTS = tuple(
    word
    for name, value in zip(FAST[::2], FAST[1::2], strict=True)
    if name.strip("-") not in {"experts", "max_start_epoch", "expert_epochs", "student_steps"}
    and not name.startswith("--expert_")
    for word in (name, value)
)
DATADAM = ("--depth", "2", "--method", "datadam")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Inside the block this process acts as a single one."""
    with mock.patch("torch.distributed.get_world_size", return_value=1):
        yield


@contextlib.contextmanager
def at_iteration(number: int, happens: Callable[[], Any]) -> Iterator[None]:
    """Inside the block something happens in the second process only, while an iteration (from 1) computes."""
    plain, seen = TrajectoryMatching.__call__, []

    def call(self: TrajectoryMatching, synthetic: SyntheticDataset, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        seen.append(None)
        if len(seen) == number and group.rank() == 1:
            happens()
        return plain(self, synthetic, batch)

    with mock.patch.object(TrajectoryMatching, "__call__", call):
        yield


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference in units of the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def both_ways(make: Callable[[], Any], call: Callable[[Any], tuple[Tensor, dict[str, Tensor]]]) -> float:
    """How far the images' gradient and the loss of an objective are from those of one process."""
    loss, gradients = call(make())
    with alone():
        expected, whole = call(make())
    return max(difference(loss, expected), difference(gradients["images"], whole["images"]))


def primitives(folder: Path) -> dict[str, Any]:
    """Every function of the module, with values that tell the processes apart."""
    own = float(group.rank() + 1)
    failed = ""
    try:
        exchange.from_first(lambda: json.loads("no JSON"))
    except (RuntimeError, ValueError) as error:
        failed = f"{type(error).__name__}: {error}"
    tensor = torch.tensor([own])
    exchange.copy_from_first([tensor])
    uneven = ""
    try:
        group.even_share(3, "segments_per_step")
    except ValueError as error:
        uneven = str(error)
    hidden = ""
    try:
        TrajectoryStore(folder / f"disk of {group.rank()}", {}, experts=1, snapshots=1, parameters=1)
    except RuntimeError as error:
        hidden = str(error)
    return {
        "count": group.count(),
        "sums": [t.tolist() for t in exchange.sums([torch.tensor(own), torch.tensor([[own, 10 * own]])])],
        "means": exchange.means([torch.tensor(own)])[0].item(),
        "anywhere": exchange.anywhere(torch.tensor([own == 2, False])).tolist(),
        "copied": tensor.item(),
        "from_first": exchange.from_first(lambda: own),
        "failed": failed,
        "to_first": [exchange.to_first(own if group.rank() == sender else None, sender) for sender in (0, 1)],
        "uneven": uneven,
        "hidden": hidden,
        "share": group.even_share(4, "segments_per_step"),
    }


def objectives() -> dict[str, float]:
    """How far several processes are from one, objective by objective."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(torch.tensor([5, 4, 2]))
    batch = ClassBatch(0, torch.randn(11, 1, 8, 8, generator=generator), labels, (5, 4, 2))
    data = SyntheticDataset(torch.randn(6, 1, 8, 8, generator=generator), torch.arange(6) % 3, ["a", "b", "c"])
    augment = SiameseAugment()

    def distributions(norm: str) -> DistributionMatching:
        build = lambda: ConvNet(2, 1, 3, 8, width=4, depth=2, norm=norm)  # noqa: E731
        loss = AttentionMatchingLoss()
        return DistributionMatching(RandomNetworks(build), augment, features=attention_features, loss=loss)

    def gradients() -> GradientMatching:
        network = FlatNetwork(lambda: ConvNet(2, 1, 3, 8, width=4, depth=2))
        return GradientMatching(network, augment, loop=NetworkLoop(2, 1))

    return {
        "instance norm": both_ways(lambda: distributions("instance"), lambda match: match(data, batch)),
        "batch norm": both_ways(lambda: distributions("batch"), lambda match: match(data, batch)),
        "gradients": both_ways(
            gradients, lambda match: (match(data, batch), match(data, batch._replace(iteration=1)))[1]
        ),
        "batch norm layer": batch_norm(),
        "growing mask": growing_mask(),
    }


def batch_norm() -> float:
    """A layer over parts of a batch, against PyTorch's over the whole."""
    whole = 3 + torch.randn(7, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    layer = nn.BatchNorm2d(4)
    own = slice(group.rank(), None, 2)
    with torch.no_grad(), shared_statistics(layer):
        part = layer(whole[own])
    return difference(part, nn.BatchNorm2d(4)(whole)[own].detach())


def growing_mask() -> float:
    """Losses and masks of three iterations of two segments: one process takes both, two take one each."""
    own = group.rank()
    ours, mask = grown([own])
    with alone():
        both, whole = grown([0, 1])
    return max(float((ours - both[:, own : own + 1]).abs().max()), float((mask ^ whole).sum()))


def grown(places: list[int]) -> tuple[Tensor, Tensor]:
    loss, generator = GrowingMaskLoss(base=0.1, growth=2.0, every=1), torch.Generator().manual_seed(2)
    values = []
    for iteration in range(3):
        starts, ends, targets = torch.randn(3, 2, 40, generator=generator)
        values += [loss([starts[p], ends[p]], segment(starts[p], targets[p], iteration=iteration)) for p in places]
    assert loss.mask is not None
    return torch.stack(values).reshape(3, -1), loss.mask


def jobs(folder: Path) -> dict[str, int]:
    """Complete runs of the command: exit status by name."""
    words = ("run", *FAST, *SPREAD)
    codes = {"datadam": command("run", *NO_EXPERTS, *DATADAM, "--output_dir", folder / "datadam").code}
    with at_iteration(3, lambda: signal.raise_signal(signal.SIGINT)):
        codes["interrupted"] = command(*words, "--output_dir", folder / "mtt").code
    exchange.from_first(lambda: shutil.copytree(folder / "mtt", folder / "left"))
    codes["resumed"] = command("resume", folder / "mtt").code
    return codes


def refusals(folder: Path) -> dict[str, str]:
    """The errors of the command for work that cannot be divided."""
    return {
        "segments": command("run", *FAST, "--output_dir", folder / "odd").err,
        "epsilon": command("run", *NO_EXPERTS, "--method", "dm", "--epsilon", "1", "--output_dir", folder / "dp").err,
        "evaluate": command("evaluate", folder / "mtt").err,
        "device": command("run", *FAST, *SPREAD, "--device", "cuda:7", "--output_dir", folder / "gpu").err,
    }


def fail() -> None:
    """Fail like a process that ran out of memory."""
    raise RuntimeError("out of memory, say")


def main(folder: Path) -> int:
    """Run everything and write the results; the exit status is that of the failing job."""
    group.join()
    with undrawn_figures(), mock.patch.object(group, "leave"):  # a group cannot be made twice in one process
        results = {
            "primitives": primitives(folder),
            "objectives": objectives(),
            "jobs": jobs(folder),
            "refusals": refusals(folder),
        }
        (folder / f"results_{group.rank()}.json").write_text(json.dumps(results))
        with at_iteration(2, fail):
            return command("run", *FAST, *SPREAD, "--output_dir", folder / "failed").code


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sys.exit(main(Path(sys.argv[1])))
