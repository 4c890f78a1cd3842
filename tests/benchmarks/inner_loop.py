"""One outer iteration of trajectory matching in a process of its own: its time and its peak memory.

``python -m tests.benchmarks.inner_loop --student_steps 20 --chunk 1`` prints one JSON line.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from functools import partial

import torch

from monai_distill.data import Segment, SyntheticDataset
from monai_distill.engines import TrajectoryMatching, keep_freed_memory
from monai_distill.networks import ConvNet, FlatNetwork
from monai_distill.transforms import SiameseAugment


def measured(options: argparse.Namespace) -> dict[str, float | int | str]:
    """Median seconds per iteration and the peak memory that the iterations add to the process, in MiB."""
    torch.set_num_threads(options.threads)
    if options.keep_freed_memory:
        keep_freed_memory()
    side, device = options.side, torch.device(options.device)
    factory = partial(ConvNet, 2, 3, 10, side, width=options.width, depth=3)
    network = FlatNetwork(factory).to(device)
    start = network.initial(0).to(device)
    target = start + 0.01 * torch.randn(network.size, generator=torch.Generator().manual_seed(1)).to(device)
    images = torch.randn(options.images, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    synthetic = SyntheticDataset(images, torch.arange(options.images).to(device) % 10, [str(i) for i in range(10)])
    objective = TrajectoryMatching(
        network, SiameseAugment(), student_steps=options.student_steps, chunk=options.chunk or options.student_steps
    )
    before = _peak(device)
    seconds = []
    for iteration in range(options.repeats + 1):
        begin = time.perf_counter()
        objective(synthetic, Segment(iteration, 0, 0, start, target))
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {options.threads} threads"
    return {
        "device": name,
        "width": options.width,
        "images": options.images,
        "student_steps": options.student_steps,
        "chunk": options.chunk or options.student_steps,
        "seconds": round(statistics.median(seconds[1:]), 4),
        "mib": round(_peak(device) - before, 1),
        "process_mib": round(_peak(device), 1),
    }


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def arguments() -> argparse.ArgumentParser:
    """The measurement's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--images", type=int, default=90)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--student_steps", type=int, default=20)
    parser.add_argument("--chunk", type=int, default=0, help="0: all steps in one graph")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep_freed_memory", action="store_true")
    return parser


if __name__ == "__main__":
    print(json.dumps(measured(arguments().parse_args())))
