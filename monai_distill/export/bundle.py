"""A MONAI bundle as a folder: configurations, papers, models."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write
from monai_distill.runtime.processes import group
from monai_distill.runtime.randomness import temporary_global_seed

__all__ = ["blank_model", "fill_models", "write_bundle"]

MODEL_FILE, MANIFEST_FILE = "model.pt", "manifest.json"
OF_THE_NETWORK = ("inference", "export")  # configurations that make the network of model.pt
NOT_ARGUMENTS = ("_target_", "weights", "weights_sha256")  # the class stays; pretrained weights are no argument
LEDGER_FILE = "ledger.json"  # where the export looks for it
OPTIONAL = ("multi_gpu_train",)  # configurations that only some bundles have
OF_A_SET = ("scores.json", "model.ts", LEDGER_FILE)  # of an earlier set


def fill_models(
    folder: str | Path, synthetic: SyntheticDataset, classifier: nn.Module, ledger: Mapping[str, Any] | None = None
) -> None:
    """Write ``synthetic.safetensors``, ``manifest.json`` and ``model.pt`` (the bare weights), each as a whole.

    What an earlier set left there, its scores, its ledger and the TorchScript of its classifier, is taken away. The
    bundle's ``configs/inference.json`` and ``configs/export.json``, where they are, get the numbers of the new set and
    of its network, so that a bundle that was trained with another ``--width`` is used and exported without it.

    Args:
        folder: the bundle's ``models/``; made when absent.
        synthetic: the distilled set with its manifest.
        classifier: trained on it.
        ledger: of a set with a guarantee: becomes ``ledger.json``, from which the export makes the claim.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> fill_models(folder, SyntheticDataset(torch.zeros(1, 1, 2, 2), torch.tensor([0]), ["a"]), nn.Linear(4, 1))
        >>> sorted(file.name for file in folder.iterdir())
        ['manifest.json', 'model.pt', 'synthetic.safetensors']
    """
    if not group.is_first():
        return
    for name in OF_A_SET:
        (Path(folder) / name).unlink(missing_ok=True)
    synthetic.save(folder)
    if ledger is not None:
        atomic_write(Path(folder) / LEDGER_FILE, json.dumps(ledger, indent=2).encode())
    for name in OF_THE_NETWORK:
        file = Path(folder).resolve().parent / "configs" / f"{name}.json"
        if file.is_file():
            config = _with_numbers(name, json.loads(file.read_text()), Path(folder))
            atomic_write(file, (json.dumps(config, indent=4) + "\n").encode())
    _write(Path(folder), {name: value.detach().cpu().clone() for name, value in classifier.state_dict().items()})


def _with_numbers(name: str, config: Mapping[str, Any], models: Path) -> dict[str, Any]:
    """The configuration with the numbers of the set in ``models``, if there is one, and of its network."""
    file = models / MANIFEST_FILE
    network = json.loads(file.read_text()).get("network") if file.is_file() else None
    changed = dict(config) if network is None else with_network(config, network)
    return with_constants(changed, models) if name == "inference" else changed


def with_network(config: Mapping[str, Any], network: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with a ``network_def`` that makes ``network``.

    Args:
        config: with ``network_def``, whose arguments may refer to values of the configuration.
        network: the arguments of the trained network, as its set's manifest names them.

    Example:
        >>> config = {"width": 32, "network_def": {"_target_": "Net", "width": "@width", "classes": 2}}
        >>> with_network(config, {"_target_": "nets.Net", "width": 16, "classes": 2})["width"]
        16
    """
    changed, definition = dict(config), dict(config["network_def"])
    factory = dict(config.get("network_factory", {}))
    for key, value in network.items():
        if key in NOT_ARGUMENTS:
            continue
        known = definition.get(key)
        if isinstance(known, str) and known.startswith("@") and known[1:] in config:
            changed[known[1:]] = value
            continue
        definition[key] = value
        if factory:
            factory.setdefault(key, f"%network_def#{key}")
    return {**changed, "network_def": definition, **({"network_factory": factory} if factory else {})}


