"""What lies in a bundle's ``models/``: the distilled set and the classifier trained on it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data import SyntheticDataset
from monai_distill.randomness import global_seed_kept
from monai_distill.whole_file import write_whole

__all__ = ["blank_model", "fill_models"]

MODEL_FILE = "model.pt"
OF_A_SET = ("scores.json", "model.ts")  # made after the set, by evaluate and export


def fill_models(folder: str | Path, synthetic: SyntheticDataset, classifier: nn.Module) -> None:
    """Write ``synthetic.safetensors``, ``manifest.json`` and ``model.pt`` (the bare weights), each as a whole.

    What an earlier set left there, its scores and the TorchScript of its classifier, is taken away.

    Args:
        folder: the bundle's ``models/``; made when absent.
        synthetic: the distilled set with its manifest.
        classifier: trained on it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> fill_models(folder, SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"]), nn.Linear(4, 1))
        >>> sorted(file.name for file in folder.iterdir())
        ['manifest.json', 'model.pt', 'synthetic.safetensors']
    """
    for name in OF_A_SET:
        (Path(folder) / name).unlink(missing_ok=True)
    synthetic.save(folder)
    _write(Path(folder), {name: value.detach().cpu().clone() for name, value in classifier.state_dict().items()})


def blank_model(folder: str | Path, network_def: dict[str, Any]) -> None:
    """Write ``model.pt`` with every weight zero, unless the file is there: the place to be filled.

    Such a classifier gives every class the same probability, so nobody takes it for a trained one; and the file is
    small, because a tensor of one value is stored as one number.

    Args:
        folder: the bundle's ``models/``; made when absent.
        network_def: a MONAI config, all of it plain values.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> blank_model(folder, {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1})
        >>> torch.load(folder / "model.pt", weights_only=True)["weight"]
        tensor([[0., 0.]])
    """
    from monai.bundle import ConfigParser  # here, so that the command answers at once

    folder = Path(folder)
    if not (folder / MODEL_FILE).exists():
        with global_seed_kept(0):
            network = ConfigParser({"network_def": network_def}).get_parsed_content("network_def")
        _write(folder, {name: value.new_zeros(()).expand(value.shape) for name, value in network.state_dict().items()})


def _write(folder: Path, weights: dict[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    write_whole(folder / MODEL_FILE, buffer.getvalue())
