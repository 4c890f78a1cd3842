"""IDM's networks: a queue of networks of every age, trained on real images between the iterations."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.engines.students.student_training import StudentTraining
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.processes import exchange
from monai_distill.runtime.randomness import derived_seed, seeded_generator, temporary_global_seed
from monai_distill.runtime.validation import require_in_interval, require_positive_int

__all__ = ["NetworkQueue", "QueuePlan"]


@dataclasses.dataclass(frozen=True)
class QueuePlan:
    """How many networks a queue holds, and how often they are added and trained.

    Args:
        first: networks at the start; one more comes at once.
        add_every: iterations after which a fresh network is added.
        most: largest number of networks; beyond it the oldest leaves.
        trained: random networks that are trained at a time.
        train_every: iterations between two trainings. The original trains after every iteration, which costs more than
            the matching: on a CPU several iterations can share a training.
        lr: learning rate of the training.

    Raises:
        ValueError: if a count is below 1 or the learning rate is not above 0.

    Example:
        >>> QueuePlan(add_every=5).most
        100
    """

    first: int = 3
    add_every: int = 30
    most: int = 100
    trained: int = 2
    train_every: int = 1
    lr: float = 0.01

    def __post_init__(self) -> None:
        counts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "lr"}
        require_positive_int(**counts)
        require_in_interval("(0, inf)", lr=self.lr)


class NetworkQueue:
    """A random network of the queue for every iteration; between two iterations random ones are trained.

    A call for the next iteration trains and adds networks first. A second call for one iteration changes nothing.

    References:
        IDM: Zhao et al., Improved Distribution Matching for Dataset Condensation, CVPR 2023,
        https://arxiv.org/abs/2307.09742 (model sampling with a queue).

    Deviation: momentum starts again in every training.

    Several processes train the same networks and continue with the first one's.

    Args:
        network: the architecture that is trained.
        bank: the training images.
        training: trains the networks for a few steps from where they are.
        factory: builds a network with the same parameters, for the matching.
        plan: how many networks, and when.
        seed: seed of the run.

    Raises:
        RuntimeError: from a call out of order: a network depends on the iterations before.

    Example:
        >>> bank = ClassBank(torch.rand(4, 1, 2, 2), torch.tensor([0, 1, 0, 1]), ["a", "b"])
        >>> factory = lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> once = lambda network, images, targets, lr, seeds, start: start - lr
        >>> queue = NetworkQueue(FlatNetwork(factory), bank, once, factory, plan=QueuePlan(first=2, add_every=5))
        >>> _ = [queue(i) for i in range(6)]
        >>> len(queue.parameters)
        4
    """

    def __init__(
        self,
        network: FlatNetwork,
        bank: ClassBank,
        training: StudentTraining,
        factory: Callable[[], nn.Module],
        *,
        plan: QueuePlan | None = None,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.bank = bank
        self.training = training
        self.factory = factory
        self.plan = QueuePlan() if plan is None else plan
        self.seed = seed
        self.parameters = torch.empty(0)  # [networks, P], the oldest first
        self._iteration = -1  # of which these are the parameters

    def state_dict(self) -> dict[str, Any]:
        """The state that an exact resume needs: the parameters depend on all iterations before."""
        return {"parameters": self.parameters, "iteration": self._iteration}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict()``."""
        self.parameters, self._iteration = state["parameters"].to(self.bank.device), int(state["iteration"])

    def __call__(self, iteration: int) -> nn.Module:
        """A random network of an iteration, on the device of the images."""
        self._advance(iteration)
        generator = seeded_generator(self.seed, "network of the queue", iteration)
        chosen = int(torch.randint(len(self.parameters), (1,), generator=generator))
        with temporary_global_seed(0):  # its values are overwritten
            fresh = self.factory()
        return self.network.load_into(fresh.to(self.bank.device), self.parameters[chosen])

    def _advance(self, iteration: int) -> None:
        if iteration == 0:
            self.parameters = torch.stack([self._fresh(number) for number in range(self.plan.first + 1)])
        elif iteration == self._iteration + 1:
            if iteration % self.plan.train_every == 0:
                self._train(iteration)
            added, at = divmod(iteration, self.plan.add_every)
            if at == 0:
                fresh = self._fresh(self.plan.first + added)
                self.parameters = torch.cat([self.parameters, fresh[None]])
            self.parameters = self.parameters[-self.plan.most :]
        elif iteration != self._iteration:
            raise RuntimeError(
                f"Expected iteration {self._iteration + 1}, got {iteration}: the networks are trained in the "
                "iterations before. Load the state of this queue, or start at 0."
            )
        self._iteration = iteration

    def _fresh(self, number: int) -> Tensor:
        return self.network.initial(derived_seed(self.seed, "queue", number)).to(self.bank.device)

    def _train(self, iteration: int) -> None:
        generator = seeded_generator(self.seed, "trained networks", iteration)
        chosen = torch.randperm(len(self.parameters), generator=generator)[: self.plan.trained]
        seeds = [derived_seed(self.seed, "queue training", iteration, place) for place in range(len(chosen))]
        chosen = chosen.to(self.bank.device)
        start = self.parameters[chosen]
        trained = self.training(self.network, self.bank.images, self.bank.labels, self.plan.lr, seeds, start=start)
        exchange.copy_from_first([trained])
        self.parameters = self.parameters.index_copy(0, chosen, trained)
