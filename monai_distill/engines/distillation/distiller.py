"""The outer loop that every distillation method runs in."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from ignite.engine import Events
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from torch import Tensor
from torch.optim import Optimizer

from monai_distill.data.read_ahead import ReadAhead
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.processes import exchange
from monai_distill.runtime.validation import require_in_interval, require_positive_int

from .not_finite import not_finite_message
from .schedule import last_iteration

__all__ = ["Distiller", "StepLimits"]


class Batches(Protocol):
    """Deterministic batches, indexed by iteration."""

    def __getitem__(self, iteration: int) -> Any:
        """The batch of one iteration, from 0; the same value every time."""


Objective = Callable[[SyntheticDataset, Any], tuple[Tensor, dict[str, Tensor]]]


@dataclasses.dataclass(frozen=True)
class StepLimits:
    """How many iterations run, which of them step, and how far the learned learning rate moves.

    Args:
        gate: an iteration whose loss is above this value changes nothing, neither the set nor the momentum; None for
            no gate. If no iteration of an epoch passes, a warning says so.
        min_student_lr: the smallest value of the learned learning rate (or its start, where that is smaller). A
            negative one would train backwards.
        student_lr_ratio: the largest factor by which the learned learning rate grows or shrinks in one iteration. The
            first losses are large; without this limit they throw it to its minimum, where the images get no gradient.
        iterations: the last iteration, inside the last epoch, which ends there; None for whole epochs.

    References:
        DATM: Guo et al., Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory Matching, ICLR 2024,
        https://arxiv.org/abs/2310.05773 (the gate).

    Raises:
        ValueError: if the gate or the minimum is not above 0, the ratio is not above 1, or there is no iteration.

    Example:
        >>> StepLimits(gate=1.0).gate
        1.0
    """

    gate: float | None = None
    min_student_lr: float = 1e-5
    student_lr_ratio: float = 1.25
    iterations: int | None = None

    def __post_init__(self) -> None:
        if self.gate is not None:
            require_in_interval("(0, inf)", "Leave the gate out for none.", gate=self.gate)
        require_in_interval("(0, inf)", min_student_lr=self.min_student_lr)
        require_in_interval("(1, inf)", student_lr_ratio=self.student_lr_ratio)
        if self.iterations is not None:
            require_positive_int(iterations=self.iterations)


class Distiller(Trainer):  # type: ignore[misc]
    """A MONAI ``Trainer`` that passes batches to an objective and steps the synthetic set along its gradients.

    A method is the objective and the batches; the loop knows neither. Batches follow from the iteration number, so the
    synthetic set, the optimizer and the engine's state are all that an exact resume needs.

    Deviation: in the programs of the trajectory matching methods the learned learning rate is an unbounded number that
    may turn negative or explode. Here it stays above a minimum and changes by a bounded factor.

    In a job of several processes (:func:`~monai_distill.runtime.processes.group.join`) all begin with the first
    process's set, and every step takes the mean of their gradients. The set stays the same in all of them.

    Args:
        synthetic: the set to be distilled.
        objective: callable (synthetic, batch) -> (loss, gradient per parameter name).
        train_data_loader: the batches, indexed by iteration.
        optimizer: over ``synthetic``'s parameters.
        max_epochs: how many times ``epoch_length`` iterations run; after each, handlers validate and save.
        epoch_length: outer iterations per "epoch".
        limits: how many iterations run, which of them step, and how far the learned learning rate moves.
        train_handlers: MONAI or ignite handlers. ``engine.state.output`` is a list with one dictionary, as MONAI's
            trainers give it: ``[{"loss", "student_lr", "iteration", "gated"}]``, all of them floats. The last is 1 for
            an iteration that changed nothing.

    Raises:
        TypeError: if ``synthetic`` is not a :class:`~monai_distill.data.SyntheticDataset`, or ``objective`` is not
            callable.
        ValueError: if a count is below 1, the limit of iterations is not in the last epoch, or the optimizer has no
            parameter of the set; from ``run`` if the objective returns gradients under names that the set lacks.
        RuntimeError: from ``run`` if the loss or a gradient is not finite. The synthetic set is left in its last good
            state.

    Example:
        >>> data = SyntheticDataset(torch.ones(1, 1, 2, 2), torch.tensor([0]), ["only"], student_lr=1.0)
        >>> halve = lambda synthetic, batch: (torch.tensor(1.0), {"images": synthetic.images.detach()})
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
        limits: StepLimits | None = None,
        train_handlers: Any = None,
    ) -> None:
        _require_parts(synthetic, objective, optimizer)
        require_positive_int(max_epochs=max_epochs, epoch_length=epoch_length)
        self.synthetic = synthetic
        self.objective = objective
        self.batches = ReadAhead(train_data_loader.__getitem__, synthetic.images.device)
        self.optimizer = optimizer
        self.limits = StepLimits() if limits is None else limits
        self.last_iteration = last_iteration(self.limits.iterations, max_epochs, epoch_length)
        self._passed = True
        super().__init__(
            device=synthetic.images.device,
            max_epochs=max_epochs,
            data_loader=_BatchesFromIteration(self),
            epoch_length=epoch_length,
            handlers=train_handlers,
            decollate=False,
        )
        # after the handlers: one of them may load a set
        self.add_event_handler(Events.STARTED, lambda engine: self._broadcast_from_first())
        self.add_event_handler(Events.STARTED, self._stop_if_complete)
        self.add_event_handler(Events.COMPLETED, lambda engine: self.batches.close())
        if self.limits.gate is not None:
            self.add_event_handler(Events.EPOCH_STARTED, lambda engine: setattr(self, "_passed", False))
            self.add_event_handler(Events.EPOCH_COMPLETED, self._warn_if_all_gated)

    def _broadcast_from_first(self) -> None:
        exchange.copy_from_first(self.synthetic.state_dict().values())

    def _stop_if_complete(self, engine: Any) -> None:
        if self.last_iteration is not None and engine.state.iteration >= self.last_iteration:
            engine.terminate()  # ignite would start another epoch

    def _iteration(self, engine: Any, batchdata: Any) -> list[dict[str, float]]:
        loss, gradients = self.objective(self.synthetic, batchdata)
        parameters = dict(self.synthetic.named_parameters())
        if not gradients.keys() <= parameters.keys():  # they would be ignored silently
            raise ValueError(f"Expected gradients of {', '.join(parameters)}, got {', '.join(gradients)}. Rename them.")
        loss, *averaged = exchange.means([loss, *gradients.values()])
        gradients = dict(zip(gradients, averaged, strict=True))
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        norms = torch.stack([loss.float(), *(gradient.norm() for gradient in gradients.values())])
        if not bool(torch.isfinite(norms).all()):
            raise RuntimeError(not_finite_message(engine.state.iteration, float(loss), self._learned(), self.objective))
        self.optimizer.zero_grad(set_to_none=True)
        for name, parameter in parameters.items():
            if name in gradients:
                parameter.grad = gradients[name].detach().to(parameter.dtype)
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        gated = self.limits.gate is not None and float(loss) > self.limits.gate
        if not gated:
            self._step(engine.state.iteration, loss)
            self._passed = True
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        if engine.state.iteration == self.last_iteration:
            engine.terminate_epoch()  # handlers of a completed epoch still run
        output = {
            "loss": float(loss),
            "student_lr": float(self.synthetic.student_lr.detach()),
            "iteration": float(engine.state.iteration),
            "gated": float(gated),
        }
        return [output]

    def _warn_if_all_gated(self, engine: Any) -> None:
        if not self._passed:
            warnings.warn(
                f"No iteration of epoch {engine.state.epoch} had a loss below the gate {self.limits.gate}: nothing was "
                "learned. Raise the gate, or the students' learning rate.",
                stacklevel=2,
            )

    def _step(self, iteration: int, loss: Tensor) -> None:
        parameters = list(self.synthetic.parameters())
        before = [parameter.detach().clone() for parameter in parameters]
        student_lr, ratio = float(self.synthetic.student_lr.detach()), self.limits.student_lr_ratio
        least = min(self.limits.min_student_lr, student_lr)  # a start below the minimum is not raised to it
        self.optimizer.step()
        with torch.no_grad():
            self.synthetic.student_lr.clamp_(max(least, student_lr / ratio), max(least, student_lr * ratio))
            if all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
                return
            for parameter, value in zip(parameters, before, strict=True):  # a finite gradient, but too long a step
                parameter.copy_(value)
        raise RuntimeError(not_finite_message(iteration, float(loss), self._learned()))

    def _learned(self) -> list[str]:
        stepped = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        return [name for name, parameter in self.synthetic.named_parameters() if id(parameter) in stepped]


def _require_parts(synthetic: Any, objective: Any, optimizer: Optimizer) -> None:
    if not isinstance(synthetic, SyntheticDataset) or not callable(objective):
        raise TypeError(
            "Expected a SyntheticDataset and an objective (synthetic, batch) -> (loss, gradient by parameter name), "
            f"got {type(synthetic).__name__} and {type(objective).__name__}."
        )
    learned = {id(parameter) for parameter in synthetic.parameters()}
    if not learned & {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}:
        raise ValueError(
            "Expected an optimizer over parameters of the synthetic set, got one over other tensors. A copy of the set "
            "has parameters of its own: make the optimizer after the copy, such as SGD([synthetic.images], lr=1)."
        )


class _BatchesFromIteration:
    """Iterates over the batches from the engine's own iteration, so that a resumed run continues with the right one."""

    def __init__(self, engine: Distiller) -> None:
        self.engine = engine

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.engine.batches[self.engine.state.iteration]
