"""Whether a classifier is right as often as it says it is."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from monai.metrics import CalibrationErrorMetric, CumulativeIterationMetric
from torch import Tensor

__all__ = ["ClassifierCalibration"]


class ClassifierCalibration(CumulativeIterationMetric):  # type: ignore[misc]
    """MONAI's calibration error, for classifiers: all images share the bins.

    MONAI's own metric bins the pixels of every image by themselves; given [B, classes, 1] it has one value per bin and
    reports the mean distance of a probability from 0 or 1.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (of the answer given); Kull et al., Beyond
        Temperature Scaling, NeurIPS 2019 (of every class, ``classwise``).

    Args:
        num_bins: of equal width, between 0 and 1.
        classwise: mean over the classes of the error of their probabilities; else the error of the answer's.
        calibration_reduction: ``"expected"``, ``"average"`` or ``"maximum"`` over the bins.

    Raises:
        ValueError: for an unknown reduction, or no image.

    Example:
        >>> import torch
        >>> metric = ClassifierCalibration()
        >>> _ = metric(torch.tensor([[0.75, 0.25]] * 4), torch.tensor([[1, 0], [1, 0], [1, 0], [0, 1]]))
        >>> float(metric.aggregate())
        0.0
    """

    def __init__(self, num_bins: int = 15, *, classwise: bool = False, calibration_reduction: str = "expected") -> None:
        super().__init__()
        self.classwise = classwise
        self.error = CalibrationErrorMetric(num_bins=num_bins, calibration_reduction=calibration_reduction)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if y_pred.ndim != 2 or y_pred.shape != y.shape:
            raise ValueError(
                f"Expected probabilities and one-hot labels [B, classes], got {list(y_pred.shape)} and {list(y.shape)}."
            )
        return y_pred, y

    def aggregate(self) -> Tensor:
        """The error in [0, 1] over all images so far."""
        gathered = self.get_buffer()
        if gathered is None:
            raise ValueError("No image reached the metric. Give it probabilities and one-hot labels first.")
        probabilities, labels = gathered
        if not self.classwise:
            answers = probabilities.argmax(dim=1, keepdim=True)
            probabilities, labels = probabilities.gather(1, answers), labels.gather(1, answers)
        self.error.reset()
        self.error(
            y_pred=probabilities.T.contiguous()[None], y=labels.T[None]
        )  # one "image" whose pixels are the images
        value: Tensor = self.error.aggregate()
        return value
