"""DD-Ranking's scores: the advantage of a distilled set without its labels and its augmentation."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

__all__ = ["augmentation_robust_score", "hard_label_recovery", "improvement_over_random", "label_robust_score"]


def hard_label_recovery(full: float, distilled: float) -> float:
    """HLR = accuracy(all training images) - accuracy(distilled images), both with hard labels; smaller is better.

    References:
        Li et al., DD-Ranking, 2025, https://arxiv.org/abs/2505.13300.

    Deviation from the released program: accuracies are fractions, and no learning rate is picked on test images.

    Args:
        full: accuracy in [0, 1] of networks trained on all training images.
        distilled: accuracy in [0, 1] of networks trained on the distilled images and their class numbers.

    Returns:
        In [-1, 1].

    Raises:
        ValueError: if an accuracy is not a fraction.

    Example:
        >>> hard_label_recovery(0.85, 0.60)
        0.25
    """
    _check(full=full, distilled=distilled)
    return full - distilled


def improvement_over_random(distilled: float, random: float) -> float:
    """IOR = accuracy(distilled set, its own protocol) - accuracy(random real set of its size, the same protocol).

    The same protocol includes the same kind of labels: soft against soft. Larger is better.

    References:
        Li et al., DD-Ranking, 2025, https://arxiv.org/abs/2505.13300.

    Args:
        distilled: accuracy in [0, 1].
        random: accuracy in [0, 1].

    Returns:
        In [-1, 1].

    Raises:
        ValueError: if an accuracy is not a fraction.

    Example:
        >>> improvement_over_random(0.75, 0.5)
        0.25
    """
    _check(distilled=distilled, random=random)
    return distilled - random


def label_robust_score(hlr: float, ior: float, weight: float = 0.5) -> float:
    """LRS = (e^a - e^-1) / (e - e^-1) with a = weight IOR - (1 - weight) HLR; larger is better.

    References:
        Li et al., DD-Ranking, 2025, https://arxiv.org/abs/2505.13300. The released program puts percent into the
        formula, so its scores leave [0, 1]. With fractions a lies in [-1, 1].

    Args:
        hlr: see :func:`hard_label_recovery`.
        ior: see :func:`improvement_over_random`.
        weight: of IOR against HLR, in [0, 1].

    Returns:
        In [0, 1]; 0.269 for a set that is as good as all data and as random.

    Raises:
        ValueError: if a difference is outside [-1, 1] or the weight is outside [0, 1].

    Example:
        >>> [round(label_robust_score(hlr, ior), 3) for hlr, ior in ((1, -1), (0, 0), (-1, 1))]
        [0.0, 0.269, 1.0]
    """
    _check_mix(weight, hlr=hlr, ior=ior)
    return _normalized(weight * ior - (1 - weight) * hlr)


def augmentation_robust_score(augmented: float, plain: float, weight: float = 0.5) -> float:
    """ARS = (e^b - e^-1) / (e - e^-1) with b = weight IOR_augmented + (1 - weight) IOR_plain; larger is better.

    References:
        Li et al., DD-Ranking, 2025, https://arxiv.org/abs/2505.13300; in fractions, see :func:`label_robust_score`.

    Args:
        augmented: improvement over random when both are trained with the protocol's augmentation.
        plain: the same when both are trained without any.
        weight: of the first, in [0, 1].

    Returns:
        In [0, 1]; 0.269 for a set that is as good as random.

    Raises:
        ValueError: if a difference is outside [-1, 1] or the weight is outside [0, 1].

    Example:
        >>> round(augmentation_robust_score(0.0, 0.0), 3)
        0.269
    """
    _check_mix(weight, augmented=augmented, plain=plain)
    return _normalized(weight * augmented + (1 - weight) * plain)


def _normalized(exponent: float) -> float:
    """(e^x - e^-1) / (e - e^-1), which takes [-1, 1] to [0, 1]; clipped against rounding."""
    value = (math.exp(exponent) - math.exp(-1)) / (math.e - math.exp(-1))
    return min(max(value, 0.0), 1.0)


def _check(**accuracies: float) -> None:
    if not all(0 <= value <= 1 for value in accuracies.values()):
        raise ValueError(f"Expected accuracies as fractions of 1, got {accuracies}. Divide percent by 100.")


def _check_mix(weight: float, **differences: float) -> None:
    if not 0 <= weight <= 1 or not all(-1 <= value <= 1 for value in differences.values()):
        raise ValueError(
            f"Expected differences of fractions in [-1, 1] and a weight in [0, 1], got {differences} and {weight}."
        )
