"""Numbers of an outer loop that follow from other settings: rounds, iterations, learning rate."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

__all__ = [
    "class_regularization_weight",
    "gradient_iterations",
    "last_iteration",
    "matching_image_lr",
    "planned_iterations",
    "whole_rounds",
]


def whole_rounds(iterations: int, iterations_per_round: int) -> int:
    """Rounds between validations; the last one may be shorter.

    Raises:
        ValueError: for less than one iteration per round.

    Example:
        >>> whole_rounds(200, 100), whole_rounds(201, 100)
        (2, 3)
    """
    if iterations_per_round < 1:
        raise ValueError(f"Expected validate_every of at least 1, got {iterations_per_round}.")
    return -(-iterations // iterations_per_round)


def planned_iterations(iterations: int, max_epochs: int, epoch_length: int) -> int:
    """Outer iterations that a trainer runs: ``iterations``, or all epochs if ``max_epochs`` does not follow from it.

    Example:
        >>> planned_iterations(10, max_epochs=1, epoch_length=1000)
        10
        >>> planned_iterations(10, max_epochs=3, epoch_length=10)
        30
    """
    implied = max_epochs == whole_rounds(iterations, epoch_length)
    return iterations if implied else max_epochs * epoch_length


def last_iteration(iterations: int | None, max_epochs: int, epoch_length: int) -> int | None:
    """The iteration that ends the last epoch early; None where the last epoch has its whole length.

    Raises:
        ValueError: if ``iterations`` does not lie in the last epoch.

    Example:
        >>> last_iteration(10, 1, 1000), last_iteration(200, 2, 100)
        (10, None)
    """
    if iterations is None or iterations == max_epochs * epoch_length:
        return None
    if whole_rounds(iterations, epoch_length) != max_epochs:
        raise ValueError(
            f"Expected iterations in the last of {max_epochs} epochs of {epoch_length}, got {iterations}. Set "
            f"max_epochs to {whole_rounds(iterations, epoch_length)}, or leave the limit of iterations out."
        )
    return iterations


def gradient_iterations(networks: int, outer_steps: int) -> int:
    """Outer iterations of gradient matching: every network is used for ``outer_steps`` image steps.

    Example:
        >>> gradient_iterations(networks=20, outer_steps=10)
        200
    """
    return networks * outer_steps


def matching_image_lr(base: float, images_per_class: int) -> float:
    """Learning rate of the images in distribution matching: ten times ``base`` above 50 images per class.

    References:
        Zhao and Bilen, Dataset Condensation with Distribution Matching, WACV 2023 (the released program).

    Example:
        >>> matching_image_lr(1.0, 50), matching_image_lr(1.0, 51)
        (1.0, 10.0)
    """
    return base * (10 if images_per_class > 50 else 1)


def class_regularization_weight(images_per_class: int, width: int = 128) -> float:
    """Weight of IDM's cross-entropy: 0.5, and 0.1 from 50 images per class on.

    References:
        Zhao et al., Improved Distribution Matching for Dataset Condensation, CVPR 2023,
        https://arxiv.org/abs/2307.09742.

    Deviation: the weights are those of the published width of 128 and change in proportion to the width. The distance
    that they are weighed against is a sum over channels, so that the published weight damages the images of a narrow
    network (measured, see RESULTS.md).

    Args:
        images_per_class: synthetic images of every class.
        width: channels of the matched network.

    Example:
        >>> class_regularization_weight(10), class_regularization_weight(50), class_regularization_weight(10, width=32)
        (0.5, 0.1, 0.125)
    """
    return (0.5 if images_per_class < 50 else 0.1) * width / 128
