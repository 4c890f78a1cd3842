"""The peak sees what was allocated since the restart and forgets what was before."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

import pytest
import torch

from monai_distill.runtime.memory import PeakMemory

MIB = 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can forget an earlier peak")
def test_a_block_raises_the_peak_until_the_restart_after_it_is_freed() -> None:
    memory = PeakMemory("cpu")
    memory.restart()
    before = memory.mebibytes()
    block = torch.ones(64 * MIB)  # 256 MiB
    del block
    assert 200 < memory.mebibytes() - before < 400
    memory.restart()
    assert memory.mebibytes() - before < 100
    assert memory.measured_on == "process"


@pytest.mark.gpu
def test_on_a_gpu_it_counts_tensors() -> None:
    memory = PeakMemory("cuda")
    memory.restart()
    before = memory.mebibytes()
    torch.ones(64 * MIB, device="cuda")
    assert memory.mebibytes() - before == pytest.approx(256, abs=3)
    assert memory.measured_on == torch.cuda.get_device_name("cuda")
