"""A MONAI bundle as a folder: configurations, papers, models."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_distill.whole_file import write_whole

from .bundle_models import blank_model

__all__ = ["write_bundle"]


def write_bundle(
    folder: str | Path,
    configs: Mapping[str, Mapping[str, Any]],
    papers: Mapping[str, str],
    network_def: dict[str, Any],
    *,
    replace: bool = False,
) -> Path:
    """Write the texts of a bundle and, where there is none yet, a blank ``models/model.pt``.

    What lies in ``models/`` is kept: a bundle can be written anew without being trained anew.

    Args:
        folder: the bundle's root; made when absent.
        configs: name of the file in ``configs/`` without its suffix -> content; ``metadata`` is one of them.
        papers: path below ``folder`` -> text.
        network_def: the MONAI config of the classifier, all of it plain values.
        replace: whether texts that differ are written over.

    Returns:
        The folder.

    Raises:
        ValueError: when a text is there already with another content, and ``replace`` is off.
        RuntimeError: when a folder cannot be made.

    Example:
        >>> import tempfile
        >>> network = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1}
        >>> root = write_bundle(tempfile.mkdtemp(), {"metadata": {"version": "1"}}, {"LICENSE": "..."}, network)
        >>> sorted(str(file.relative_to(root)) for file in root.rglob("*.*"))
        ['configs/metadata.json', 'models/model.pt']
    """
    folder = Path(folder)
    texts = {f"configs/{name}.json": json.dumps(content, indent=4) + "\n" for name, content in configs.items()}
    texts |= papers
    differing = [n for n, text in texts.items() if (folder / n).is_file() and (folder / n).read_text() != text]
    if differing and not replace:
        raise ValueError(
            f"{folder} holds a bundle whose {', '.join(sorted(differing))} differ from what would be written. "
            "Add --replace to write over them (models/ is kept), or choose another folder."
        )
    for name, text in texts.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Cannot make the bundle {folder}: {error}. Choose another folder.") from error
        write_whole(folder / name, text.encode())
    blank_model(folder / "models", network_def)
    return folder
