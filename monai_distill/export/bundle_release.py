"""What may leave a bundle, in one folder."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

from monai.bundle import ckpt_export

from monai_distill.data import SyntheticDataset

from .image_grid import save_image_grid

__all__ = ["release_bundle"]

COPIED = ("LICENSE", "docs/README.md", "docs/data_license.txt", "configs/metadata.json", "models/model.pt")


def release_bundle(bundle_root: str | Path, folder: str | Path) -> Path:
    """Write the distilled set, its picture, the classifier (weights and TorchScript) and their papers to ``folder``.

    Args:
        bundle_root: a bundle whose ``models/`` is filled.
        folder: made when absent; must not hold a release yet.

    Returns:
        The folder.

    Raises:
        RuntimeError: when the bundle is not filled, or ``folder`` holds a release.

    Example:
        >>> release_bundle("bundles/digits_dataset_distillation", "release")  # doctest: +SKIP
    """
    root, folder = Path(bundle_root), Path(folder)
    if (folder / "manifest.json").exists():
        raise RuntimeError(f"{folder} holds a release. Give another output_dir, or delete it.")
    if not (root / "models" / "manifest.json").is_file():
        raise RuntimeError(f"{root / 'models'} holds no distilled set yet. Run the bundle's train configuration first.")
    synthetic = SyntheticDataset.load(root / "models")  # checks the hash
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(root / name, folder / Path(name).name)
    ckpt_export(
        net_id="network_def",
        filepath=str(folder / "model.ts"),
        ckpt_file=str(root / "models" / "model.pt"),
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "inference.json"),
    )
    save_image_grid(synthetic, folder / "grid.png")
    synthetic.save(folder)  # last: its manifest says that the release is whole
    return folder
