"""Three rankings of one space, compared; the test images see the picks alone."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import spearmanr

from monai_distill.data import SplitBanks, SyntheticDataset
from monai_distill.engines.protocols import ArchitectureSearch, Scorecard, architecture_search
from monai_distill.engines.students import StudentDivergedError, StudentTraining
from monai_distill.metrics.classification import SCORES
from monai_distill.metrics.score_logits import summary
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.transforms import SiameseAugment

KIND = functools.partial(ConvNet, spatial_dims=2, in_channels=1, num_classes=10, image_size=8, depth=1)
QUICK = StudentTraining(SiameseAugment(()), steps=2)
SPACE = {"width": [2, 4, 6, 8, 10]}
# validation scores by width, as a training of students would give them
MADE = {
    "distilled": {2: 0.1, 4: 0.2, 6: 0.5, 8: 0.4, 10: 0.3},
    "random": {2: 0.5, 4: 0.4, 6: 0.3, 8: 0.2, 10: 0.1},
    "full": {2: 0.1, 4: 0.2, 6: 0.3, 8: 0.5, 10: 0.4},
}


def search(digits: SplitBanks, **settings: Any) -> ArchitectureSearch:
    scorecard = {name: settings.pop(name) for name in ("seed", "folder") if name in settings}
    card = Scorecard(digits, FlatNetwork(KIND), QUICK, **scorecard)
    settings = {"space": SPACE, "top": 0.6, **settings}
    return ArchitectureSearch(card, KIND, protocol=QUICK, full_protocol=QUICK, **settings)


@pytest.fixture
def made(digits: SplitBanks, two_each: SyntheticDataset, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Students that score as MADE says; the list fills with (set, width, section) as they are trained."""
    trained: list[tuple[str, int, str]] = []

    def scored(training_set: Any, network: Any, protocol: Any, bank: Any, *rest: Any) -> dict[str, Any]:
        images, _, lr = training_set
        is_distilled = len(images) == 20 and images.equal(two_each.images.detach())
        kind = "full" if len(images) > 20 else "distilled" if is_distilled else "random"
        width = network.module.features.conv0.out_channels
        section = "test" if bank is digits.test else "validation"
        trained.append((kind, width, section))
        if lr > 1:
            raise StudentDivergedError(lr)
        return dict.fromkeys(SCORES, summary([MADE[kind][width] / (2 if lr > 0.04 else 1)]))

    monkeypatch.setattr(architecture_search, "score_students", scored)
    return trained


def test_a_made_space_has_its_known_agreement(
    digits: SplitBanks, two_each: SyntheticDataset, made: list[tuple[str, int, str]]
) -> None:
    nas = search(digits).run(two_each)["figures"]
    widths = SPACE["width"]
    for kind in ("distilled", "random"):
        expected = spearmanr([MADE[kind][w] for w in widths], [MADE["full"][w] for w in widths]).statistic
        assert nas[kind]["spearman"] == pytest.approx(expected)
    assert nas["distilled"]["spearman_top"] == pytest.approx(-0.5)  # 6, 8, 10: third, first, second; by the set 1, 2, 3
    assert nas["random"]["spearman"] == pytest.approx(-0.9)
    assert nas["distilled"]["top_size"] == 3
    assert (nas["distilled"]["pick"], nas["random"]["pick"], nas["full"]["pick"]) == ("width 6", "width 2", "width 8")
    assert nas["distilled"]["pick_on_full_data"]["validation"] == MADE["full"][6]
    assert nas["ranking"]["width 6"] == {kind: MADE[kind][6] for kind in MADE}


def test_the_test_images_see_the_picks_trained_on_all_data_and_nothing_else(
    digits: SplitBanks, two_each: SyntheticDataset, made: list[tuple[str, int, str]]
) -> None:
    search(digits).run(two_each)
    assert sorted(row for row in made if row[2] == "test") == [("full", w, "test") for w in (2, 6, 8)]
    assert all(section == "test" for _, _, section in made[-3:])


def test_the_best_learning_rate_counts_and_one_that_diverges_does_not(
    digits: SplitBanks, two_each: SyntheticDataset, made: list[tuple[str, int, str]]
) -> None:
    nas = search(digits, lrs=[0.01, 9.0]).run(two_each)["figures"]
    assert nas["lrs"] == {
        "distilled": [0.01, pytest.approx(0.05), 9.0],
        "random": [0.01, pytest.approx(0.05), 9.0],
        "full": [0.01, 9.0],
    }
    assert nas["ranking"]["width 10"]["distilled"] == MADE["distilled"][10]
    hopeless = search(digits, lrs=[9.0]).run(two_each)["figures"]
    assert hopeless["ranking"]["width 10"]["full"] is None
    assert hopeless["distilled"]["spearman"] is None
    assert hopeless["full"]["pick_on_full_data"] == {"validation": None, "test": {}}


def test_nothing_is_trained_twice_and_seconds_are_cached(
    digits: SplitBanks, two_each: SyntheticDataset, made: list[tuple[str, int, str]], tmp_path: Path
) -> None:
    folder = str(tmp_path / "nas")
    first = search(digits, folder=folder).run(two_each)
    count = len(made)
    assert search(digits, folder=folder).run(two_each) == first
    assert search(digits, folder=folder, top=0.8).run(two_each)["figures"]["distilled"]["top_size"] == 4
    assert len(made) == count
    search(digits, folder=folder, seed=1).run(two_each)
    assert len(made) == 2 * count
    saved = 1 - first["figures"]["distilled"]["seconds"] / first["figures"]["full"]["seconds"]
    assert first["figures"]["time_saved"] == pytest.approx(saved)


def test_real_students_rank_a_small_space(digits: SplitBanks, two_each: SyntheticDataset) -> None:
    space = {"width": [2], "norm": ["none", "instance", "layer"], "pooling": ["avg"]}
    nas = search(digits, space=space).run(two_each)["figures"]
    assert nas["architectures"] == 3
    assert all(0 <= score <= 1 for row in nas["ranking"].values() for score in row.values())
    assert all(nas[kind]["seconds"] > 0 for kind in MADE)
    assert 0 <= nas["full"]["pick_on_full_data"]["test"]["accuracy"]["mean"] <= 1


@pytest.mark.parametrize("settings", [{"students": 0}, {"lrs": []}, {"top": 0.0}, {"space": {"width": []}}])
def test_impossible_settings_are_refused(digits: SplitBanks, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected "):
        search(digits, **settings)


def test_a_ranking_of_two_is_refused(digits: SplitBanks, two_each: SyntheticDataset) -> None:
    with pytest.raises(ValueError, match="Expected three architectures to rank"):
        search(digits, space={"width": [2, 4]}).run(two_each)


def test_tables_comparison_and_use_follow_from_the_figures(
    digits: SplitBanks, two_each: SyntheticDataset, made: list[tuple[str, int, str]]
) -> None:
    result = search(digits).run(two_each)
    agreement, ranking = result["tables"]
    assert [row[-1] for row in agreement["rows"]] == ["width 6", "width 2", "width 8"]
    assert ranking["rows"][0] == ["width 2", 0.1, 0.5, 0.1]
    assert result["comparisons"][0]["random"]["Spearman, all"] == pytest.approx(-0.9)
    assert [use["better"] for use in result["uses"]] == [True]
