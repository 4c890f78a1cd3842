"""Train, predict, score: three functions, and the two that chain them."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.metrics.score_logits import score_logits
from monai_distill.metrics.score_record import ScoreRow
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.networks.map_over_networks import map_over_networks
from monai_distill.runtime.image_blocks import Images, blocks
from monai_distill.runtime.randomness import derived_seed
from monai_distill.runtime.validation import require_positive_int

from .student_training import StudentDivergedError, StudentTraining

__all__ = [
    "BATCH",
    "TrainingSet",
    "parameter_scores",
    "predict_logits",
    "score_students",
    "student_seeds",
    "train_students",
    "trained_classifier",
]

TrainingSet = tuple[Images, Tensor, float]  # images [n, channels, *spatial], class numbers [n] or logits [n, K], lr
BATCH = 512  # images per forward pass


def student_seeds(seed: int = 0, purpose: str = "score", students: int = 5) -> list[int]:
    """One seed per student. Students of another purpose (selection, a control) have other seeds.

    Args:
        seed: seed of the run.
        purpose: a name, such as ``validation``.
        students: number of seeds.

    Raises:
        ValueError: if there is no student.

    Example:
        >>> len({*student_seeds(0, "score", 3), *student_seeds(0, "validation", 3)})
        6
    """
    require_positive_int("Give at least 1 student.", students=students)
    return [derived_seed(seed, purpose, "student", i) for i in range(students)]


def train_students(
    network: FlatNetwork,
    training_set: SyntheticDataset | TrainingSet,
    protocol: StudentTraining,
    seeds: Sequence[int],
    on_step: Callable[[], object] = lambda: None,
) -> Tensor:
    """Train one fresh network per seed on a synthetic or a real training set.

    Args:
        network: the architecture.
        training_set: a distilled set, or images [n, channels, *spatial], targets (class numbers [n] or logits
            [n, classes]) and the learning rate.
        protocol: how the networks are trained.
        seeds: one per network.
        on_step: called after every step, for a progress bar.

    Returns:
        Parameters [students, P].

    Raises:
        StudentDivergedError: if the learning rate is too large.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> data = torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), 0.01
        >>> parameters = train_students(network, data, StudentTraining(SiameseAugment(()), steps=2), student_seeds())
        >>> score_logits(predict_logits(network, parameters, data[0]), data[1])["accuracy"]["mean"] <= 1
        True
    """
    if isinstance(training_set, SyntheticDataset):
        training_set = training_set.training_set()
    images, targets, lr = training_set
    return protocol(network, images, targets, lr, seeds, on_step)


def predict_logits(network: FlatNetwork, parameters: Tensor, images: Images) -> Tensor:
    """Logits [students, n, classes] of networks with ``parameters`` [students, P] for images [n, channels, *spatial].

    The computation runs on the device of the images, in batches that fit the network's memory budget.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> predict_logits(network, network.initial(0)[None], torch.rand(4, 1, 8, 8)).shape
        torch.Size([1, 4, 2])
    """
    parameters, batches, vmap = parameters.to(images.device), [], images.device.type != "cpu"
    networks = len(parameters) if vmap else 1
    most = network.images_at_once(images.shape[1:], networks)
    for batch in blocks(images, BATCH if most is None or network.mixes_images else min(BATCH, most)):
        predict = functools.partial(network.predict, images=batch, networks=networks)
        batches.append(map_over_networks(predict, vmap)(parameters))
    return torch.cat(batches, dim=1)


def parameter_scores(network: FlatNetwork, parameters: Tensor, bank: ClassBank) -> ScoreRow:
    """Predict and score: the row of networks with ``parameters`` [students, P] on the images of ``bank``.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> bank = ClassBank(torch.rand(4, 1, 8, 8), torch.tensor([0, 0, 1, 1]), ["a", "b"])
        >>> len(parameter_scores(network, network.initial(0)[None], bank)["accuracy"]["values"])
        1
    """
    return score_logits(predict_logits(network, parameters, bank.images), bank.labels)


def score_students(
    training_set: SyntheticDataset | TrainingSet,
    network: FlatNetwork,
    protocol: StudentTraining,
    bank: ClassBank,
    seeds: Sequence[int],
    on_step: Callable[[], object] = lambda: None,
) -> ScoreRow:
    """Train, predict and score: the row of fresh students of ``training_set`` on the images of ``bank``.

    The arguments are those of :func:`train_students`.

    Raises:
        StudentDivergedError: if the learning rate is too large.

    Example:
        >>> from monai_distill.networks.nets import ConvNet
        >>> from monai_distill.transforms import SiameseAugment
        >>> bank = ClassBank(torch.randn(6, 1, 8, 8), torch.tensor([0, 1] * 3), ["a", "b"])
        >>> network = FlatNetwork(lambda: ConvNet(2, 1, 2, 8, width=4, depth=1))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=2)
        >>> row = score_students((bank.images, bank.labels, 0.01), network, protocol, bank, student_seeds(students=2))
        >>> len(row["accuracy"]["values"])
        2
    """
    if isinstance(training_set, SyntheticDataset):
        training_set = training_set.training_set()
    logits = predict_logits(network, train_students(network, training_set, protocol, seeds, on_step), bank.images)
    if not bool(torch.isfinite(logits).all()):
        raise StudentDivergedError(training_set[2])
    return score_logits(logits, bank.labels)


def trained_classifier(
    synthetic: SyntheticDataset, network: FlatNetwork, module: nn.Module, protocol: StudentTraining, seed: int = 0
) -> nn.Module:
    """Train one fresh network on ``synthetic`` and put its parameters into ``module``.

    Its seed differs from those of the scored students. It is not selected by any score.

    Args:
        synthetic: the set, on the device to train on.
        network: the architecture.
        module: a network of that architecture; its values are overwritten.
        protocol: how the network is trained.
        seed: seed of the run.

    Returns:
        ``module``, on the CPU, in evaluation mode.

    Raises:
        ValueError: if the module has another architecture.

    Example:
        >>> from monai_distill.transforms import SiameseAugment
        >>> images = torch.eye(2).view(2, 1, 1, 2)
        >>> synthetic = SyntheticDataset(images, torch.tensor([0, 1]), ["a", "b"], student_lr=0.1)
        >>> make = lambda: nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> protocol = StudentTraining(SiameseAugment(()), steps=20)
        >>> module = trained_classifier(synthetic, FlatNetwork(make), make(), protocol)
        >>> module(synthetic.images).argmax(dim=1)
        tensor([0, 1])
    """
    images, targets, student_lr = synthetic.training_set()
    (parameters,) = protocol(network, images, targets, student_lr, [derived_seed(seed, "classifier")])
    return network.load_into(module.cpu(), parameters.cpu()).eval()
