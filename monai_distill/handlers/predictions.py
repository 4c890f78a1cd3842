"""The predictions of a classifier as a table, with a row for every image."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from monai_distill.runtime.atomic_file import atomic_write

__all__ = ["Predictions"]


class Predictions:
    """Writes a CSV: image, predicted class, probability of every class and, where the items have them, label and error.

    MONAI's ``ClassificationSaver`` writes the absolute path of every source file, and no header. Here an image is its
    ``name`` if the batch has one (such as its path below the input folder), else its number. An item with a text under
    ``error`` has a row without a prediction: its file could not be read.

    It attaches to an engine that decollates its batches, as MONAI's do by default.

    Args:
        file: the CSV; its folder is made when absent.
        class_names: every class in label order.

    Raises:
        ValueError: from the engine's run, if the number of probabilities is not the number of classes.

    Example:
        >>> import tempfile, torch
        >>> predictions = Predictions(Path(tempfile.mkdtemp()) / "predictions.csv", ["no", "yes"])
        >>> engine = Engine(lambda engine, batch: [{"pred": torch.tensor([0.25, 0.75])}])
        >>> predictions.attach(engine)
        >>> _ = engine.run([[{"name": "a.png", "label": 1}]])
        >>> predictions.file.read_text().splitlines()
        ['image,predicted,p(no),p(yes),label', 'a.png,yes,0.250000,0.750000,yes']
    """

    def __init__(self, file: str | Path, class_names: Sequence[str]) -> None:
        self.file = Path(file)
        self.class_names = tuple(class_names)
        self._rows: list[dict[str, str]] = []

    def attach(self, engine: Engine) -> None:
        """Collect every batch; write at the end of the epoch."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda engine: self._rows.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self._write())

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            row = {"image": str(item.get("name", len(self._rows)))}
            if not item.get("error"):
                row |= self._prediction(output["pred"])
            if "label" in item:
                row["label"] = self.class_names[int(item["label"])]
            if "error" in item:
                row["error"] = str(item["error"])
            self._rows.append(row)

    def _prediction(self, pred: Any) -> Mapping[str, str]:
        probabilities = [float(p) for p in pred.flatten()]
        if len(probabilities) != len(self.class_names):
            raise ValueError(
                f"Expected a probability for each of {list(self.class_names)}, got {len(probabilities)} numbers. "
                "Name every class."
            )
        best = max(range(len(probabilities)), key=lambda c: probabilities[c])
        by_class = {f"p({name})": f"{p:.6f}" for name, p in zip(self.class_names, probabilities, strict=True)}
        return {"predicted": self.class_names[best], **by_class}

    def _write(self) -> None:
        buffer = io.StringIO()
        columns = ["image", "predicted", *(f"p({name})" for name in self.class_names)]
        columns += [name for name in ("label", "error") if any(name in row for row in self._rows)]
        writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.file, buffer.getvalue().encode())
        failed = [row["image"] for row in self._rows if row.get("error")]
        if failed:
            warnings.warn(
                f"{len(failed)} of {len(self._rows)} files have no prediction, such as {failed[0]}; the column error "
                f"of {self.file} says why.",
                stacklevel=2,
            )
