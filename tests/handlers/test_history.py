"""Every iteration and every validation is noted once, also across a resume."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math

from ignite.engine import Engine, Events

from monai_distill.handlers import History


def engines() -> tuple[Engine, Engine]:
    trainer = Engine(lambda engine, batch: [{"loss": float(engine.state.iteration), "student_lr": 0.5, "more": "x"}])
    validator = Engine(lambda engine, batch: None)

    def score(engine: Engine) -> None:
        engine.state.metrics["accuracy"] = 0.1 * trainer.state.iteration

    validator.add_event_handler(Events.COMPLETED, score)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: validator.run([0]) and None)
    return trainer, validator


def test_rows_hold_iteration_loss_learning_rate_and_the_validators_metrics_as_plain_json() -> None:
    trainer, validator = engines()
    history = History(validator)
    history.attach(trainer)
    trainer.run([0, 0], max_epochs=2)
    assert history.iterations == [{"iteration": i, "loss": float(i), "student_lr": 0.5} for i in (1, 2, 3, 4)]
    assert history.validations == [{"iteration": 2, "accuracy": 0.2}, {"iteration": 4, "accuracy": 0.4}]
    assert json.loads(json.dumps(history.state_dict())) == history.state_dict()


def test_without_a_validator_there_are_no_validations() -> None:
    trainer, _ = engines()
    history = History()
    history.attach(trainer)
    trainer.run([0], max_epochs=2)
    assert (len(history.iterations), history.validations) == (2, [])


def test_a_loaded_history_goes_on_and_the_saved_state_stays_as_it_was() -> None:
    trainer, validator = engines()
    first = History(validator)
    first.attach(trainer)
    trainer.run([0, 0], max_epochs=1)
    state = first.state_dict()
    trainer.run([0, 0], max_epochs=2)
    trainer, validator = engines()
    second = History(validator)
    second.load_state_dict(state)
    second.attach(trainer)
    trainer.load_state_dict({"iteration": 2, "epoch_length": 2, "max_epochs": 2})
    trainer.run([0, 0])
    assert [row["iteration"] for row in second.iterations] == [1, 2, 3, 4]
    assert [row["iteration"] for row in second.validations] == [2, 4]
    assert [len(rows) for rows in state.values()] == [2, 1]


def test_a_validation_without_any_score_says_so_in_strict_json() -> None:
    trainer, validator = engines()
    actual = [{"accuracy": math.nan, "auroc": math.nan}, {"accuracy": 0.5, "auroc": math.nan}]
    validator.add_event_handler(Events.COMPLETED, lambda engine: engine.state.metrics.update(actual.pop(0)))
    history = History(validator)
    history.attach(trainer)
    trainer.run([0], max_epochs=2)
    assert history.validations == [
        {"iteration": 1, "accuracy": None, "auroc": None, "diverged": True},
        {"iteration": 2, "accuracy": 0.5, "auroc": None},
    ]
    json.dumps(history.state_dict(), allow_nan=False)
