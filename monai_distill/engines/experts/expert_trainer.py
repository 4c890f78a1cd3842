"""Expert networks trained on real images, several at once, their snapshots kept."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Trainer
from torch import Tensor

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.losses import classification_loss
from monai_distill.networks import FlatNetwork, map_over_networks, parameter_gradient, should_vmap
from monai_distill.runtime import processes
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.transforms import SiameseAugment

__all__ = ["ExpertTrainer", "plain_direction"]

GradientFunction = Callable[[Tensor], Tensor]


def plain_direction(gradient: GradientFunction, parameters: Tensor) -> Tensor:
    """The descent direction of plain SGD: the gradient [P] itself.

    Example:
        >>> plain_direction(lambda p: 2 * p, torch.ones(2))
        tensor([2., 2.])
    """
    return gradient(parameters)


class ExpertTrainer(Trainer):  # type: ignore[misc]
    """A MONAI ``Trainer`` whose epoch is one group of experts and whose iteration is its pass over the data.

    Plain SGD without momentum, decay or schedule: experts that move fast cannot be followed by a student. Every
    expert's initialisation, order and augmentation follow from the seed and its number alone, so that a run which was
    interrupted goes on with the experts that the store lacks, and several processes share them out: each trains its
    groups, the first one alone writes them, while the next group is trained.

    References:
        Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022 (experts).

    Deviation: snapshots are copies (the originals' alias one storage on a CPU); experts train no longer than what is
    asked of them needs (the originals for 50 or 100 epochs, which changes no epoch before); no test pass.

    Args:
        network: the experts' architecture.
        bank: the training images.
        store: receives snapshots and history; says how many experts there are and how many epochs are kept.
        augment: drawn anew for every batch.
        epochs: passes over the data, at least the store's snapshots minus one.
        lr: learning rate.
        batch_size: images per SGD step.
        at_once: experts per group; fewer where several processes would otherwise have nothing to do.
        seed: seed of the run.
        direction: maps (gradient function, parameters [P]) to the step's direction [P].
        curriculum: maps an epoch (from 0) to the positions [m] of the images seen in it; None for all in every epoch.
        vmap: whether a group runs in one call; by default whatever is faster on the device.
        compiled: run one expert after another through ``torch.compile`` (see :func:`parameter_gradient`).
        handlers: MONAI or ignite handlers; ``engine.state.output`` is ``{"loss", "accuracy"}`` of the pass, on
            training images.

    Raises:
        ValueError: when the epochs are fewer than the store keeps.
    """

    def __init__(
        self,
        *,
        network: FlatNetwork,
        bank: ClassBank,
        store: TrajectoryStore,
        augment: SiameseAugment,
        epochs: int,
        lr: float = 0.01,
        batch_size: int = 256,
        at_once: int = 5,
        seed: int = 0,
        direction: Callable[[GradientFunction, Tensor], Tensor] = plain_direction,
        curriculum: Callable[[int], Tensor] | None = None,
        vmap: bool | None = None,
        compiled: bool | str = False,
        handlers: Any = None,
    ) -> None:
        if epochs < (kept := store.shape[1] - 1) or at_once < 1:
            raise ValueError(
                f"Expected at least {kept} epochs, as the store has, and 1 expert at once, got {epochs} and {at_once}."
            )
        self.network = network
        self.bank = bank
        self.store = store
        self.augment = augment
        self.lr = lr
        self.batch_size = batch_size
        self.seed = seed
        self.direction = direction
        self.curriculum = curriculum
        self.vmap = (not compiled and should_vmap(bank.images, batch_size)) if vmap is None else vmap
        self._gradient = parameter_gradient(self._loss, for_vmap=self.vmap, compiled=compiled)
        self.rounds = _rounds(store, at_once)
        self.groups = [groups[processes.rank()] for groups in self.rounds if processes.rank() < len(groups)]
        super().__init__(
            device=bank.device,
            max_epochs=max(len(self.groups), 1),
            data_loader=range(epochs) if self.groups else [],
            epoch_length=epochs if self.groups else 0,
            handlers=handlers,
            decollate=False,
        )
        self.add_event_handler(Events.EPOCH_STARTED, self._start_group)
        self.add_event_handler(Events.EPOCH_COMPLETED, self._store_group)

    def run(self) -> None:
        """Train the experts that the store lacks; nothing when it is complete."""
        with _Writes(self.store) as self._writes:
            if self.groups:
                super().run()
            for groups in self.rounds[len(self.groups) :]:  # in which the others had a group and this process none
                self._store(groups)
        self.store.agree()

    def _start_group(self, engine: Engine) -> None:
        self._experts = self.groups[engine.state.epoch - 1]
        initial = [self.network.initial(derived_seed(self.seed, "expert", e)) for e in self._experts]
        self._parameters = torch.stack(initial).to(self.bank.device)
        self._snapshots = [self._parameters.cpu().clone()]
        self._history: list[list[dict[str, float]]] = [[] for _ in self._experts]

    def _iteration(self, engine: Any, batchdata: int) -> dict[str, float]:
        epoch = batchdata
        positions = torch.arange(len(self.bank)) if self.curriculum is None else self.curriculum(epoch).cpu()
        count = len(positions)
        generators = [seeded_generator(self.seed, "expert", e, "epoch", epoch) for e in self._experts]
        orders = torch.stack([positions[torch.randperm(count, generator=g)] for g in generators]).to(self.bank.device)
        tallies = []
        for low in range(0, count, self.batch_size):
            rows = orders[:, low : low + self.batch_size]
            images = torch.stack(
                [self._augmented(self.bank.images[row], g) for row, g in zip(rows, generators, strict=True)]
            )
            step = map_over_networks(self._step, self.vmap, self._dropout_seeds(epoch, low))
            out = step(self._parameters, images, self.bank.labels[rows])
            self._parameters = out[:, :-2]
            tallies.append(out[:, -2:] * rows.shape[1])
        if len(self._snapshots) < self.store.shape[1]:
            self._snapshots.append(self._parameters.detach().cpu().clone())
        means = (torch.stack(tallies).sum(dim=0) / count).cpu()
        for history, (loss, accuracy) in zip(self._history, means.tolist(), strict=True):
            history.append({"epoch": epoch + 1, "train_loss": loss, "train_accuracy": accuracy})
        return {"loss": float(means[:, 0].mean()), "accuracy": float(means[:, 1].mean())}

    def _dropout_seeds(self, epoch: int, low: int) -> list[int] | None:
        if not self.network.has_random_layers:
            return None
        return [derived_seed(self.seed, "expert", e, "dropout", epoch, low) for e in self._experts]

    def _augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return self.augment.apply(images, self.augment.draw(len(images), images.shape[2:], generator))

    def _step(self, parameters: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """One SGD step of one expert; returns its parameters with the batch's loss and accuracy appended [P + 2]."""
        notes: list[Tensor] = []

        def gradient(vector: Tensor) -> Tensor:
            grad, note = self._gradient(vector, images, labels)
            notes.append(note)
            return grad

        moved = parameters - self.lr * self.direction(gradient, parameters)
        return torch.cat([moved, notes[0]])

    def _loss(self, vector: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(vector, images)
        value = classification_loss(logits, labels)
        return value, torch.stack([value.detach(), (logits.argmax(dim=1) == labels).float().mean()])

    def _store_group(self, engine: Engine) -> None:
        self._store(self.rounds[engine.state.epoch - 1])

    def _store(self, groups: Sequence[Sequence[int]]) -> None:
        """Have what every process has trained in a round written, one group after the other."""
        for owner, experts in enumerate(groups):
            self._writes.wait()  # no more than one group is held beside the one in training
            own = (torch.stack(self._snapshots), self._history) if owner == processes.rank() else None
            kept = processes.to_first(own, owner)
            if kept is not None:
                for place, expert in enumerate(experts):
                    self._writes.begin(expert, kept[0][:, place], kept[1][place])


class _Writes:
    """Writes of experts behind the training's back; the end of the block waits for them."""

    def __init__(self, store: TrajectoryStore) -> None:
        self.store = store
        self.writer = ThreadPoolExecutor(max_workers=1)
        self.begun: list[Future[None]] = []

    def __enter__(self) -> _Writes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.writer.shutdown()
        if kind is None:
            self.wait()

    def begin(self, expert: int, snapshots: Tensor, history: list[dict[str, float]]) -> None:
        """Write one expert, soon; what could not be written whatever the disk says is refused at once."""
        self.store.require_snapshots(expert, snapshots)
        self.begun.append(self.writer.submit(self.store.write, expert, snapshots, history))

    def wait(self) -> None:
        """For all that was begun; raises what went wrong."""
        for write in self.begun:
            write.result()
        self.begun.clear()


def _rounds(store: TrajectoryStore, at_once: int) -> list[list[list[int]]]:
    """Groups of the experts that the store lacks, trained at a time, one per process; the last round may have fewer."""
    missing = [expert for expert in range(store.shape[0]) if expert not in store.finished]
    width = processes.count()
    size = min(at_once, max(-(-len(missing) // width), 1))
    groups = [missing[i : i + size] for i in range(0, len(missing), size)]
    return [groups[i : i + width] for i in range(0, len(groups), width)]
