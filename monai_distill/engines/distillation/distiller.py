"""The one outer loop that every distillation method runs in."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from ignite.engine import Events
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from torch import Tensor
from torch.optim import Optimizer

from monai_distill.data import SyntheticDataset
from monai_distill.runtime import processes
from monai_distill.runtime.validation import is_positive_int

__all__ = ["Distiller"]


class Batches(Protocol):
    """What the objective is asked about, by iteration number: the same whenever it is asked for."""

    def __getitem__(self, iteration: int) -> Any:
        """The draw of one iteration, from 0."""


Objective = Callable[[SyntheticDataset, Any], tuple[Tensor, dict[str, Tensor]]]


class Distiller(Trainer):  # type: ignore[misc]
    """A MONAI ``Trainer`` that draws, asks an objective for gradients on the synthetic set, and steps the optimiser.

    A method is the objective and the draws; the loop knows neither. Because draws follow from the iteration number, the
    synthetic set, the optimiser and the engine's own state are all that an exact resume needs.

    Deviation from the originals of trajectory matching, whose learning rate is a plain number that may turn negative or
    explode: here it stays above a minimum and changes by a bounded factor.

    In a job of several processes (:func:`~monai_distill.runtime.processes.join`) all begin with the first one's set,
    and every step takes the mean of their gradients, so that the set stays the same in all of them.

    Args:
        synthetic: the set to be distilled.
        objective: callable (synthetic, draw) -> (loss, gradient per parameter name).
        train_data_loader: the draws, indexed by iteration.
        optimizer: over ``synthetic``'s parameters.
        max_epochs: how many times ``epoch_length`` iterations are done; after each, handlers validate and save.
        epoch_length: outer iterations per "epoch".
        min_student_lr: the learned learning rate is kept at or above this value, or its start where that is lower: a
            negative one trains backwards.
        student_lr_ratio: the learned learning rate grows or shrinks at most by this factor in one iteration. The first
            losses are large and would otherwise throw it to its minimum, where the images get no gradient and the run
            is lost.
        gate: an iteration whose loss is above this value changes nothing: no step, momentum as it was (Guo et al., ICLR
            2024); None for no gate. When no iteration of an epoch passes, a warning says so.
        train_handlers: MONAI or ignite handlers; ``engine.state.output`` is ``{"loss", "student_lr", "iteration",
            "gated"}``, the last 1 for an iteration that changed nothing.

    Raises:
        TypeError: when the set or the objective is none.
        ValueError: when either number is below 1, the gate is not above 0, or the optimiser has no parameter of the
            set; from ``run`` when the objective gives gradients of names that the set has not.
        RuntimeError: from ``run`` when the loss or a gradient is not finite. The synthetic set is left at its last
            good state.

    Example:
        >>> data = SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["only"], student_lr=1.0)
        >>> halve = lambda synthetic, draw: (torch.tensor(1.0), {"images": synthetic.images.detach()})
        >>> optimizer = torch.optim.SGD([data.images], lr=0.5)
        >>> Distiller(data, halve, [0, 1], optimizer, max_epochs=1, epoch_length=2).run()
        >>> data.images.flatten().tolist()
        [0.25, 0.25, 0.25, 0.25]
    """

    def __init__(
        self,
        synthetic: SyntheticDataset,
        objective: Objective,
        train_data_loader: Batches,
        optimizer: Optimizer,
        *,
        max_epochs: int,
        epoch_length: int,
        min_student_lr: float = 1e-5,
        student_lr_ratio: float = 1.25,
        gate: float | None = None,
        train_handlers: Any = None,
    ) -> None:
        _require_parts(synthetic, objective, optimizer)
        if not (student_lr_ratio > 1 and min_student_lr > 0):
            raise ValueError(
                f"Expected student_lr_ratio above 1 and min_student_lr above 0, got {student_lr_ratio} and "
                f"{min_student_lr}."
            )
        _require_counts(max_epochs, epoch_length)
        if gate is not None and not gate > 0:
            raise ValueError(f"Expected a gate above 0, or null for none, got {gate}.")
        self.synthetic = synthetic
        self.objective = objective
        self.batches = train_data_loader
        self.optimizer = optimizer
        self.min_student_lr = min_student_lr
        self.student_lr_ratio = student_lr_ratio
        self.gate = gate
        self._passed = True
        super().__init__(
            device=synthetic.images.device,
            max_epochs=max_epochs,
            data_loader=_BatchesFromIteration(self),
            epoch_length=epoch_length,
            handlers=train_handlers,
            decollate=False,
        )
        self.add_event_handler(
            Events.STARTED, lambda engine: self._broadcast_from_first()
        )  # after the handlers: one may load a set
        if gate is not None:
            self.add_event_handler(Events.EPOCH_STARTED, lambda engine: setattr(self, "_passed", False))
            self.add_event_handler(Events.EPOCH_COMPLETED, self._warn_if_all_gated)

    def _broadcast_from_first(self) -> None:
        processes.copy_from_first(self.synthetic.state_dict().values())

    def _iteration(self, engine: Any, batchdata: Any) -> dict[str, float]:
        loss, gradients = self.objective(self.synthetic, batchdata)
        known = dict(self.synthetic.named_parameters())
        if not gradients.keys() <= known.keys():  # else nothing would be learned, without a word
            raise ValueError(f"Expected gradients of {', '.join(known)}, got {', '.join(gradients)}. Rename them.")
        loss, *shared = processes.means([loss, *gradients.values()])
        gradients = dict(zip(gradients, shared, strict=True))
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        norms = torch.stack([loss.float(), *(gradient.norm() for gradient in gradients.values())])
        if not bool(torch.isfinite(norms).all()):
            raise RuntimeError(_not_finite(engine.state.iteration, loss))
        self.optimizer.zero_grad(set_to_none=True)
        for name, parameter in known.items():
            if name in gradients:
                parameter.grad = gradients[name].detach().to(parameter.dtype)
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        gated = self.gate is not None and float(loss) > self.gate
        if not gated:
            self._step(engine.state.iteration, loss)
            self._passed = True
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return {
            "loss": float(loss),
            "student_lr": float(self.synthetic.student_lr.detach()),
            "iteration": float(engine.state.iteration),
            "gated": float(gated),
        }

    def _warn_if_all_gated(self, engine: Any) -> None:
        if not self._passed:
            warnings.warn(
                f"No iteration of epoch {engine.state.epoch} had a loss below the gate {self.gate}: nothing was "
                "learned. Raise the gate, or the students' learning rate.",
                stacklevel=2,
            )

    def _step(self, iteration: int, loss: Tensor) -> None:
        parameters = list(self.synthetic.parameters())
        before = [parameter.detach().clone() for parameter in parameters]
        rate, ratio = float(self.synthetic.student_lr.detach()), self.student_lr_ratio
        least = min(self.min_student_lr, rate)  # one that was asked for below the minimum is not raised to it
        self.optimizer.step()
        with torch.no_grad():
            self.synthetic.student_lr.clamp_(max(least, rate / ratio), max(least, rate * ratio))
            if all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
                return
            for parameter, value in zip(parameters, before, strict=True):  # a finite gradient, too long a step
                parameter.copy_(value)
        raise RuntimeError(_not_finite(iteration, loss))


def _require_counts(max_epochs: int, epoch_length: int) -> None:
    if not (is_positive_int(max_epochs) and is_positive_int(epoch_length)):
        raise ValueError(
            f"Expected max_epochs and epoch_length of at least 1, whole numbers, got {max_epochs} and {epoch_length}."
        )


def _require_parts(synthetic: Any, objective: Any, optimizer: Optimizer) -> None:
    if not isinstance(synthetic, SyntheticDataset) or not callable(objective):
        raise TypeError(
            "Expected a SyntheticDataset and an objective (synthetic, draw) -> (loss, gradient by parameter name), got "
            f"{type(synthetic).__name__} and {type(objective).__name__}."
        )
    own = {id(parameter) for parameter in synthetic.parameters()}
    if not own & {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}:
        raise ValueError(
            "Expected an optimizer over parameters of the synthetic set, got one of none. A copy of the set has "
            "parameters of its own: make the optimizer after it, such as SGD([synthetic.images], lr=1)."
        )


def _not_finite(iteration: int, loss: Tensor) -> str:
    return (
        f"The loss, a gradient or the set itself is not finite at iteration {iteration} (loss {float(loss):g}). The "
        "synthetic "
        "set is kept as it was before. Lower image_lr or student_lr_lr."
    )


class _BatchesFromIteration:
    """Iterates the draws from the engine's own iteration, so that a resumed run asks for the right ones."""

    def __init__(self, engine: Distiller) -> None:
        self.engine = engine

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.engine.batches[self.engine.state.iteration]
