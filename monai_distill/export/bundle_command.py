"""The shell line that runs a bundle with MONAI."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["bundle_command"]


def bundle_command(root: str | Path, *configs: str, dataset_dir: str | Path | None = None) -> str:
    """``python -m monai.bundle run`` with configurations of the bundle in ``root``, as it works where it is printed.

    Args:
        root: folder of the bundle; the working directory itself needs no path.
        configs: names of files in ``configs/`` without the suffix; later ones are laid over earlier ones.
        dataset_dir: where the data lie; the bundle's own ``data/`` is not written out.

    Example:
        >>> bundle_command(".", "inference")
        'python -m monai.bundle run --config_file configs/inference.json'
        >>> print(bundle_command(".", "train", "evaluate", dataset_dir="/scans")[27:])
        --config_file "['configs/train.json', 'configs/evaluate.json']" --dataset_dir /scans
    """
    root = Path(root)
    here = root == Path()
    files = [("" if here else f"{root}/") + f"configs/{name}.json" for name in configs]
    words, quoted = ["python -m monai.bundle run --config_file"], shlex.quote(str(root))
    if len(files) == 1:
        words.append(shlex.quote(files[0]))
    else:
        words.append(f'"{files}"' if quoted == str(root) else shlex.quote(str(files)))
    words += [] if here else ["--bundle_root", quoted]
    own = dataset_dir is None or Path(dataset_dir) == root / "data"
    return " ".join(words if own else [*words, "--dataset_dir", shlex.quote(str(dataset_dir))])
