"""The ledger of a run: its budget, what it writes, and what it refuses."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.privacy.dp import GaussianEvent, PrivacyLedger, epsilon_of


def test_ledger_file_holds_events_epsilon_and_unit(tmp_path: Path) -> None:
    ledger = PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")
    ledger.enter(GaussianEvent("class sums", 3.8))
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert written["events"] == [
        {"mechanism": "gaussian", "purpose": "class sums", "noise_multiplier": 3.8, "rate": 1.0, "steps": 1}
    ]
    assert written["unit"] == "image"
    assert written["released"] == []
    assert 0.97 < written["epsilon"] <= 1.0 < written["epsilon_by_renyi_cross_check"]
    assert ledger.statement()["tier"] == "T2"
    assert "seed" not in json.dumps(written)
    assert written["true_positive_rate_at_most"] == pytest.approx({"0.001": 0.00273, "0.01": 0.0272}, rel=0.01)


def test_exceeding_the_budget_or_changing_an_event_is_refused() -> None:
    ledger = PrivacyLedger(None, epsilon=1.0, delta=1e-5, unit="patient")
    with pytest.raises(RuntimeError, match="no events"):
        ledger.statement()
    ledger.enter(GaussianEvent("class sums", 4.0))
    ledger.enter(GaussianEvent("class sums", 4.0))  # a resumed run finds its release again
    assert len(ledger.events) == 1
    with pytest.raises(RuntimeError, match=r"class sums.*cannot be released twice"):
        ledger.enter(GaussianEvent("class sums", 9.0))
    with pytest.raises(RuntimeError, match="beyond the budget"):
        ledger.enter(GaussianEvent("something more", 4.0))
    assert list(ledger.events) == ["class sums"]


def test_events_in_the_file_survive_a_restart(tmp_path: Path) -> None:
    def ledger() -> PrivacyLedger:
        return PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")

    first, second = GaussianEvent("prototypes", 6.0), GaussianEvent("class sums", 6.0)
    for event in (first, second):
        ledger().enter(event)
    ledger().enter(first)  # a resumed run records its first event again
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert [event["purpose"] for event in written["events"]] == ["prototypes", "class sums"]
    ledger().check([first, second])
    with pytest.raises(RuntimeError, match="beyond the budget"):
        ledger().enter(GaussianEvent("one more", 4.0))
    with pytest.raises(RuntimeError, match=r"class sums.*another output_dir"):
        ledger().check([GaussianEvent("class sums", 9.0)])
    (tmp_path / "ledger.json").write_text('{"events": [{}]}')
    with pytest.raises(RuntimeError, match="Cannot read the ledger"):
        ledger()


def test_a_stored_result_is_not_released_again(tmp_path: Path) -> None:
    def ledger() -> PrivacyLedger:
        return PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")

    event = GaussianEvent("class sums", 4.0)
    ledger().enter(event)
    ledger().require_not_released(event)  # recorded and interrupted: nothing has been released
    ledger().mark_released(event)
    with pytest.raises(RuntimeError, match="cost the budget again"):
        ledger().require_not_released(event)


def test_statement_names_what_is_public() -> None:
    ledger = PrivacyLedger(None, epsilon=1.0, delta=1e-5, unit="patient")
    ledger.enter(GaussianEvent("class sums", 5.0))
    text = ledger.statement()["statement"]
    for public in (
        "class names",
        "image size",
        "every setting",
        "a drawn one depends on each patient alone",
        "other releases",
    ):
        assert public in text


@pytest.mark.parametrize(("epsilon", "warns"), [(8.0, False), (20.0, True)])
def test_statement_warns_of_a_large_epsilon(epsilon: float, warns: bool) -> None:
    ledger = PrivacyLedger(None, epsilon=epsilon, delta=1e-5, unit="patient")
    ledger.enter(GaussianEvent("class sums", 5.0))
    assert ("says nothing of membership" in ledger.statement()["statement"]) is warns


@pytest.mark.parametrize("other", [{"unit": "patient"}, {"delta": 1e-6}])
def test_a_file_of_another_unit_or_delta_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    """Before, the ledger took the events of images and said "unit: patient"."""
    values = {"epsilon": 1.0, "delta": 1e-5, "unit": "image"}
    PrivacyLedger(tmp_path / "ledger.json", **values).enter(GaussianEvent("class sums", 4.0))
    with pytest.raises(RuntimeError, match="unit image and delta 1e-05"):
        PrivacyLedger(tmp_path / "ledger.json", **{**values, **other})


def test_a_ledger_is_bound_to_a_set_after_a_release(tmp_path: Path) -> None:
    ledger = PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")
    with pytest.raises(RuntimeError, match="no events"):
        ledger.bind_set("5e7")
    ledger.enter(GaussianEvent("class sums", 4.0))
    assert json.loads((tmp_path / "ledger.json").read_text())["set_sha256"] is None
    ledger.bind_set("5e7")
    again = PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image")
    assert again.checksums["set_sha256"] == again.to_dict()["set_sha256"] == "5e7"


EVENTS = st.lists(
    st.builds(
        GaussianEvent,
        purpose=st.sampled_from(["class sums", "prototypes", "network 0", "network 1"]),
        noise_multiplier=st.sampled_from([1.0, 2.0, 5.0, 9.0]),
        rate=st.just(1.0),
        steps=st.integers(1, 5),
    ),
    min_size=1,
    max_size=6,
)


def entered(ledger: PrivacyLedger, events: list[GaussianEvent]) -> list[GaussianEvent]:
    """Enter events one after the other; return those that were accepted."""
    accepted = []
    for event in events:
        try:
            ledger.enter(event)
        except RuntimeError:
            continue
        accepted.append(event)
    return accepted


@settings(max_examples=6, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_same_events_in_any_order_have_the_same_sum(events: list[GaussianEvent], random: Any) -> None:
    ledgers = [PrivacyLedger(None, epsilon=1e3, delta=1e-5, unit="image") for _ in range(2)]
    accepted = entered(ledgers[0], events)
    entered(ledgers[1], random.sample(accepted, len(accepted)))
    assert set(ledgers[0].record.events) == set(ledgers[1].record.events)
    assert ledgers[0].spent() == pytest.approx(ledgers[1].spent(), rel=1e-9)
    largest = max(epsilon_of([event], 1e-5) for event in accepted)
    assert ledgers[0].spent() * (1 + 1e-3) + 1e-6 >= largest


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.sampled_from([0.5, 2.0, 8.0]))
def test_a_refused_event_leaves_the_file_unchanged_and_the_sum_stays_within_the_budget(
    tmp_path: Path, events: list[GaussianEvent], epsilon: float
) -> None:
    file = tmp_path / "ledger.json"
    file.unlink(missing_ok=True)
    for event in events:
        before = file.read_bytes() if file.exists() else None
        ledger = PrivacyLedger(file, epsilon=epsilon, delta=1e-5, unit="image")
        spent = ledger.spent()
        if entered(ledger, [event]):
            assert PrivacyLedger(file, epsilon=epsilon, delta=1e-5, unit="image").spent() >= spent * (1 - 1e-3)
        else:
            assert (file.read_bytes() if file.exists() else None) == before
        assert ledger.spent() <= epsilon + 1e-6
