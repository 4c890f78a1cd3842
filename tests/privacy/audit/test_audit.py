"""The whole audit on known releases: a leak, unrelated images, a control without members, a false claim."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_distill.data import ClassBank, SyntheticDataset
from monai_distill.privacy.audit import Audit
from monai_distill.privacy.audit.attacks import FeatureAlignment, NearestNeighbor
from monai_distill.privacy.audit.attacks.features import pixel_features
from monai_distill.privacy.audit.audit import audit_table
from monai_distill.privacy.audit.candidates import Candidates, real_release
from monai_distill.privacy.audit.shadow_runs import ShadowRuns
from tests.privacy.audit.conftest import copies_of, means_of, random_bank, unrelated_to

Run = Callable[..., dict[str, Any]]


def memberless(like: SyntheticDataset, bank: ClassBank, generator: torch.Generator) -> SyntheticDataset:
    """A positive control without members."""
    return unrelated_to(bank, int(torch.randint(1000, (1,), generator=generator)))


@pytest.fixture(scope="module")
def audit(candidates: Candidates, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``audit(release, ...)`` runs twenty shadows of two attacks and returns what ``audit.json`` holds."""

    def run(
        release: Callable[..., SyntheticDataset], start: str = "noise", folder: Path | None = None, **settings: Any
    ) -> Any:
        tmp_path = folder or tmp_path_factory.mktemp("run")
        public = random_bank(120, 9)
        attacks = {
            "nearest": NearestNeighbor(candidates.images, candidates.labels, pixel_features),
            "matching": FeatureAlignment(candidates.images, candidates.labels, public, pixel_features),
        }
        settings = {"shadows": 20, **settings}
        runs = ShadowRuns(candidates, release, attacks, public, folder=tmp_path / "audit", job={}, **settings)
        released = release(candidates.bank, 12345)
        released.manifest = {"initial_images": start, "sha256": "5e7"}
        content = Audit(runs, released, tmp_path, shadow_settings={}, attribute_inference="no metadata").run()
        assert json.loads((tmp_path / "audit.json").read_text()) == json.loads(json.dumps(content))
        return content

    return run


@pytest.fixture(scope="module")
def leak(audit: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The audit of released members, and its folder."""
    folder = tmp_path_factory.mktemp("leak")
    return audit(copies_of, folder=folder), folder


def test_unchanged_members_are_caught(leak: tuple[dict[str, Any], Path]) -> None:
    found, _ = leak
    assert not found["void"]
    assert found["attacks"]["nearest"]["caught"]
    assert not found["attacks"]["nearest"]["within_gate"]
    assert found["attacks"]["copies"]["caught"]
    assert found["attacks"]["copies"]["auc"] == 1.0
    assert "stays at tier T0" in found["statement"]
    assert "nearest" in found["statement"].split("Members were found:")[1].split(". ")[0]


def test_class_means_are_caught_by_the_attack_on_distribution_matching(audit: Run) -> None:
    found = audit(means_of)
    assert found["attacks"]["matching"]["caught"]
    assert "matching" in found["statement"].split("Members were found:")[1].split("Failed")[0]


def test_unrelated_images_are_not_caught_and_qualify_for_t1_from_noise(audit: Run) -> None:
    found = audit(unrelated_to)
    assert not found["void"]
    assert [name for name, attack in found["attacks"].items() if attack["caught"]] == []
    assert found["attacks"]["nearest"]["positive_control"]["seen"]
    assert "qualifies for tier T1" in found["statement"]
    assert "Failed at this power: nearest" in found["statement"]
    assert found["epsilon_lower_bound"] == 0.0


def test_three_shadows_without_power_give_no_tier(audit: Run) -> None:
    found = audit(unrelated_to, shadows=3)
    assert not found["void"]  # the copy check caught its control
    assert found["attacks"]["matching"]["tpr_at_fpr"] == {}
    assert "audit again with more --shadows" in found["statement"]


def test_a_start_from_real_images_does_not_qualify(audit: Run) -> None:
    found = audit(unrelated_to, start="real")
    assert "stays at tier T0: the initial images are real" in found["statement"]


def test_a_positive_control_without_members_makes_the_audit_void(audit: Run) -> None:
    found = audit(copies_of, controls=(memberless, real_release))
    assert found["void"]
    assert "no attack caught the positive control" in found["why_void"]
    assert found["statement"].startswith("This audit is void")
    assert audit_table(found).startswith("VOID.")


def test_a_negative_control_that_is_caught_makes_the_audit_void(audit: Run, candidates: Candidates) -> None:
    members = iter([candidates.bank.subset(candidates.members(s).nonzero().flatten()) for s in range(20)])
    leaking = lambda like, bank, generator: copies_of(next(members), 0)  # noqa: E731
    found = audit(unrelated_to, controls=(real_release, leaking))
    assert found["void"]
    assert "found members in the negative control" in found["why_void"]


def test_a_claim_refuted_by_the_canaries_is_named(audit: Run, tmp_path: Path) -> None:
    def everything(members: ClassBank, seed: int, patients: object = None) -> SyntheticDataset:
        return SyntheticDataset(members.images[:], members.labels, members.class_names)

    (tmp_path / "ledger.json").write_text(json.dumps({"epsilon": 1.0, "delta": 1e-6}))
    found = audit(everything, folder=tmp_path)
    assert found["claim_refuted"]
    assert found["epsilon_lower_bound"] > 1.0
    assert found["epsilon"]["delta"] == 1e-6
    assert "The claimed epsilon 1 is refuted" in found["statement"]


def test_pairs_that_identify_training_images_stay_in_the_inner_folder(leak: tuple[dict[str, Any], Path]) -> None:
    found, folder = leak
    pairs = json.loads((folder / "audit" / "copies.json").read_text())
    assert [sorted(pair) for pair in pairs] == [["likeness", "synthetic", "training"]] * 5
    assert sorted(found["released_set"]["largest"]) == ["public", "training"]  # similarities, no positions
    assert "pairs" not in json.dumps(found)
    assert {file.name for file in folder.iterdir()} == {"audit", "audit.json"}


def test_table_has_a_row_for_every_attack_and_caught_group(
    leak: tuple[dict[str, Any], Path],
) -> None:
    lines = audit_table(leak[0]).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:] if line.startswith("| ") and "|   " not in line[:4]] == [
        "nearest",
        "matching",
        "copies",
    ]
    assert any(line.startswith("|   mislabelled") for line in lines)
