"""Small functions that configurations call by ``_target_``: names, folders, networks, the finished set."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.reading.read_as_trained import image_files
from monai_distill.data.split_banks import SplitBanks
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.engines.students.scoring import parameter_scores
from monai_distill.metrics.score_record import ScoreRow
from monai_distill.networks.flat_network import FlatNetwork
from monai_distill.runtime.randomness import temporary_global_seed

from .absent_data import AbsentData

__all__ = [
    "files_or_section",
    "first_given",
    "is_given",
    "load_set",
    "merged",
    "number_of_validations",
    "prepared_bank",
    "require_same_network",
    "require_same_source",
    "scores_of_parameters",
    "selection_rule",
    "training_checksum",
    "true_or_false",
]


def first_given(values: Sequence[Any]) -> Any:
    """The first of ``values`` that is not None.

    Raises:
        ValueError: when all are None.

    Example:
        >>> first_given([None, "runs/digits/controls"])
        'runs/digits/controls'
    """
    for value in values:
        if value is not None:
            return value
    raise ValueError("Expected a value that is not null, got none.")


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of both mappings; ``second`` wins.

    Example:
        >>> merged({"a": 1}, {"b": 2})
        {'a': 1, 'b': 2}
    """
    return {**first, **second}


def true_or_false(value: bool | str) -> bool:
    """A switch as MONAI's command line passes it: ``true`` and ``false`` arrive as text.

    Raises:
        ValueError: for any other text.

    Example:
        >>> true_or_false("True"), true_or_false(False)
        (True, False)
    """
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueError(f"Expected true or false, got {value!r}.")
    return text == "true"


def is_given(value: Any) -> bool:
    """Whether a setting has a value, for a manifest that must not hold the value itself.

    Example:
        >>> is_given("site"), is_given(None)
        (True, False)
    """
    return value is not None


def selection_rule(students: int, steps: int) -> str:
    """How the released state is selected, for the manifest.

    Example:
        >>> selection_rule(5, 300)
        'balanced accuracy on validation, 5 students of 300 steps'
    """
    return f"balanced accuracy on validation, {students} students of {steps} steps"


def number_of_validations(epochs: int, interval: int) -> int:
    """How often a run of ``epochs`` validates when it does so every ``interval`` epochs.

    Example:
        >>> number_of_validations(7, 3), number_of_validations(7, 10)
        (2, 0)
    """
    return epochs // interval


def load_set(folder: str | Path, device: torch.device | str = "cpu") -> SyntheticDataset:
    """The saved set of a run or bundle, on ``device``.

    Raises:
        RuntimeError: when the folder holds no set, or the set is damaged.
    """
    return SyntheticDataset.load(folder).to(device)


def training_checksum(synthetic: SyntheticDataset) -> str | None:
    """SHA-256 of the training images that the set was made from; None where its manifest does not say.

    Example:
        >>> training_checksum(SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"])) is None
        True
    """
    checksum: str | None = synthetic.manifest.get("source", {}).get("training_sha256")
    return checksum


def require_same_source(data: SplitBanks, synthetic: SyntheticDataset) -> None:
    """Refuse data other than those that ``synthetic`` was made from; its test images could have been trained on.

    Raises:
        RuntimeError: for other data.
    """
    data.require_source(synthetic.manifest.get("source", {}))


def require_same_network(network_def: nn.Module, network_factory: Callable[[], nn.Module]) -> None:
    """Refuse a bundle whose ``network_def`` was overridden in a way that its ``network_factory`` does not follow.

    Raises:
        ValueError: if the two make different networks.

    Example:
        >>> require_same_network(nn.Linear(2, 1), lambda: nn.Linear(2, 1))
    """
    with temporary_global_seed(0):
        made = network_factory()
    if repr(made) != repr(network_def) or _shapes(made) != _shapes(network_def):
        raise ValueError(
            f"Expected network_factory to make the network of network_def, {type(network_def).__name__}, got another "
            f"{type(made).__name__}: it follows network_def's arguments, but not new ones. Give an argument that "
            "network_def does not list as network_factory#NAME too."
        )


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def prepared_bank(
    bank: ClassBank, preprocessing: Callable[[Tensor], Tensor], device: torch.device | str = "cpu"
) -> ClassBank:
    """The images of ``bank`` (pixel values) as networks see them.

    Args:
        bank: images [n, channels, *spatial].
        preprocessing: of the synthetic set.
        device: where the result is put.
    """
    return bank.mapped(preprocessing, device)


def scores_of_parameters(network: FlatNetwork, bank: ClassBank) -> Callable[[Tensor], ScoreRow]:
    """A function of parameters [S, P] to their scores on ``bank``: see :func:`parameter_scores`."""
    return lambda parameters: parameter_scores(network, parameters, bank)


def files_or_section(image_dir: str | Path | None, section: Callable[..., Any], spatial_dims: int = 2) -> Any:
    """The inputs of a classifier: the image files of ``image_dir`` where it is given, else the test section.

    The items of files have a text under ``error``, where the reading states why a file could not be read. A section
    that cannot be read is :class:`AbsentData`, so that a bundle can be built, loaded and checked without its data.

    Args:
        image_dir: folder of images, or None.
        section: makes a section of the data set by ``section="test"``.
        spatial_dims: 2, or 3 for volumes.

    Raises:
        ValueError: if the folder does not exist or holds no file.

    Example:
        >>> files_or_section(None, lambda section: section)
        'test'
    """
    if image_dir is None:
        try:
            return section(section="test")
        except (ValueError, RuntimeError) as error:
            return AbsentData(error)
    return [{**item, "error": ""} for item in image_files(image_dir, spatial_dims)]
