"""Calibration error of a classifier."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from monai.metrics import CalibrationErrorMetric, CumulativeIterationMetric
from torch import Tensor

__all__ = ["ClassifierCalibration"]


class ClassifierCalibration(CumulativeIterationMetric):  # type: ignore[misc]
    """MONAI's calibration error for classifiers: all images share the bins.

    MONAI's ``CalibrationErrorMetric`` bins the pixels of every image separately. Given [B, classes, 1] it has one value
    per bin and reports the mean distance of a probability from 0 or 1.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, https://arxiv.org/abs/1706.04599 (predicted
        class); Kull et al., Beyond Temperature Scaling, NeurIPS 2019, https://arxiv.org/abs/1910.12656 (``classwise``).

    Args:
        num_bins: number of bins of equal width between 0 and 1.
        classwise: average the error over the classes; otherwise use the predicted class only.
        calibration_reduction: ``"expected"``, ``"average"`` or ``"maximum"`` over the bins.

    Raises:
        ValueError: if the reduction is unknown or there is no image.

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
        buffers = self.get_buffer()
        if buffers is None:
            raise ValueError("No image reached the metric. Give it probabilities and one-hot labels first.")
        probabilities, labels = buffers
        if not self.classwise:
            predicted = probabilities.argmax(dim=1, keepdim=True)
            probabilities, labels = probabilities.gather(1, predicted), labels.gather(1, predicted)
        self.error.reset()
        # one "image" whose pixels are the images
        self.error(y_pred=probabilities.T.contiguous()[None], y=labels.T[None])
        value: Tensor = self.error.aggregate()
        return value
