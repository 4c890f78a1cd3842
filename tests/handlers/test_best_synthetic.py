"""The set that scored best on validation is stored, restored and saved."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from monai_distill.data import SyntheticDataset
from monai_distill.handlers import BestSynthetic


def synthetic(value: float = 0.0, soft: bool = False) -> SyntheticDataset:
    logits = torch.zeros(1, 1) if soft else None
    return SyntheticDataset(torch.full((1, 1, 2, 2), value), torch.tensor([0]), ["a"], label_logits=logits)


def validated(best: BestSynthetic, scores: list[float]) -> None:
    """A validator that scores the set once per epoch while it goes through the values 1, 2, 3 ..."""
    engine = Engine(lambda engine, batch: None)

    def score(engine: Engine) -> None:
        with torch.no_grad():
            best.synthetic.images.fill_(float(engine.state.epoch))
            best.synthetic.student_lr.fill_(0.1 * engine.state.epoch)
        engine.state.metrics["balanced_accuracy"] = scores[engine.state.epoch - 1]

    engine.add_event_handler(Events.EPOCH_COMPLETED, score)
    best.attach(engine)
    engine.run([0], max_epochs=len(scores))


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [([0.2, 0.5, 0.3], 2), ([0.5, 0.5, 0.5], 1), ([0.1, 0.2, 0.3], 3), ([0.0, 0.0], 1), ([float("nan"), 0.4, 0.1], 2)],
)
def test_the_best_is_restored_and_the_first_of_equals_counts(scores: list[float], epoch: int) -> None:
    best = BestSynthetic(synthetic())
    validated(best, scores)
    assert (best.value, best.epoch) == (scores[epoch - 1], epoch)
    assert float(best.synthetic.images.detach().mean()) == len(scores)
    best.restore()
    assert float(best.synthetic.images.detach().mean()) == epoch
    assert float(best.synthetic.student_lr.detach()) == pytest.approx(0.1 * epoch)


def test_without_a_validation_restore_leaves_the_set_alone() -> None:
    best = BestSynthetic(synthetic(7.0))
    best.restore()
    assert float(best.synthetic.images.detach().mean()) == 7
    assert best.value is None


def test_the_stored_state_does_not_change_with_the_set() -> None:
    best = BestSynthetic(synthetic())
    validated(best, [0.9])
    with torch.no_grad():
        best.synthetic.images.add_(5)
    best.restore()
    assert float(best.synthetic.images.detach().mean()) == 1


@pytest.mark.parametrize("soft", [False, True])
def test_its_state_survives_a_file_that_is_read_with_weights_only(tmp_path: Path, soft: bool) -> None:
    best = BestSynthetic(synthetic(soft=soft))
    validated(best, [0.2, 0.5, 0.3])
    torch.save(best.state_dict(), tmp_path / "best.pt")
    other = BestSynthetic(synthetic(soft=soft))
    other.load_state_dict(torch.load(tmp_path / "best.pt", weights_only=True))
    assert (other.value, other.epoch) == (0.5, 2)
    other.restore()
    best.restore()
    for name, tensor in best.synthetic.state_dict().items():
        torch.testing.assert_close(other.synthetic.state_dict()[name], tensor, rtol=0, atol=0)
    validated(other, [0.4])
    assert other.value == 0.5


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'dice'.*\['balanced_accuracy'\]"):
        validated(BestSynthetic(synthetic(), metric="dice"), [0.1])


def test_an_error_says_that_no_validation_had_a_score() -> None:
    first = BestSynthetic(synthetic())
    validated(first, [float("nan")] * 2)
    best = BestSynthetic(synthetic())
    best.load_state_dict(first.state_dict())
    validated(best, [float("nan")])
    with pytest.raises(RuntimeError, match=r"balanced_accuracy.*none in 3 validations.*learning rate 0\.1\. Lower it"):
        best.restore()
    validated(best, [0.3])
    best.restore()
    assert best.value == 0.3
