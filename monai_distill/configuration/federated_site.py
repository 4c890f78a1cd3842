"""A client of MONAI's federated learning that sends a distilled set and nothing else."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow
from monai.fl.client import ClientAlgo
from monai.fl.utils.constants import ExtraItems
from monai.fl.utils.exchange_object import ExchangeObject

from monai_distill.data.received_sets import message_of
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.export.release.license import license_text
from monai_distill.export.release.synthetic_only import SyntheticOnly

__all__ = ["SyntheticSetAlgo"]

logger = logging.getLogger(__name__)
STAGES = (("train",), ("train", "evaluate"), ("export",))
LEFT_OUT = ("monai.bundle.ckpt_export", "monai_distill.cli.bundle_messages")  # the classifier stays; nobody reads
HANDLERS = ("train#handlers", "expert_trainer#handlers")


class SyntheticSetAlgo(ClientAlgo):  # type: ignore[misc]  # MONAI ships no types
    """Distils the images of a site with a bundle, exports a release, and sends the set of that release.

    Follows :py:class:`monai.fl.client.MonaiAlgo` (MONAI, 2022), which needs a ``SupervisedTrainer`` and sends its
    weights. One round is enough. The site calls ``initialize()``, ``train(ExchangeObject())`` and ``get_weights()``.
    The server makes a set of every answer with ``received_set(answer.weights)``, and one of all of them with
    ``joined_set``, both of :mod:`monai_distill.data.received_sets`.

    Weights of networks, statistics and scores stay at the site: ``evaluate`` sends no metric. The refusals of the
    export hold (license, claim, size, identifying words). A release that is there already is sent as it is. So a site
    can read it first. A set with a privacy guarantee comes from a bundle that was written with ``--epsilon``.

    Args:
        bundle_root: folder of the bundle, or of the release alone; relative to ``ExtraItems.APP_ROOT``.
        release_dir: folder of the release, relative to ``bundle_root``.
        train_kwargs: settings of the bundle, such as ``{"dataset_dir": "/scans"}``.
        no_claim: send a set of tier T0, for which nothing is claimed.

    Raises:
        TypeError: if ``no_claim`` is not a bool.

    Example:
        >>> client = SyntheticSetAlgo("bundle", train_kwargs={"dataset_dir": "/scans"}, no_claim=True)
        >>> client.evaluate(ExchangeObject()).metrics
        {}
    """

    def __init__(
        self,
        bundle_root: str,
        release_dir: str = "release",
        train_kwargs: Mapping[str, Any] | None = None,
        no_claim: bool = False,
    ) -> None:
        if not isinstance(no_claim, bool):  # the word "false" of a configuration would be true
            raise TypeError(f"Expected no_claim True or False, got {no_claim!r}.")
        self.given_root = bundle_root
        self.bundle_root = Path(bundle_root)
        self.release_dir = release_dir
        self.train_kwargs = dict(train_kwargs or {})
        self.no_claim = no_claim
        self._aborted = False

    @property
    def release(self) -> Path:
        """The folder of the release."""
        return self.bundle_root / self.release_dir

    def initialize(self, extra: Mapping[str, Any] | None = None) -> None:
        """Find the bundle and refuse what could not be sent in the end. No image is read.

        Args:
            extra: ``ExtraItems.APP_ROOT``, the folder that ``bundle_root`` is relative to.

        Raises:
            ValueError: if there is neither a bundle nor a release, or the set would have no claim.
        """
        self._aborted = False
        self.bundle_root = Path((extra or {}).get(ExtraItems.APP_ROOT, "")) / self.given_root
        if self.release.is_dir():
            SyntheticOnly(self.release, no_claim=self.no_claim)
            return
        if not (self.bundle_root / "configs" / "train.json").is_file():
            raise ValueError(
                f"Expected a bundle (configs/train.json) or a release ({self.release_dir}/) in {self.bundle_root}, got "
                "neither. Write a bundle with monai-distill bundle, or a release with monai-distill export."
            )
        train = json.loads((self.bundle_root / "configs" / "train.json").read_text())
        if not self.no_claim and train.get("guarantee") is None:
            raise ValueError(
                f"The set that {self.bundle_root} distils has no claim about privacy. Pass no_claim=True to send it "
                "anyway, or write the bundle with a guarantee: monai-distill bundle --epsilon E."
            )

    def train(self, data: ExchangeObject, extra: Mapping[str, Any] | None = None) -> None:
        """Distil, score and export, unless the release is there. An interrupted distillation is continued.

        Args:
            data: without weights: there is nothing to start from.
            extra: ``ExtraItems.ABORT``, a signal with ``triggered`` that is read between two iterations.

        Raises:
            TypeError: if ``data`` is not an ExchangeObject.
            ValueError: if it has weights, or the license of the images forbids passing on a set.
            RuntimeError: from the bundle, or when the work was aborted.
        """
        if not isinstance(data, ExchangeObject):
            raise TypeError(f"Expected an ExchangeObject, got {type(data).__name__}.")
        if data.weights:
            raise ValueError(
                f"Expected no weights, got {len(data.weights)}: a site distils its own images from the beginning. Send "
                "an empty model, in one round, and collect the answers."
            )
        if self.release.is_dir():
            logger.info("The release %s is there: its set is sent, nothing is distilled.", self.release)
            return
        for stage in STAGES:
            workflow = self._workflow(stage)
            if stage == STAGES[0]:
                self._watch(workflow, (extra or {}).get(ExtraItems.ABORT))
            steps = workflow.parser["run"]
            workflow.parser["run"] = [step for step in steps if not any(name in str(step) for name in LEFT_OUT)]
            workflow.initialize()
            if stage == STAGES[0]:
                self._require_license(workflow)
            workflow.run()
            workflow.finalize()

    def get_weights(self, extra: Mapping[str, Any] | None = None) -> ExchangeObject:
        """The set of the verified release, with its manifest as bytes; without statistics.

        Args:
            extra: not read: best and final model are the same set.

        Raises:
            RuntimeError: before :meth:`train`.
            ValueError: if the release does not verify.
        """
        if not self.release.is_dir():
            raise RuntimeError(f"Expected a release in {self.release}, got none. Call train first.")
        message = message_of(self.release)
        state = SyntheticDataset.load(self.release).state_dict()
        sent = SyntheticOnly(self.release, no_claim=self.no_claim)(ExchangeObject(weights=state))
        return ExchangeObject(weights=message, weight_type=sent.weight_type, statistics={})

    def evaluate(self, data: ExchangeObject, extra: Mapping[str, Any] | None = None) -> ExchangeObject:
        """No metric: scores are computed from real images and stay at the site, in its release.

        Args:
            data: not read.
            extra: not read.
        """
        return ExchangeObject(metrics={})

    def get_data_stats(self, extra: Mapping[str, Any] | None = None) -> ExchangeObject:
        """Refused: statistics of the images are more than the set.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(
            "SyntheticSetAlgo sends a distilled set only. Use MonaiAlgoStats where statistics may leave."
        )

    def abort(self, extra: Mapping[str, Any] | None = None) -> None:
        """Stop after the current iteration; a later :meth:`train` continues.

        Args:
            extra: not read.
        """
        self._aborted = True

    def _workflow(self, names: tuple[str, ...]) -> ConfigWorkflow:
        files = [str(self.bundle_root / "configs" / f"{name}.json") for name in names]
        own = {"bundle_root": str(self.bundle_root), "resume": True, "no_claim": self.no_claim}
        own["release_dir"] = str(self.release)
        return ConfigWorkflow(config_file=files, logging_file=False, **{**self.train_kwargs, **own})

    def _require_license(self, workflow: ConfigWorkflow) -> None:
        """Refuse before hours of work what the export would refuse after them."""
        parser = workflow.parser
        source = getattr(parser.get_parsed_content("train#dataset"), "provenance", {})
        file = self.train_kwargs.get("license")
        license_text({"dataset": parser["dataset_name"], "source": source}, None if file is None else Path(file))

    def _watch(self, workflow: ConfigWorkflow, signal: Any) -> None:
        """Let the loops of experts and images stop where the FL system says so."""
        handler = _StopWhere(lambda: self._aborted or getattr(signal, "triggered", False))
        for name in HANDLERS:
            listed = workflow.parser.get(name)
            if listed is not None:
                workflow.parser[name] = [*listed, handler]


class _StopWhere:
    """A handler that ends an engine after the iteration in which ``aborted`` became true."""

    def __init__(self, aborted: Callable[[], bool]) -> None:
        self.aborted = aborted

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if self.aborted():
            raise RuntimeError("The FL system aborted the distillation. Another train continues it.")
