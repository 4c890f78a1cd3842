"""Clinical scores against counting by hand and scikit-learn."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score, roc_auc_score

from monai_distill.metrics.bootstrap_auroc import bootstrap_auroc
from monai_distill.metrics.clinical import clinical_scores
from monai_distill.runtime.randomness import seeded_generator

NAMES = ("healthy", "benign", "malignant")


@pytest.fixture
def predicted() -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(50) % 5 % 3  # unequal classes
    raw = torch.randn(2, 50, 3, generator=seeded_generator(0, "clinical")) + torch.eye(3)[labels]
    return raw.softmax(2), labels


def test_rates_areas_and_confusion_of_every_class(predicted: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, labels = predicted
    found = clinical_scores(p, labels, NAMES, resamples=20, seed=3)
    y, answers = labels.numpy(), p.argmax(2).numpy()
    assert found["classes"] == list(NAMES)
    assert found["images"] == [20, 20, 10]
    for c in range(3):
        sensitivity = [recall_score(y == c, a == c) for a in answers]
        specificity = [recall_score(y != c, a != c) for a in answers]
        areas = [roc_auc_score(y == c, s[:, c]) for s in p.numpy()]
        assert found["sensitivity"][c]["values"] == pytest.approx(sensitivity)
        assert found["specificity"][c]["values"] == pytest.approx(specificity)
        assert found["auroc"][c]["values"] == pytest.approx(areas)
        assert found["sensitivity"][c]["std"] == pytest.approx(np.std(sensitivity, ddof=1))
    assert found["confusion"] == np.mean([confusion_matrix(y, a) for a in answers], axis=0).tolist()
    assert np.diag(found["confusion"]) / found["images"] == pytest.approx([s["mean"] for s in found["sensitivity"]])
    assert found["auroc_bootstrap"] == bootstrap_auroc(p.double().numpy(), y, resamples=20, seed=3)
    assert sorted(found["calibration"]) == ["expected", "expected_classwise", "maximum"]
    assert found["subgroups"] == {}


def test_patients_are_resampled_and_other_columns_are_subgroups(predicted: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, labels = predicted
    site = ["north" if i < 20 else "south" for i in range(50)]
    patient = [f"p{i // 2}" for i in range(50)]
    found = clinical_scores(p, labels, NAMES, columns={"patient": patient, "site": site}, resamples=20)
    assert found["auroc_bootstrap"]["unit"] == "patient"
    assert list(found["subgroups"]) == ["site"]
    north, south = found["subgroups"]["site"]["north"], found["subgroups"]["site"]["south"]
    assert (north["images"], south["images"]) == (20, 30)
    answers, y = p.argmax(2).numpy(), labels.numpy()
    assert north["accuracy"]["values"] == pytest.approx([accuracy_score(y[:20], a[:20]) for a in answers])
    assert south["accuracy"]["values"] == pytest.approx([accuracy_score(y[20:], a[20:]) for a in answers])


def test_a_class_that_does_not_occur_is_null_in_strict_json() -> None:
    p = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
    found = json.loads(json.dumps(clinical_scores(p, torch.tensor([0, 1]), NAMES, resamples=5), allow_nan=False))
    assert found["sensitivity"][2]["mean"] is None
    assert found["specificity"][2]["mean"] == 1.0
    assert found["auroc"][2]["mean"] is None
    assert found["confusion"][2] == [0, 0, 0]


def test_a_subgroup_of_one_class_has_no_area(predicted: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, labels = predicted
    found = clinical_scores(p, labels, NAMES, columns={"kind": [NAMES[c] for c in labels]}, resamples=5)
    rows = found["subgroups"]["kind"]
    assert rows["malignant"]["auroc"]["mean"] is None
    assert rows["malignant"]["accuracy"]["mean"] == pytest.approx(found["sensitivity"][2]["mean"])


def test_other_lengths_are_refused(predicted: tuple[torch.Tensor, torch.Tensor]) -> None:
    p, labels = predicted
    for arguments in ((p, labels[:-1], NAMES), (p, labels, NAMES[:2]), (p[:0], labels, NAMES)):
        with pytest.raises(ValueError, match="n labels and column entries"):
            clinical_scores(*arguments)
    with pytest.raises(ValueError, match="n labels and column entries"):
        clinical_scores(p, labels, NAMES, columns={"site": ["north"]})
