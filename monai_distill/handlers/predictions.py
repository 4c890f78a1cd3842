"""What a classifier said of every image, as a table."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine, Events

from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["Predictions"]


class Predictions:
    """Writes a CSV: image, predicted class, the probability of every class and, where the items have one, the label.

    MONAI's ``ClassificationSaver`` writes the path of every source file as it lies on the disk, and no header. Here an
    image is its ``name`` if the batch has one (such as its path below the folder that was given), else its number.

    It attaches to an engine that decollates, as MONAI's do unless told otherwise.

    Args:
        file: the CSV; its folder is made when absent.
        class_names: every class in label order.

    Raises:
        ValueError: from the engine's run, when the probabilities are not one per class.

    Example:
        >>> import tempfile, torch
        >>> said = Predictions(Path(tempfile.mkdtemp()) / "predictions.csv", ["no", "yes"])
        >>> engine = Engine(lambda engine, batch: [{"pred": torch.tensor([0.25, 0.75])}])
        >>> said.attach(engine)
        >>> _ = engine.run([[{"name": "a.png", "label": 1}]])
        >>> said.file.read_text().splitlines()
        ['image,predicted,p(no),p(yes),label', 'a.png,yes,0.250000,0.750000,yes']
    """

    def __init__(self, file: str | Path, class_names: Sequence[str]) -> None:
        self.file = Path(file)
        self.class_names = tuple(class_names)
        self._rows: list[list[str]] = []

    def attach(self, engine: Engine) -> None:
        """Collect every batch, write at the end of the epoch."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda engine: self._rows.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._write())

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            probabilities = [float(p) for p in output["pred"].flatten()]
            if len(probabilities) != len(self.class_names):
                raise ValueError(
                    f"Expected a probability for each of {list(self.class_names)}, got {len(probabilities)} numbers."
                )
            best = max(range(len(probabilities)), key=lambda c: probabilities[c])
            name = str(item.get("name", len(self._rows)))
            label = [self.class_names[int(item["label"])]] if "label" in item else []
            self._rows.append([name, self.class_names[best], *(f"{p:.6f}" for p in probabilities), *label])

    def _write(self) -> None:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        header = ["image", "predicted", *(f"p({name})" for name in self.class_names)]
        known = bool(self._rows) and len(self._rows[0]) > len(header)
        writer.writerows([header + ["label"] * known, *self._rows])
        self.file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.file, buffer.getvalue().encode())
