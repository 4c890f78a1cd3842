"""Membership scores: the statistic of an image compared with the same image's statistic in other shadows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MANY_SHADOWS", "SOME_SHADOWS", "calibrated", "likelihood_ratio", "outlyingness"]

SOME_SHADOWS = 16  # enough shadows with the image for its mean, which the online attack needs
MANY_SHADOWS = 64  # enough shadows for its variance too
Array = npt.NDArray[np.float64]
Members = npt.NDArray[np.bool_]


def calibrated(statistics: Array, members: Members, *, one_sided: bool) -> Array:
    """Turn statistics into scores; each shadow in turn is the target, and the others are its shadows.

    The offline attack (:func:`outlyingness`) is used with fewer than :data:`SOME_SHADOWS` shadows and for ``one_sided``
    statistics: a copy lies far outside the range of the other shadows, where the ratio of two Gaussians has no meaning.
    Otherwise the online attack (:func:`likelihood_ratio`) is used.

    Args:
        statistics: [shadows, candidates], higher for members.
        members: [shadows, candidates], True for members; the target's own membership is not used.
        one_sided: True compares with non-members only.

    Returns:
        Scores [shadows, candidates], comparable between candidates. If the statistic is independent of membership, so
        is the score.

    Raises:
        ValueError: if shapes disagree, there are fewer than 3 shadows, or a statistic is not finite.

    Example:
        >>> inside = np.array([[True], [True], [False], [False]])
        >>> calibrated(np.where(inside, 1.0, 0.0), inside, one_sided=True).ravel().tolist()
        [2.0, 2.0, 0.0, 0.0]
    """
    if statistics.shape != members.shape or statistics.ndim != 2 or len(statistics) < 3:
        raise ValueError(
            f"Expected statistics and members [shadows, candidates] of at least 3 shadows, got {statistics.shape} and "
            f"{members.shape}."
        )
    if not np.isfinite(statistics).all():
        raise ValueError("Expected finite statistics, got NaN or infinity. Inspect the attack that returned them.")
    if one_sided or len(statistics) < SOME_SHADOWS:
        return outlyingness(statistics, members)
    return likelihood_ratio(statistics, members)


def outlyingness(statistics: Array, members: Members) -> Array:
    """Offline attack: standard deviations above the mean of the shadows without the image.

    References:
        Carlini et al., IEEE S&P 2022, offline LiRA. The tail probability of the Gaussian is monotone in this number.
    """
    mean, variance = _moments(statistics, ~members)
    return (statistics - mean) / np.sqrt(variance)


def likelihood_ratio(statistics: Array, members: Members) -> Array:
    """Online attack: log ratio of two Gaussian densities, fitted to the shadows with and without the image.

    References:
        Carlini et al., IEEE S&P 2022, online LiRA; as in the paper, one variance for all images below
        :data:`MANY_SHADOWS` shadows.
    """
    mean_in, variance_in = _moments(statistics, members)
    mean_out, variance_out = _moments(statistics, ~members)
    distance_in = (statistics - mean_in) ** 2 / variance_in + np.log(variance_in)
    distance_out = (statistics - mean_out) ** 2 / variance_out + np.log(variance_out)
    return (distance_out - distance_in) / 2


def _moments(statistics: Array, chosen: Members) -> tuple[Array, Array]:
    """Mean and variance [shadows, candidates] over the chosen other shadows.

    They must not depend on the target's own membership: the shared variance is taken over all shadows.
    """
    weights = chosen.astype(np.float64)
    count = weights.sum(axis=0) - weights
    center = statistics.mean(axis=0)  # sums of deviations lose no digits to large means
    shifted = statistics - center
    first = (shifted * weights).sum(axis=0) - shifted * weights
    second = (shifted**2 * weights).sum(axis=0) - shifted**2 * weights
    mean = np.where(count > 0, first / np.maximum(count, 1), 0.0)
    tiny = np.finfo(np.float64).tiny
    shared = max(float(shifted.var(axis=0).mean()), tiny)
    variance = np.full(statistics.shape, shared)
    if len(statistics) >= MANY_SHADOWS:
        per_image = (second - count * mean**2) / np.maximum(count - 1, 1)
        variance = np.where(count > 2, np.maximum(per_image, 1e-6 * shared), shared)
    return mean + center, variance
