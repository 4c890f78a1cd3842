"""The ledger of a site: runs add up within one budget, and an edited file stops the run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

pytest.importorskip("dp_accounting", reason="pip install 'monai-distill[privacy]'")
from monai_distill.privacy.dp import GaussianEvent, PrivacyLedger
from monai_distill.privacy.dp.site_ledger import SiteLedger

FOUR = GaussianEvent("class sums", 4.0)


def site(folder: Path, **settings: Any) -> SiteLedger:
    values = {"epsilon": 2.0, "delta": 1e-5, "unit": "image", "patience": 0.1, **settings}
    return SiteLedger(folder / "site.json", **values)


def exact(sigma: float) -> float:
    """Epsilon of one Gaussian at delta 1e-5 (Balle and Wang, ICML 2018, theorem 8)."""

    def excess(epsilon: float) -> float:
        a, b = 1 / (2 * sigma), epsilon * sigma
        return float(norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b)) - 1e-5

    return float(brentq(excess, 1e-3, 50))


def test_runs_compose_like_gaussians(tmp_path: Path) -> None:
    site(tmp_path).enter("a", FOUR)
    site(tmp_path, epsilon=None).enter("b", FOUR)  # another process, later; the file knows the budget
    assert site(tmp_path).spent() == pytest.approx(exact(4 / 2**0.5), rel=0.01)
    written = json.loads((tmp_path / "site.json").read_text())
    assert list(written["runs"]) == ["a", "b"]
    assert written["spent"] == pytest.approx(site(tmp_path).spent())


def test_a_resumed_run_pays_once_and_cannot_change_its_event(tmp_path: Path) -> None:
    for _ in range(3):
        site(tmp_path).enter("a", FOUR)
    assert site(tmp_path).spent() == pytest.approx(exact(4.0), rel=0.01)
    with pytest.raises(RuntimeError, match=r"class sums.*other values"):
        site(tmp_path).enter("a", GaussianEvent("class sums", 5.0))


def test_an_excess_is_refused_and_the_rest_of_the_budget_is_exact(tmp_path: Path) -> None:
    site(tmp_path, epsilon=1.2).enter("a", FOUR)
    before = (tmp_path / "site.json").read_bytes()
    with pytest.raises(RuntimeError, match=r"beyond its budget of 1\.2 .* one more run of --epsilon 0\.[67]"):
        site(tmp_path, epsilon=None).check("b", [FOUR])
    with pytest.raises(RuntimeError, match="beyond its budget"):
        site(tmp_path, epsilon=None).enter("b", FOUR)
    assert (tmp_path / "site.json").read_bytes() == before
    left = site(tmp_path, epsilon=None).left()
    sigma = brentq(lambda s: exact(s) - left, 1, 50)
    assert (1 / 16 + 1 / sigma**2) ** -0.5 == pytest.approx(brentq(lambda s: exact(s) - 1.2, 1, 50), rel=0.01)
    site(tmp_path, epsilon=None).enter("b", GaussianEvent("class sums", 1.001 * sigma))
    with pytest.raises(RuntimeError, match="used up"):
        site(tmp_path, epsilon=None).check("c", [FOUR])


@pytest.mark.parametrize("other", [{"unit": "patient"}, {"delta": 1e-6}, {"epsilon": 3.0}])
def test_another_unit_delta_or_budget_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    site(tmp_path).enter("a", FOUR)
    with pytest.raises(RuntimeError, match="cannot be added up"):
        site(tmp_path, **other).enter("b", FOUR)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[:40], "Cannot read the ledger"),
        (lambda text: "[]", "Cannot read the ledger"),
        (lambda text: text.replace('"unit"', '"units"'), "Cannot read the ledger"),
        (lambda text: text.replace('"steps": 1', '"steps": 0'), "Cannot read the ledger"),
        (lambda text: text.replace("4.0", "40.0"), "edited"),
    ],
)
def test_a_damaged_or_edited_file_stops_the_run(tmp_path: Path, damage: Callable[[str], str], reason: str) -> None:
    site(tmp_path).enter("a", FOUR)
    file = tmp_path / "site.json"
    file.write_text(damage(file.read_text()))
    before = file.read_bytes()
    with pytest.raises(RuntimeError, match=reason):
        site(tmp_path).enter("b", FOUR)
    assert file.read_bytes() == before


def test_a_new_file_needs_a_budget_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--ledger_epsilon"):
        site(tmp_path, epsilon=None).check("a", [FOUR])
    with pytest.raises(ValueError, match="Make it"):
        site(tmp_path / "nowhere").check("a", [FOUR])
    site(tmp_path).check("a", [FOUR])
    assert not (tmp_path / "site.json").exists()  # checking records nothing


def test_a_locked_file_is_named(tmp_path: Path) -> None:
    with FileLock(tmp_path / "site.json.lock"), pytest.raises(RuntimeError, match="locked by another run"):
        site(tmp_path).enter("a", FOUR)
    site(tmp_path).enter("a", FOUR)


def test_simultaneous_runs_do_not_spend_the_same_budget(tmp_path: Path) -> None:
    def is_accepted(run: int) -> bool:
        try:
            site(tmp_path, epsilon=1.4, patience=60.0).enter(f"run {run}", FOUR)
        except RuntimeError as error:
            return "beyond its budget" not in str(error)
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(is_accepted, range(6))) == 2  # two cost 1.36, three 1.7
    assert site(tmp_path, epsilon=None).spent() <= 1.4


def test_a_run_charges_the_site_once_however_often_it_resumes(tmp_path: Path) -> None:
    def resumed() -> PrivacyLedger:
        return PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image", site=site(tmp_path))

    for _ in range(2):
        ledger = resumed()
        ledger.check([FOUR])
        ledger.enter(FOUR)
    runs = json.loads((tmp_path / "site.json").read_text())["runs"]
    assert [len(run["events"]) for run in runs.values()] == [1]
    assert list(runs) == [json.loads((tmp_path / "ledger.json").read_text())["run"]]
    (tmp_path / "site.json").unlink()  # the run ledger remembers what it charged
    resumed().enter(FOUR)
    assert not (tmp_path / "site.json").exists()


def test_a_copy_of_a_run_cannot_release_the_same_result(tmp_path: Path) -> None:
    def ledger(folder: str) -> PrivacyLedger:
        return PrivacyLedger(tmp_path / folder / "l.json", epsilon=1.0, delta=1e-5, unit="image", site=site(tmp_path))

    (tmp_path / "a").mkdir()
    ledger("a").enter(FOUR)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    ledger("b").require_not_released(FOUR)  # neither has released it
    ledger("a").mark_released(FOUR)
    with pytest.raises(RuntimeError, match="by this run or a copy of it"):
        ledger("b").require_not_released(FOUR)
    assert len(json.loads((tmp_path / "site.json").read_text())["runs"]) == 1


def test_a_run_stopped_between_the_two_files_is_charged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ledger() -> PrivacyLedger:
        return PrivacyLedger(tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image", site=site(tmp_path))

    with monkeypatch.context() as patch:
        first, enter = ledger(), SiteLedger.enter

        def stopped(self: SiteLedger, run: str, event: GaussianEvent) -> None:
            enter(self, run, event)
            raise KeyboardInterrupt

        patch.setattr(SiteLedger, "enter", stopped)
        with pytest.raises(KeyboardInterrupt):
            first.enter(FOUR)
    ledger().enter(FOUR)
    assert len(json.loads((tmp_path / "site.json").read_text())["runs"]) == 1


def test_the_site_refuses_before_the_run_records_anything(tmp_path: Path) -> None:
    site(tmp_path, epsilon=1.0).enter("a", FOUR)
    ledger = PrivacyLedger(
        tmp_path / "ledger.json", epsilon=1.0, delta=1e-5, unit="image", site=site(tmp_path, epsilon=None)
    )
    with pytest.raises(RuntimeError, match="beyond its budget"):
        ledger.check([FOUR])
    with pytest.raises(RuntimeError, match="beyond its budget"):
        ledger.enter(FOUR)
    assert not ledger.events


CHARGES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([2.0, 4.0, 8.0])), min_size=1, max_size=5)


def charged(ledger: SiteLedger, charges: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Enter an event per run and noise; return the accepted ones. A refusal must leave the file unchanged."""
    accepted = []
    for run, noise in charges:
        before = ledger.file.read_bytes() if ledger.file.exists() else None
        try:
            ledger.enter(run, GaussianEvent("class sums", noise))
        except RuntimeError:
            assert (ledger.file.read_bytes() if ledger.file.exists() else None) == before
            continue
        accepted.append((run, noise))
    return accepted


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHARGES, st.randoms(use_true_random=False))
def test_runs_in_any_order_have_the_same_sum_and_stay_within_the_budget(
    tmp_path: Path, charges: list[tuple[str, float]], random: Any
) -> None:
    ledgers = [SiteLedger(tmp_path / name, epsilon=3.0, delta=1e-5, unit="image") for name in ("one", "two")]
    for ledger in ledgers:
        ledger.file.unlink(missing_ok=True)
    accepted = charged(ledgers[0], charges)
    if accepted:
        charged(ledgers[1], random.sample(accepted, len(accepted)))
        assert ledgers[0].spent() == pytest.approx(ledgers[1].spent(), rel=1e-9)
        assert max(exact(noise) for _, noise in accepted) * (1 - 1e-2) <= ledgers[0].spent() <= 3.0 + 1e-6
