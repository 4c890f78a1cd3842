"""A small run of every method, to be repeated on another device: on the stand-in here, on a GPU by the benchmark."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.configs.command import FAST
from tests.runtime.processes.two_processes import NO_EXPERTS

# how much memory a graph takes cannot be counted here: its tensors have none of their own
HELD = ("--chunk", "1", "--images_at_once", "4")
TRAJECTORY = (*FAST, *HELD)
RAMP = ("--max_start_epoch", "3", "--first_max_start_epoch", "2", "--ramp_iterations", "2")
BLENDED = ("--depth", "2", "--method", "ncfm", "--experts", "2", "--expert_train_epochs", "2", "--expert_lr", "0.01")
RUNS = {
    **{method: (*TRAJECTORY, "--method", method) for method in ("mtt", "ftd", "att", "tesla", "hoptm")},
    "datm": (*TRAJECTORY, *RAMP, "--method", "datm", "--factor", "2", "--factor_kind", "multi"),
    "pad": (*TRAJECTORY, *RAMP, "--method", "pad"),
    **{
        method: (*NO_EXPERTS, "--depth", "2", "--method", method)
        for method in ("dc", "dsa", "dm", "datadam", "datadam_paper")
    },
    "idm": (*NO_EXPERTS, "--depth", "2", "--method", "idm", "--network_steps", "2", "--network_batch_size", "16"),
    "ncfm": (*NO_EXPERTS, *BLENDED, "--sampling_network", "true"),
    "segments": (
        *TRAJECTORY,
        "--segments_per_step",
        "2",
        "--zca",
        "true",
        "--synthetic_batch_size",
        "4",
        "--factor",
        "2",
    ),
}
