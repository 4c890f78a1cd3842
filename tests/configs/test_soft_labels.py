"""``--soft_labels true``: a teacher's labels for a method that learns none, and where they are refused."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import SyntheticDataset
from tests.configs.command import command


def test_a_set_is_released_with_the_teacher_s_labels_of_its_last_images(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def logits(teacher: object, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(images.clone())
        return images.flatten(1)[:, :3] + 5 * torch.eye(3)[labels]

    monkeypatch.setattr("monai_distill.engines.students.Teacher.logits", logits)
    scores = run("dm", soft_labels=True, factor=2, batch_per_class=5)
    saved = SyntheticDataset.load(scores["folder"])
    images = saved.decoded().detach()
    assert saved.soft
    torch.testing.assert_close(saved.targets.detach(), images.flatten(1)[:, :3] + 5 * torch.eye(3)[saved.labels])
    assert not torch.allclose(seen[0], images)  # the labels of the start would differ


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--method", "datm"), "this method learns its labels"),
        (("--method", "tesla"), "this method has --teacher_labels"),
        (("--method", "dm", "--epsilon", "20", "--delta", "1e-4"), "no teacher sees the training images"),
    ],
)
def test_labels_of_a_teacher_are_refused(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    small = ("--experts", "1") if words[1] != "dm" else ("--dp_model", "false")
    outcome = command("run", *words, *small, "--soft_labels", "true", "--output_dir", tmp_path / "run")
    assert outcome.code == 1
    assert says in outcome.err
