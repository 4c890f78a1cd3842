"""What may leave a bundle, in one folder."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from pathlib import Path

from monai.bundle import ckpt_export

from monai_distill.data import SyntheticDataset
from monai_distill.whole_file import write_whole

from .image_grid import save_image_grid
from .release import ReleaseTier, licence_text

__all__ = ["release_bundle"]

COPIED = ("LICENSE", "docs/README.md", "docs/data_license.txt", "configs/metadata.json", "models/model.pt")


def release_bundle(
    bundle_root: str | Path, folder: str | Path, *, no_claim: bool = False, licence: str | Path | None = None
) -> Path:
    """Write the distilled set, its picture, the classifier (weights and TorchScript) and their papers to ``folder``.

    What may not be passed on is refused as by :class:`~monai_distill.export.Release`, which writes more: scores of what
    the files hold, a data card, checksums, and a last scan.

    Args:
        bundle_root: a bundle whose ``models/`` is filled.
        folder: made when absent; must not hold a release yet.
        no_claim: allow tier T0, at which nothing is promised.
        licence: a file with the text under which the set is passed on, where its source's licence is not known.

    Returns:
        The folder.

    Raises:
        ValueError: when the set may not be passed on, by its licence or by its tier.
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
    text = licence_text(synthetic.manifest, None if licence is None else Path(licence))
    tier = ReleaseTier.of(synthetic.manifest, None, None)  # a bundle holds neither audit nor ledger
    tier.require(no_claim)
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
    write_whole(folder / "LICENSE_OF_THE_SET", text.encode())
    # last: its manifest says that the release is whole
    synthetic.save(folder, {**synthetic.manifest, "privacy": tier.config()})
    return folder
