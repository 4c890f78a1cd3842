"""Expert networks trained on real images, several at once, with a stored snapshot after every epoch (MTT)."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines import Trainer
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.read_ahead import read_ahead
from monai_distill.data.trajectory_store import TrajectoryStore
from monai_distill.losses.soft_cross_entropy import classification_loss
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.networks.gradients import in_parts, parameter_gradient
from monai_distill.networks.map_over_networks import map_over_networks, should_vmap
from monai_distill.networks.mixed_precision import training_logits
from monai_distill.runtime.processes import exchange, group
from monai_distill.runtime.randomness import derived_seed, seeded_generator
from monai_distill.runtime.validation import require_positive_int

from .expert_protocol import ExpertProtocol

__all__ = ["ExpertTrainer"]


class ExpertTrainer(Trainer):  # type: ignore[misc]
    """A MONAI ``Trainer`` whose epoch is one group of experts and whose iteration is its pass over the data.

    Every expert's initialization, order of images and augmentation follow from the seed and its number alone. An
    interrupted run continues with the experts that the store lacks. Several processes divide the groups among them; the
    first process writes all of them, while the next group is trained.

    References:
        MTT: Cazenavette et al., Dataset Distillation by Matching Training Trajectories, CVPR 2022,
        https://arxiv.org/abs/2203.11932 (expert trajectories, section 3).

    Deviation: snapshots are copies (on a CPU those of MTT's program share one storage and are all equal). There is no
    test pass.

    Args:
        network: the experts' architecture.
        bank: the training images.
        store: receives snapshots and history; it defines the number of experts and of stored epochs.
        protocol: how an expert is trained, for at least as many epochs as the store's snapshots minus one.
        at_once: experts per group; fewer where several processes would otherwise have nothing to do.
        seed: seed of the run.
        handlers: MONAI or ignite handlers. ``engine.state.output`` is ``[{"loss", "accuracy"}]`` of the pass, on
            training images.

    Raises:
        ValueError: if the protocol has fewer epochs than the store.
    """

    def __init__(
        self,
        *,
        network: FlatNetwork,
        bank: ClassBank,
        store: TrajectoryStore,
        protocol: ExpertProtocol,
        at_once: int = 5,
        seed: int = 0,
        handlers: Any = None,
    ) -> None:
        require_positive_int(at_once=at_once)
        epochs, compiled = protocol.epochs, protocol.compiled
        if epochs < store.shape[1] - 1:
            raise ValueError(
                f"Expected at least {store.shape[1] - 1} epochs, as the store has, got {epochs}. Train longer, or make "
                "a store with fewer snapshots."
            )
        self.network = network
        self.bank = bank
        self.store = store
        self.protocol = protocol
        self.seed = seed
        faster = not compiled and should_vmap(bank.images, protocol.batch_size)
        self.vmap = faster if protocol.vmap is None else protocol.vmap
        gradient = parameter_gradient(self._loss, for_vmap=self.vmap, compiled=compiled)
        self._gradient = in_parts(gradient, network, at_once if self.vmap else 1)
        self.rounds = _rounds(store, at_once)
        self.groups = [groups[group.rank()] for groups in self.rounds if group.rank() < len(groups)]
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
        """Train the experts that the store lacks; return at once if it is complete."""
        with _Writes(self.store) as self._writes:
            if self.groups:
                super().run()
            for groups in self.rounds[len(self.groups) :]:  # rounds without a group for this process
                self._store(groups)
        self.store.agree()

    def _start_group(self, engine: Engine) -> None:
        self._experts = self.groups[engine.state.epoch - 1]
        initial = [self.network.initial(derived_seed(self.seed, "expert", e)) for e in self._experts]
        self._parameters = torch.stack(initial).to(self.bank.device)
        self._snapshots = [self._parameters.cpu().clone()]
        self._history: list[list[dict[str, float]]] = [[] for _ in self._experts]

    def _iteration(self, engine: Any, batchdata: int) -> list[dict[str, float]]:
        epoch, batch_size, curriculum = batchdata, self.protocol.batch_size, self.protocol.curriculum
        positions = torch.arange(len(self.bank)) if curriculum is None else curriculum(epoch).cpu()
        count = len(positions)
        generators = [seeded_generator(self.seed, "expert", e, "epoch", epoch) for e in self._experts]
        orders = torch.stack([positions[torch.randperm(count, generator=g)] for g in generators]).to(self.bank.device)
        tallies = []
        steps = [orders[:, low : low + batch_size] for low in range(0, count, batch_size)]
        read = read_ahead(lambda rows: self.bank.batch(rows.flatten()), steps, self.bank.device)
        for low, rows, pixels in zip(range(0, count, batch_size), steps, read, strict=True):
            # without vmap, only the images of one expert are prepared at a time
            each = (
                self._augmented(pixels[place * rows.shape[1] : (place + 1) * rows.shape[1]], generator)
                for place, generator in enumerate(generators)
            )
            images: Iterable[Tensor] = torch.stack(list(each)) if self.vmap else each
            step = map_over_networks(self._step, self.vmap, self._dropout_seeds(epoch, low))
            out = step(self._parameters, images, self.bank.labels[rows])
            self._parameters = out[:, :-2]
            tallies.append(out[:, -2:] * rows.shape[1])
        if epoch + 1 in self.store.stored_epochs:
            self._snapshots.append(self._parameters.detach().cpu().clone())
        means = (torch.stack(tallies).sum(dim=0) / count).cpu()
        for history, (loss, accuracy) in zip(self._history, means.tolist(), strict=True):
            history.append({"epoch": epoch + 1, "train_loss": loss, "train_accuracy": accuracy})
        return [{"loss": float(means[:, 0].mean()), "accuracy": float(means[:, 1].mean())}]

    def _dropout_seeds(self, epoch: int, low: int) -> list[int] | None:
        if not self.network.has_random_layers:
            return None
        return [derived_seed(self.seed, "expert", e, "dropout", epoch, low) for e in self._experts]

    def _augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        augment = self.protocol.augment
        return augment.apply(images, augment.draw(len(images), images.shape[2:], generator))

    def _step(self, parameters: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """One SGD step of one expert; returns its parameters with the batch's loss and accuracy appended [P + 2]."""
        notes: list[Tensor] = []

        def gradient(vector: Tensor) -> Tensor:
            grad, note = self._gradient(vector, images, labels)
            notes.append(note)
            return grad

        moved = parameters - self.protocol.lr * self.protocol.direction(gradient, parameters)
        return torch.cat([moved, notes[0]])

    def _loss(self, vector: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = training_logits(self.network, vector, images)
        value = classification_loss(logits, labels)
        return value, torch.stack([value.detach(), (logits.argmax(dim=1) == labels).float().mean()])

    def _store_group(self, engine: Engine) -> None:
        self._store(self.rounds[engine.state.epoch - 1])

    def _store(self, groups: Sequence[Sequence[int]]) -> None:
        """Have the groups that the processes trained in a round written, one after the other."""
        for owner, experts in enumerate(groups):
            self._writes.wait()  # at most one finished group is held in memory
            trained = (torch.stack(self._snapshots), self._history) if owner == group.rank() else None
            received = exchange.to_first(trained, owner)
            if received is not None:
                for place, expert in enumerate(experts):
                    self._writes.begin(expert, received[0][:, place], received[1][place])


class _Writes:
    """Writes experts in a thread while the next group is trained; the end of the block waits for the thread."""

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
        """Write one expert, soon; snapshots that do not fit the store are refused at once."""
        self.store.require_snapshots(expert, snapshots)
        self.begun.append(self.writer.submit(self.store.write, expert, snapshots, history))

    def wait(self) -> None:
        """Wait for every write that was begun, and raise its error if it failed."""
        for write in self.begun:
            write.result()
        self.begun.clear()


def _rounds(store: TrajectoryStore, at_once: int) -> list[list[list[int]]]:
    """Rounds of groups of the experts that the store lacks, one group per process; the last round may have fewer."""
    missing = [expert for expert in range(store.shape[0]) if expert not in store.finished]
    width = group.count()
    size = min(at_once, max(-(-len(missing) // width), 1))
    groups = [missing[i : i + size] for i in range(0, len(missing), size)]
    return [groups[i : i + width] for i in range(0, len(groups), width)]
