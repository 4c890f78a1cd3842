"""A memory holds seen classes and nothing else; predictions are masked_score these."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import torch

from monai_distill.data import ClassBank
from monai_distill.engines.protocols.class_memory import classes_subset, masked_score, memory_of_classes
from monai_distill.metrics import accuracy, auroc

LABELS = torch.tensor([2, 0, 1, 2])
IMAGES = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 2)


def test_only_images_of_seen_classes_are_memory_of_classes_in_their_order() -> None:
    images, targets = memory_of_classes(IMAGES, LABELS, LABELS, [2, 1])
    assert images[:, 0, 0, 0].tolist() == [0, 2, 3]
    assert targets.tolist() == [2, 1, 2]


def test_learned_labels_keep_their_proportions_masked_score_seen_classes() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.5]] * 4))
    _, targets = memory_of_classes(IMAGES, logits, LABELS, [0, 2])
    torch.testing.assert_close(targets.softmax(1), torch.tensor([[2 / 7, 0.0, 5 / 7]] * 3))
    _, everything = memory_of_classes(IMAGES, logits, LABELS, [2, 0, 1])
    assert torch.equal(everything, logits)
    assert torch.isfinite(logits).all()


def test_the_tested_part_has_all_images_of_seen_classes() -> None:
    part = classes_subset(ClassBank(IMAGES, LABELS, ["a", "b", "c"]), [2, 0])
    assert part.labels.tolist() == [2, 0, 2]
    assert part.class_names == ("a", "b", "c")


def test_a_prediction_is_the_most_probable_seen_class() -> None:
    probabilities = np.array([[0.1, 0.8, 0.1], [0.2, 0.5, 0.3]])
    labels = np.array([0, 2])
    assert accuracy(probabilities, labels) == 0
    assert masked_score([0, 2], accuracy, probabilities, labels) == 1
    assert masked_score([0, 1, 2], auroc, probabilities, labels) == auroc(probabilities, labels)
    assert probabilities[0, 1] == 0.8
