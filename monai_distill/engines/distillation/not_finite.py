"""The error of a distillation whose loss, gradient or set is not finite: which settings help."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable

__all__ = ["not_finite_message"]

LEARNING_RATES = {"images": "image_lr", "student_lr": "student_lr_lr", "label_logits": "label_lr"}


def not_finite_message(iteration: int, loss: float, learned: Iterable[str], objective: object = None) -> str:
    """The values that are not finite, the settings to lower, and how to start again.

    At the first iteration nothing has been learned yet, so a loss that is not finite comes from the networks: the
    objective names the learning rates of their training in ``learning_rates``.

    Args:
        iteration: the iteration that failed, from 1.
        loss: its loss.
        learned: names of the learned parameters of the set.
        objective: of the method; None if its loss and gradients are finite and only the step is not.

    Example:
        >>> not_finite_message(2, float("nan"), ["images"]).split(". ")[1]
        'Lower image_lr, and start again in another output_dir: a resumed run has the same settings.'
    """
    first = objective is not None and iteration == 1
    of_networks = tuple(getattr(objective, "learning_rates", ())) if first else ()
    of_set = tuple(LEARNING_RATES[name] for name in learned if name in LEARNING_RATES)
    *others, last = of_networks or of_set
    settings = f"{', '.join(others)} or {last}" if others else last
    advice = f"Lower {settings}"
    if first and not of_networks:
        advice = "Check the images, the features and the loss of the method: no step was taken yet"
    return (
        f"The loss, a gradient or the set itself is not finite at iteration {iteration} (loss {loss:g}); the synthetic "
        f"set is left as it was before. {advice}, and start again in another output_dir"
        ": a resumed run has the same settings."
    )
