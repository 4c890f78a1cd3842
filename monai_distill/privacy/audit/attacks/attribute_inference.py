"""What the release tells of a patient's metadata beyond what public images tell."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.privacy.audit import Candidates

__all__ = ["AttributeInference", "attribute_attacks", "attribute_words"]

MOST_VALUES = 10  # a name or a number of each image is no attribute


class AttributeInference:
    """Probability that an attacker gives to a candidate's true attribute, from models trained on the release.

    The attacker has public images with the attribute, fits a logistic regression from the models' logits to it, and
    asks it about the candidates. Members against the rest: what is above is what the release gave away.

    References:
        Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data (Anonymeter), PETS 2023, for
        the comparison of an attack with the same attack on people who are not in the data.

    Args:
        images: candidates [n, channels, *spatial] as pixel values.
        attributes: [n], as text.
        public_images: [m, channels, *spatial], none of them a candidate.
        public_attributes: [m].
        logits: (release, images) -> [models, n, K], such as :meth:`ModelConfidence.logits`.

    Raises:
        ValueError: when the public images show fewer than two values of the attribute.

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
        """The statistic [n], higher where the attacker is right; 0 for a value that the public images lack."""
        values = self.logits(release, self.images).mean(dim=0).double().numpy()
        count = len(self.attributes)
        probe = LogisticRegression(max_iter=1000).fit(values[count:], self.public_attributes)
        columns = {name: column for column, name in enumerate(probe.classes_)}
        chances = probe.predict_proba(values[:count])
        right = [chances[i, columns[a]] if a in columns else 0.0 for i, a in enumerate(self.attributes)]
        return torch.tensor(np.array(right), dtype=torch.float32)


def attribute_attacks(
    candidates: Candidates,
    public_items: Any,
    public: ClassBank,
    logits: Callable[[SyntheticDataset, Tensor], Tensor],
) -> dict[str, AttributeInference]:
    """An attack per kind of metadata that the candidates have and the public images show two to ten values of.

    Args:
        candidates: with their metadata.
        public_items: the public images' data set; ``data[i]`` is an item before its transform.
        public: the same images as pixel values.
        logits: as of :class:`AttributeInference`.
    """
    found = {}
    for name, values in candidates.metadata.items():
        known = [str(item.get(name, "")) for item in public_items.data]
        if 1 < len(set(known)) <= MOST_VALUES:
            found[f"attribute {name}"] = AttributeInference(candidates.images, values, public.images[:], known, logits)
    return found


def attribute_words(candidates: Candidates, attacks: Mapping[str, AttributeInference]) -> str:
    """For ``audit.json``: which metadata were attacked, and why the rest was not.

    Args:
        candidates: with their metadata.
        attacks: of :func:`attribute_attacks`.
    """
    if not candidates.metadata:
        return (
            "not attacked: the data set has no metadata beside the class; a table has with --group_columns \"['sex']\""
        )
    names = [name.removeprefix("attribute ") for name in attacks]
    left = [name for name in candidates.metadata if name not in names]
    done = [f"attacked: {', '.join(names)}"] if names else []
    why = f"the public images do not show two to {MOST_VALUES} values of it"
    return "; ".join([*done, *([f"not attacked: {', '.join(left)} ({why})"] if left else [])])
