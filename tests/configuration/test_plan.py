"""The plan of a run: rules by properties, a cost that fits the time, and what is said of it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_distill.configuration.files import available, run_files
from monai_distill.configuration.plan import planner
from monai_distill.configuration.plan.cost import Workload, forecast
from monai_distill.configuration.plan.counting import Unit
from monai_distill.configuration.plan.facts import DataFacts, MachineFacts
from monai_distill.configuration.plan.fitting import fitted, given_up, total
from monai_distill.configuration.plan.plan import Plan
from monai_distill.configuration.plan.request import Request, ceilings
from monai_distill.configuration.plan.rules import EFFORTS, TUNED, base_settings, effort_settings, following_settings
from monai_distill.configuration.plan.text import plan_text
from monai_distill.configuration.plan.timing import Rates
from monai_distill.configuration.presets import preset_settings
from tests.configs.command import command, read

CPU = MachineFacts("cpu", "x86_64", 2**34, 2, 2**40)
QUICK = Unit(0.001, 0.001)
SECTIONS = {"train": slice(0, 800), "val": slice(800, 850), "test": slice(850, 900)}


def _facts(name: str = "scans", counts: tuple[int, ...] = (1214, 3494), *shape: int) -> DataFacts:
    return DataFacts(name, counts, 524, 624, shape or (1, 28, 28))


def _rates(**slower: float) -> Rates:
    units = {name: QUICK * slower.get(name, 1.0) for name in ("expert_image", "iteration", "student_step", "full_step")}
    return Rates(**units, predict=QUICK * 0.1, parameters=1000)


def _base(facts: DataFacts, method: str = "mtt", images_per_class: int = 1) -> dict[str, Any]:
    settings = base_settings(run_files("npz", "convnet", method), facts, images_per_class)
    return {name: choice.value for name, choice in settings.items()}


def test_data_like_the_tuned_set_get_its_settings_whatever_their_name() -> None:
    tuned = preset_settings(run_files("pneumoniamnist", "convnet", "mtt"), "pneumoniamnist", 1)
    chosen = _base(_facts())
    names = ("expert_batch_size", "expert_epochs", "max_start_epoch", "image_lr", "depth", "expert_lr")
    assert {name: chosen[name] for name in names} == {name: tuned[name] for name in names}


@pytest.mark.parametrize("name", TUNED)
@pytest.mark.parametrize("method", ["mtt", "dm", "dc"])
def test_tuned_sets_keep_their_presets(name: str, method: str) -> None:
    files = run_files(name, "convnet", method)
    preset = preset_settings(files, name, 1)
    settings = base_settings(files, _facts(name), 1)
    assert {key: choice.value for key, choice in settings.items()} == preset
    assert Request(name, method=method, settings={"dataset_dir": "."}).decides is (not preset)


def test_unknown_data_are_decided_and_known_or_borrowed_presets_are_not() -> None:
    assert Request("npz").decides
    assert not Request("npz", preset_of="mnist").decides
    assert not Request("npz", effort="published").decides
    assert Request("digits", effort="trial").decides
    assert not Request("npz", settings={"epsilon": 1.0}).decides


@pytest.mark.parametrize(("side", "depth"), [(28, 3), (32, 3), (64, 4), (128, 5), (224, 5), (12, 2)])
def test_depth_follows_from_the_size(side: int, depth: int) -> None:
    assert _base(_facts("scans", (3000, 3000), 1, side, side))["depth"] == depth


@pytest.mark.parametrize("images", [42, 544, 4648, 89996])
def test_a_segment_spans_about_as_many_expert_steps_whatever_the_number_of_images(images: int) -> None:
    chosen = _base(_facts("scans", (images // 2, images - images // 2)))
    steps = -(-images // chosen["expert_batch_size"])
    assert chosen["expert_epochs"] * steps >= 18
    assert chosen["expert_epochs"] * steps <= max(60, steps)
    assert chosen["max_start_epoch"] >= 2


def test_the_image_step_grows_with_the_pixels() -> None:
    small, large = (_base(_facts("scans", (3000, 3000), 1, side, side))["image_lr"] for side in (28, 56))
    assert large == pytest.approx(4 * small)


@pytest.mark.parametrize("method", [name for name in available("methods") if name not in ("datadam_paper", "dsa")])
@pytest.mark.parametrize("images_per_class", [1, 10])
def test_every_method_composes_with_the_rules(method: str, images_per_class: int) -> None:
    files = run_files("npz", "convnet", method)
    chosen = _base(_facts("scans", (300, 300, 300, 300), 3, 64, 64), method, images_per_class)
    chosen |= {name: choice.value for name, choice in following_settings(files, chosen, 100).items()}
    values = Request("npz", method=method, settings={"dataset_dir": ".", "dataset_file": "x.npz"}).composed(chosen)
    assert [name for name in chosen if chosen[name] is not None and values[name] != chosen[name]] == []


def test_forecast_counts_every_pass_over_the_images() -> None:
    work = Workload(1, 200, 50, 5, 100, 5, 100, 3, 1000, experts=8, expert_epochs=7, plateau=False)
    parts = forecast(work, _facts(), _rates())
    assert parts["experts"].cpu == pytest.approx(8 * 7 * 4708 * 0.001)
    assert parts["distillation"].cpu == pytest.approx(0.2)
    assert parts["validation"].cpu == pytest.approx(4 * 5 * (100 * 0.001 + 524 * 0.0001))
    scored = (2 * 5 + 1) * (100 * 0.001 + 624 * 0.0001) + 3 * (1000 * 0.001 + 624 * 0.0001)
    assert parts["scores"].cpu == pytest.approx(scored)


def test_forecast_counts_the_controls_of_canvases() -> None:
    """A score table with canvases has four rows of students; a candidate more costs one student a control."""
    plain, canvases = Workload(students=5), Workload(students=5, controls=3, candidates=1)
    assert (plain.scored_students, canvases.scored_students) == (2 * 5 + 1, 4 * 5)


@pytest.mark.parametrize("seconds", [40.0, 120.0, 600.0])
@pytest.mark.parametrize("slow", ["expert_image", "iteration", "full_step", "student_step"])
def test_a_fitted_run_ends_in_time_and_scores_in_a_third_of_it(seconds: float, slow: str) -> None:
    work = Workload(1, 300, 50, 3, 600, 5, 1000, 3, 1000, experts=8, expert_epochs=7)

    def cost(candidate: Workload) -> dict[str, Unit]:
        return forecast(candidate, _facts(), _rates(**{slow: 5.0, "full_step": 30.0}))

    fit = fitted(work, cost, seconds)
    assert total(cost(fit)) <= seconds or fit.iterations == 20
    assert cost(fit)["scores"].wall <= seconds / 3 or fit.students == 3
    assert given_up(work, fit) or total(cost(work)) <= seconds
    assert fitted(work, cost, 1e6) == work
    assert fitted(work, cost, 1e6, most=3.0).iterations == 3 * work.iterations
    assert fitted(work, cost, seconds, fixed={"iterations"}).iterations == 300


@pytest.mark.parametrize("experts", [0, 8])
@pytest.mark.parametrize("slow", ["expert_image", "iteration", "full_step", "student_step"])
def test_longer_runs_use_their_time_and_select_among_all_that_shorter_ones_saw(slow: str, experts: int) -> None:
    work = Workload(1, 1000, 50, 5, 600, 5, 1000, 3, 1000, experts=experts, expert_epochs=7)

    def cost(candidate: Workload) -> dict[str, Unit]:
        return forecast(candidate, _facts(), _rates(**{slow: 5.0, "full_step": 30.0}))

    fits = {seconds: fitted(work, cost, seconds, most=3.0) for seconds in (60.0, 150.0, 400.0, 1000.0)}
    for seconds, fit in fits.items():
        if given_up(work, fit):
            assert total(cost(fit)) > 0.75 * seconds, "nothing is given up while time is left"
            assert fit.iterations <= work.iterations, "and nothing is taken beyond that"
        else:
            assert total(cost(work)) <= seconds
    seen = [set(range(fit.validate_every, fit.iterations + 1, fit.validate_every)) for fit in fits.values()]
    assert all(shorter <= longer for shorter, longer in itertools.pairwise(seen))


@pytest.mark.parametrize(("images", "steps"), [(42, 200), (546, 250), (1280, 500), (4708, 1000), (89996, 1000)])
def test_a_network_on_all_images_takes_a_hundred_passes_at_most(images: int, steps: int) -> None:
    files = run_files("npz", "convnet", "dm")
    assert effort_settings(EFFORTS["standard"], files, CPU, 1, images)["full_steps"] == steps


def test_a_narrower_network_comes_before_a_handful_of_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """An iteration takes 10 s at width 32, so that 15 minutes allow 60 of them; at width 16 it takes a quarter."""

    def rates(values: dict[str, Any], banks: object, count: bool) -> Rates:
        return _rates(iteration=1e4 * (values["width"] / 32) ** 2)

    monkeypatch.setattr(planner, "timed_rates", rates)
    request = Request("digits", method="dm", effort="standard", settings={"device": "cpu"})
    plan = planner.make_plan(request, quick=False)
    assert plan.values["width"] == 16
    assert 100 <= plan.values["iterations"] < 500
    assert "width 16 of 32" in plan.given_up
    wide = planner.make_plan(dataclasses.replace(request, settings={"device": "cpu", "width": 32}), quick=False)
    assert wide.values["iterations"] < 100, "a given width stays"


def test_a_time_bounds_the_run_alone_unless_an_effort_is_given() -> None:
    short, long, trial = (  # the width of the network follows from the time
        ceilings(Request("npz", **words))
        for words in ({"minutes": 3.0}, {"minutes": 20.0}, {"minutes": 20.0, "effort": "trial"})
    )
    assert dataclasses.replace(short, width=long.width) == long
    assert trial == EFFORTS["trial"]


def _plan(**changes: Any) -> Plan:
    base: dict[str, Any] = {
        "request": Request("npz", settings={"dataset_dir": ".", "dataset_file": "x.npz"}),
        "data": _facts(),
        "machine": CPU,
        "settings": {},
        "given_up": ["iterations 20 of 300"],
        "parts": {"experts": Unit(600.0, 590.0), "scores": Unit(60.0, 60.0)},
    }
    return Plan(**{**base, **changes})


def test_the_text_names_data_machine_losses_and_the_end() -> None:
    text = plan_text(_plan(), now=datetime.datetime(2026, 1, 1, 12, 0))
    for part in ("4708 training images in 2 classes", "2 of ", "iterations 20 of 300", "11.0 min", "12:11"):
        assert part in " ".join(text.split())
    tomorrow = plan_text(_plan(), now=datetime.datetime(2026, 1, 1, 23, 55))
    assert "Fri 00:06" in tomorrow


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"effort": "much"}, "effort"),
        ({"effort": "published", "minutes": 3.0}, "published"),
        ({"effort": "trial", "preset_of": "mnist"}, "preset_of"),
        ({"minutes": 3.0, "settings": {"epsilon": 1.0}}, "epsilon"),
    ],
)
def test_requests_that_exclude_each_other_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Request("digits", **wrong)


SMALL = ("--width", "4", "--depth", "1", "--method", "dm", "--students", "1", "--full_students", "0")
SHORT = ("--iterations", "2", "--validation_steps", "1", "--evaluation_steps", "1", "--device", "cpu")


@pytest.mark.parametrize("method", ["ncfm", "idm", "mtt"])
def test_a_step_of_every_kind_is_timed(method: str) -> None:
    """NCFM trains experts and unrolls no student; IDM trains networks between its steps."""
    small = ("--width", "4", "--depth", "1", "--experts", "1") if method != "idm" else ("--width", "4", "--depth", "1")
    planned = command("plan", "--json", "--method", method, *small, "--iterations", "200000", "--device", "cpu")
    assert planned.code == 0, planned.err
    assert json.loads(planned.out)["forecast"]["cpu_seconds"]["distillation"] > 1


@pytest.mark.parametrize("factor", [1, 2])
def test_a_set_larger_than_the_images_that_are_timed_is_planned(
    factor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """256 images, 128 of every class, stand for all; the start takes 200 real images of every class."""
    labels = np.arange(900) % 2
    images = np.random.default_rng(0).integers(0, 255, (900, 8, 8), np.uint8)
    sections = {f"{name}_images": images[part] for name, part in SECTIONS.items()}
    np.savez(tmp_path / "scans.npz", **sections, **{f"{name}_labels": labels[part] for name, part in SECTIONS.items()})
    words = ("--dataset", "npz", "--dataset_dir", tmp_path, "--dataset_file", "scans.npz", "--method", "dm")
    words += ("--preset_of", "published", "--width", "4", "--depth", "1", "--factor", str(factor), "--device", "cpu")
    works: list[Workload] = []
    monkeypatch.setattr(planner, "forecast", lambda work, **rest: works.append(work) or forecast(work, **rest))
    planned = command("plan", *words, "--images_per_class", str(200 // factor**2), "--json")
    assert planned.code == 0, planned.err
    (work,) = works
    assert (work.images_per_class, work.controls, work.candidates) == (200, 1 if factor == 1 else 3, 1)
    assert json.loads(planned.out)["forecast"]["seconds"]["distillation"] > 0
    refused = command("plan", *words, "--images_per_class", "500", "--json")
    assert refused.code == 1
    assert "class 0 has 400" in refused.err


def test_the_command_plans_a_run_and_the_run_keeps_its_plan(tmp_path: Path) -> None:
    planned = command("plan", "--json", *SMALL, *SHORT, "--effort", "trial")
    content = json.loads(planned.out)
    assert content["data"]["counts"] == [107, 109, 106, 110, 109, 109, 109, 107, 104, 108]
    parts = {"start", "reading", "experts", "distillation", "validation", "scores"}
    assert set(content["forecast"]["seconds"]) == parts
    assert all(value >= 0 for value in content["forecast"]["cpu_seconds"].values())
    assert "iterations" not in content["settings"], "given settings are not chosen"
    folder = tmp_path / "run"
    outcome = command("run", "--output_dir", folder, *SMALL, *SHORT, "--minutes", "5")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Data ")
    assert "Forecast " in outcome.out.splitlines()[-2], "the forecast next to the time that it took"
    plan = read(folder, "plan.json")
    assert read(folder, "config.json")["validation_students"] == plan["settings"]["validation_students"]["value"]
    assert read(folder, "scores.json")["cost"]["forecast"] == plan["forecast"]


def test_a_time_that_is_too_short_is_refused_with_the_time_it_takes() -> None:
    outcome = command("plan", "--minutes", "0.001", "--device", "cpu", "--width", "4", "--method", "dm")
    assert outcome.code == 1
    assert "minutes" in outcome.err


def test_settings_of_a_file_are_taken_and_others_win(tmp_path: Path) -> None:
    file = tmp_path / "tuned.json"
    file.write_text(json.dumps({"settings": {"iterations": 7, "base_image_lr": 2.0}}))
    outcome = command("run", "--no_plan", "--dry_run", "--method", "dm", "--settings", file, "--iterations", "5")
    assert "--iterations 5" in outcome.out
    assert "--base_image_lr 2.0" in outcome.out
    file.write_text("[]")
    assert "settings" in command("run", "--settings", file).err
