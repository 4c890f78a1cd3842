"""Pretrained weights from a file into a network with a head of its own."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

__all__ = ["load_weights", "weights_checksum"]

logger = logging.getLogger(__name__)
WRAPPERS = ("state_dict", "model", "network")  # names under which checkpoints hold the weights
PREFIXES = ("module.", "net.", "model.")


def load_weights(network: nn.Module, file: str | Path, head: str) -> None:
    """Copy the weights of ``file`` into ``network``; only its last layer may be missing there, or have another size.

    Args:
        network: receives the weights.
        file: safetensors, or a checkpoint that ``torch.load(weights_only=True)`` reads.
        head: name of the last layer, which stays fresh where the file has none of its shape.

    Raises:
        ValueError: if the file cannot be read, or lacks weights of another layer.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "weights.pt"
        >>> torch.save({"0.weight": torch.ones(2, 2), "0.bias": torch.zeros(2)}, file)
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
        >>> load_weights(network, file, head="1")
        >>> network[0].weight.tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    stored = _stored(Path(file))
    expected = network.state_dict()
    fitting = {key: stored[key] for key, value in expected.items() if _fits(stored.get(key), value)}
    absent = [key for key in expected if key not in fitting and not key.startswith(f"{head}.")]
    absent = [key for key in absent if not key.endswith("num_batches_tracked")]
    if absent:
        raise ValueError(
            f"Expected the weights of {type(network).__name__} in {file}, got none of that shape for {len(absent)} of "
            f"{len(expected)} entries, such as {absent[0]}. Give the file of this network."
        )
    network.load_state_dict({**expected, **fitting})
    fresh = [key for key in expected if key not in fitting and key.startswith(f"{head}.")]
    logger.info("Weights of %s: %d of %d entries, %s.", Path(file).name, len(fitting), len(expected), _about(fresh))


def _about(fresh: list[str]) -> str:
    return f"the last layer is fresh ({', '.join(fresh)})" if fresh else "the last layer included"


def weights_checksum(file: str | None) -> str | None:
    """SHA-256 of the file of weights; None without one.

    Raises:
        ValueError: if the file does not exist.

    Example:
        >>> weights_checksum(None) is None
        True
    """
    from monai_distill.runtime.checksums import file_checksum

    if file is None:
        return None
    if not Path(file).is_file():
        raise ValueError(f"Expected a file as network_weights, got {file}, which does not exist.")
    return str(file_checksum(Path(file), "sha256"))


def _stored(file: Path) -> dict[str, Tensor]:
    try:
        content: Any = load_file(file) if file.suffix == ".safetensors" else torch.load(file, "cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, SafetensorError, EOFError) as error:
        raise ValueError(
            f"Expected weights that torch.load(weights_only=True) or safetensors reads, got {file}: {error}"
        ) from error
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"Expected tensors by name in {file}, got {type(content).__name__}. Save a state_dict.")
    weights = dict(content)
    for prefix in PREFIXES:
        if weights and all(key.startswith(prefix) for key in weights):
            weights = {key[len(prefix) :]: value for key, value in weights.items()}
    return weights


def _fits(stored: Tensor | None, expected: Tensor) -> bool:
    return stored is not None and stored.shape == expected.shape
