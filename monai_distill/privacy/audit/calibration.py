"""What a statistic means for one image: compared with the same image's statistic in the other shadows."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MANY_SHADOWS", "SOME_SHADOWS", "calibrated", "likelihood_ratio", "outlyingness"]

SOME_SHADOWS = 16  # from here on an image's mean inside is known well enough for the online attack
MANY_SHADOWS = 64  # and from here on its spread
Array = npt.NDArray[np.float64]
Members = npt.NDArray[np.bool_]


def calibrated(statistics: Array, members: Members, *, one_sided: bool) -> Array:
    """Scores from statistics, every shadow in turn as the target and the others as its shadows.

    Offline below :data:`SOME_SHADOWS` shadows and for ``one_sided`` statistics (a copy lies far outside of everything
    that the other shadows showed, where a ratio of two Gaussians says nothing); the likelihood ratio otherwise.

    Args:
        statistics: [shadows, candidates], higher for members.
        members: [shadows, candidates], who was in; the target's own column entry is not used.
        one_sided: whether to compare with non-members only.

    Returns:
        Scores [shadows, candidates], comparable between candidates. Where the statistic is independent of membership,
        so is the score.

    Raises:
        ValueError: when shapes disagree, there are fewer than 3 shadows, or a statistic is not finite.

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
        raise ValueError("Expected finite statistics, got NaN or infinity. Look at the attack that gave them.")
    if one_sided or len(statistics) < SOME_SHADOWS:
        return outlyingness(statistics, members)
    return likelihood_ratio(statistics, members)


def outlyingness(statistics: Array, members: Members) -> Array:
    """Offline attack: standard deviations above the mean of the shadows that were trained without the image.

    References:
        Carlini et al., IEEE S&P 2022, offline LiRA. The tail probability of the Gaussian is monotone in this number.
    """
    mean, variance = _moments(statistics, ~members)
    return (statistics - mean) / np.sqrt(variance)


def likelihood_ratio(statistics: Array, members: Members) -> Array:
    """Online attack: log of the ratio of two Gaussian densities, fitted with the image and without.

    References:
        Carlini et al., IEEE S&P 2022, online LiRA; one variance for all below :data:`MANY_SHADOWS` shadows, as there.
    """
    mean_in, variance_in = _moments(statistics, members)
    mean_out, variance_out = _moments(statistics, ~members)
    distance_in = (statistics - mean_in) ** 2 / variance_in + np.log(variance_in)
    distance_out = (statistics - mean_out) ** 2 / variance_out + np.log(variance_out)
    return (distance_out - distance_in) / 2


def _moments(statistics: Array, chosen: Members) -> tuple[Array, Array]:
    """Mean and variance [shadows, candidates] over the chosen other shadows.

    The target's own membership must not show in them: the shared variance is taken over all shadows alike.
    """
    chosen_too = chosen.astype(np.float64)
    count = chosen_too.sum(axis=0) - chosen_too
    center = statistics.mean(axis=0)  # sums of deviations: large means cost no digits
    shifted = statistics - center
    first = (shifted * chosen_too).sum(axis=0) - shifted * chosen_too
    second = (shifted**2 * chosen_too).sum(axis=0) - shifted**2 * chosen_too
    mean = np.where(count > 0, first / np.maximum(count, 1), 0.0)
    tiny = np.finfo(np.float64).tiny
    shared = max(float(shifted.var(axis=0).mean()), tiny)
    variance = np.full(statistics.shape, shared)
    if len(statistics) >= MANY_SHADOWS:
        own = (second - count * mean**2) / np.maximum(count - 1, 1)
        variance = np.where(count > 2, np.maximum(own, 1e-6 * shared), shared)
    return mean + center, variance