def with_constants(inference: Mapping[str, Any], models: Path) -> dict[str, Any]:
    """The inference configuration with the numbers of the set in ``models``, so that no other file is read.

    A whitening matrix is too large for a configuration: such a set is still read.

    Args:
        inference: content of ``inference.json``.
        models: the bundle's folder of the set; without one nothing changes.

    Example:
        >>> with_constants({"preprocessing": {}}, Path("absent"))
        {'preprocessing': {}}
    """
    file = models / MANIFEST_FILE
    if not file.is_file():
        return dict(inference)
    manifest = json.loads(file.read_text())
    first, second, last = inference["preprocessing"]["transforms"]
    known = {"shape": manifest["images"]["shape"]}
    reading = manifest.get("source", {}).get("reading")
    known |= {"reading": reading} if reading else {}
    prepared = manifest.get("preprocessing") or {}
    if {"mean", "std"} <= prepared.keys():
        last = {"_target_": "monai.transforms.NormalizeIntensityd", "keys": "image", "channel_wise": True}
        last |= {"subtrahend": prepared["mean"], "divisor": prepared["std"]}
    transforms = [{**first, **known}, {**second, **known}, last]
    return {**inference, "preprocessing": {**inference["preprocessing"], "transforms": transforms}}


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
        with temporary_global_seed(0):
            network = ConfigParser({"network_def": network_def}).get_parsed_content("network_def")
        _write(folder, {name: value.new_zeros(()).expand(value.shape) for name, value in network.state_dict().items()})


def _write(folder: Path, weights: dict[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    atomic_write(folder / MODEL_FILE, buffer.getvalue())


def write_bundle(
    folder: str | Path,
    configs: Mapping[str, Mapping[str, Any]],
    papers: Mapping[str, str],
    network_def: dict[str, Any],
    *,
    replace: bool = False,
) -> Path:
    """Write the texts of a bundle and, where it is missing, a blank ``models/model.pt``.

    The files in ``models/`` stay: a bundle can be written again without being trained again.

    Args:
        folder: the bundle's root; made when absent.
        configs: name of the file in ``configs/`` without its suffix -> content; ``metadata`` is one of them.
        papers: path below ``folder`` -> text.
        network_def: the MONAI config of the classifier, all of it plain values.
        replace: whether texts that differ are written over.

    Returns:
        The folder.

    Raises:
        ValueError: when a text is there already with another content, and ``replace`` is off; when ``models/`` holds a
            set with another guarantee than the one that the texts state.
        RuntimeError: when a folder cannot be made.

    Example:
        >>> import tempfile
        >>> network = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1}
        >>> root = write_bundle(tempfile.mkdtemp(), {"metadata": {"version": "1"}}, {"LICENSE": "..."}, network)
        >>> sorted(str(file.relative_to(root)) for file in root.rglob("*.*"))
        ['configs/metadata.json', 'models/model.pt']
    """
    folder = Path(folder)
    _refuse_another_guarantee(folder, configs.get("train", {}))
    numbered = {
        name: _with_numbers(name, configs[name], folder / "models") for name in OF_THE_NETWORK if name in configs
    }
    configs = {**configs, **numbered}
    texts = {f"configs/{name}.json": json.dumps(content, indent=4) + "\n" for name, content in configs.items()}
    texts |= papers
    differing = [n for n, text in texts.items() if (folder / n).is_file() and (folder / n).read_text() != text]
    left_over = [n for name in OPTIONAL if (folder / (n := f"configs/{name}.json")).is_file() and n not in texts]
    differing += left_over
    if differing and not replace:
        raise ValueError(
            f"{folder} holds a bundle whose {', '.join(sorted(differing))} differ from what would be written. "
            "Add --replace to overwrite them (models/ stays as it is), or choose another folder."
        )
    for name, text in texts.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Cannot make the bundle {folder}: {error}. Choose another folder.") from error
        atomic_write(folder / name, text.encode())
    for name in left_over:
        (folder / name).unlink()
    blank_model(folder / "models", network_def)
    return folder


def _refuse_another_guarantee(folder: Path, train: Mapping[str, Any]) -> None:
    """The texts, the set, its ledger, its scores and its release would contradict each other."""
    file = folder / "models" / MANIFEST_FILE
    if not file.is_file():
        return
    claim = json.loads(file.read_text()).get("privacy") or {}
    stored = (claim.get("epsilon"), claim.get("delta"))
    wanted = (train.get("epsilon"), train.get("delta")) if train.get("guarantee") is not None else (None, None)
    if stored != wanted:
        held, said = (
            "no guarantee" if epsilon is None else f"epsilon {epsilon:g} and delta {delta:g}"
            for epsilon, delta in (stored, wanted)
        )
        raise ValueError(
            f"Expected a set with {said} in {file.parent}, as the texts of this bundle would say, got one with {held}. "
            "Choose another folder, or first take away models/, train/, eval/ and release/."
        )
