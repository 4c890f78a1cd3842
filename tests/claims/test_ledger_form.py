"""The form of a ledger is that of the ledgers that runs write."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_distill.claims.ledger_form import ledger_form_problems
from monai_distill.export.release.tier import bounds
from monai_distill.privacy.dp import GaussianEvent, PrivacyLedger
from monai_distill.privacy.dp.class_release import PURPOSE
from monai_distill.privacy.dp.site_ledger import SiteLedger

pytest.importorskip("dp_accounting")


@pytest.mark.parametrize(
    "events",
    [
        [GaussianEvent("prototypes", 8.0, 1.0, 4), GaussianEvent(PURPOSE, 4.0)],
        [GaussianEvent("DP-SGD of network 12", 2.0, 0.05, 20)],
    ],
    ids=["sums", "experts"],
)
def test_a_ledger_of_a_run_has_the_form(events: list[GaussianEvent], tmp_path: Path) -> None:
    site = SiteLedger(tmp_path / "site.json", epsilon=9.0, delta=1e-5, unit="patient")
    ledger = PrivacyLedger(None, epsilon=8.0, delta=1e-5, unit="patient", site=site)
    for event in events:
        ledger.enter(event)
        ledger.mark_released(event)
    ledger.bind_set("ab")
    content = json.loads(json.dumps(ledger.to_dict()))
    assert list(ledger_form_problems(content, ledger.statement(), bounds(8.0, 1e-5))) == []
    content["events"][0]["purpose"] = "certified"
    assert any("no run writes" in problem for problem in ledger_form_problems(content, ledger.statement(), {}))
