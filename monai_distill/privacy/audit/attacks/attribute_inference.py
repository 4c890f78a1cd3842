"""Attribute inference: what the release reveals about a patient's metadata beyond what public images reveal."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from monai_distill.data.class_bank import ClassBank
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.privacy.audit.candidates import Candidates

__all__ = ["AttributeInference", "attribute_attacks", "describe_attribute_attacks"]

MAX_VALUES = 10  # more values are names or numbers of images, not an attribute


class AttributeInference:
    """Probability that an attacker assigns to the true attribute of a candidate, using models trained on the release.

    The attacker has public images with the attribute and fits a logistic regression from the models' logits to it. If
    the attack is more successful on members than on non-members, the release reveals the attribute.

    References:
        Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data (Anonymeter), PETS 2023,
        https://arxiv.org/abs/2211.10459 (the comparison with people who are not in the data).

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        attributes: values [n] as text.
        public_images: [m, channels, *spatial] that are no candidates.
        public_attributes: values [m] as text.
        logits: maps (release, images) to [models, n, K], such as :meth:`ModelConfidence.logits`.

    Raises:
        ValueError: if the public images have fewer than two values of the attribute.

    Example:
        >>> logits = lambda release, images: images.flatten(1)[None]
        >>> public = torch.tensor([-1.0, -2.0, 1.0, 2.0]).reshape(4, 1, 1, 1)
        >>> attack = AttributeInference(public[:1], ["F"], public, ["F", "F", "M", "M"], logits)
        >>> bool(attack(None) > 0.5)
        True
    """

    def __init__(
        self,
        images: Tensor,
        attributes: Sequence[str],
        public_images: Tensor,
        public_attributes: Sequence[str],
        logits: Callable[[SyntheticDataset, Tensor], Tensor],
    ) -> None:
        if len(set(public_attributes)) < 2:
            raise ValueError(
                f"Expected at least two values of the attribute in the public images, got {set(public_attributes)}."
            )
        self.images = torch.cat([images, public_images])
        self.attributes = list(attributes)
        self.public_attributes = list(public_attributes)
        self.logits = logits

    def __call__(self, release: SyntheticDataset) -> Tensor:
        """Return the statistic [n], higher if the attacker is right; 0 for a value that the public images lack."""
        values = self.logits(release, self.images).mean(dim=0).double().numpy()
        count = len(self.attributes)
        probe = LogisticRegression(max_iter=1000).fit(values[count:], self.public_attributes)
        columns = {name: column for column, name in enumerate(probe.classes_)}
        probabilities = probe.predict_proba(values[:count])
        right = [probabilities[i, columns[a]] if a in columns else 0.0 for i, a in enumerate(self.attributes)]
        return torch.tensor(np.array(right), dtype=torch.float32)


def attribute_attacks(
    candidates: Candidates,
    public_items: Any,
    public: ClassBank,
    logits: Callable[[SyntheticDataset, Tensor], Tensor],
) -> dict[str, AttributeInference]:
    """Make one attack per kind of metadata of which the public images have two to ten values.

    Args:
        candidates: attacked images with their metadata.
        public_items: data set of the public images; ``data[i]`` is an item before its transform.
        public: the same images as pixel values.
        logits: see :class:`AttributeInference`.
    """
    attacks = {}
    for name, values in candidates.metadata.items():
        values_of_public = [str(item.get(name, "")) for item in public_items.data]
        if 1 < len(set(values_of_public)) <= MAX_VALUES:
            attacks[f"attribute {name}"] = AttributeInference(
                candidates.images, values, public.images[:], values_of_public, logits
            )
    return attacks


def describe_attribute_attacks(candidates: Candidates, attacks: Mapping[str, AttributeInference]) -> str:
    """Say for ``audit.json`` which metadata were attacked, and why others were not.

    Args:
        candidates: attacked images with their metadata.
        attacks: from :func:`attribute_attacks`.
    """
    if not candidates.metadata:
        advice = "columns of a table are named with --group_columns \"['sex']\""
        return f"not attacked: the data set has no metadata besides the class; {advice}"
    names = [name.removeprefix("attribute ") for name in attacks]
    skipped = [name for name in candidates.metadata if name not in names]
    done = [f"attacked: {', '.join(names)}"] if names else []
    why = f"the public images do not have two to {MAX_VALUES} values of it"
    return "; ".join([*done, *([f"not attacked: {', '.join(skipped)} ({why})"] if skipped else [])])
