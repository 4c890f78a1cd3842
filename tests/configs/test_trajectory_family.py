"""Every method of the trajectory family, from its configuration: presets, resumes, shared experts, refusals."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from safetensors import safe_open

from monai_distill.configuration.files import available, run_files
from monai_distill.data import SegmentSampler, StartEpochs, SyntheticDataset, TrajectoryStore
from monai_distill.engines.experts.datm_soft_labels import expert_labels
from monai_distill.engines.experts.expert_plan import epochs_needed
from tests.configs.command import FAST, command, fast_run, read
from tests.configs.conftest import families_of
from tests.configs.presets import resolved, tables

METHODS = [name for name in available("methods") if "trajectory" in families_of(name)]
SMALL = {"width": 4, "depth": 1, "experts": 2, "expert_epochs": 1, "student_steps": 3, "validate_every": 3}
# the names that a preset of the method may set, and does somewhere
PRESET = {
    method: {
        name
        for table in tables(method)
        for presets in table.values()
        if isinstance(presets, dict)
        for preset in presets.values()
        for name in preset
        if name != "like"
    }
    | {"gate", "min_start_epoch", "first_max_start_epoch", "ramp_iterations"}
    for method in METHODS
}
ONCE = ("--max_start_epoch", "2", "--expert_epochs", "1")  # windows with room for a ramp
# tiny experts get little right, which the configured fallback says
pytestmark = pytest.mark.filterwarnings("ignore:The experts classify too few", "ignore:No iteration of epoch")


def presets(method: str) -> Iterator[tuple[str, int]]:
    """Every data set and number of images per class that has settings of its own, and one that has none."""
    own, shared = tables(method)
    yield "folder", 1
    for dataset in sorted({*own, *shared} - {"default"}):
        numbers = {
            int(n) for part in (own, shared) for n in (part.get(dataset) or {}) if isinstance(part[dataset], dict)
        }
        yield from ((dataset, number) for number in sorted(numbers or {1}))


def shrunk(preset: dict[str, Any]) -> dict[str, Any]:
    """The preset at smoke size: every branch that it takes is still taken."""
    small = {**preset, **SMALL}
    small["min_start_epoch"] = min(preset["min_start_epoch"], 1)
    small["first_max_start_epoch"] = None if preset["first_max_start_epoch"] is None else 2
    small["max_start_epoch"] = 3 if small["first_max_start_epoch"] else 2
    small["min_expert_epochs"] = 4 if preset["min_expert_epochs"] else 0
    if "schedule" in preset:
        small["schedule"] = {**preset["schedule"], "add_end": 1, "first_removal": 1, "second_removal": 2}
    return small


def all_presets() -> list[tuple[str, str, int]]:
    return [(method, *which) for method in METHODS for which in presets(method)]


def kind(value: Any) -> Any:
    """Numbers of one sign and type are of one kind: a branch asks no more of a rate or a size."""
    return [type(value).__name__, value > 0] if type(value) in (int, float) else value


def distinct_presets() -> list[tuple[str, str, int]]:
    """One of all those that take the same branches; a test of every preset checks the values."""
    found = {}
    for method, dataset, number in all_presets():
        small = shrunk(resolved(method, dataset, number))
        key = json.dumps([method, {name: kind(small[name]) for name in PRESET[method]}], sort_keys=True)
        found.setdefault(key, (method, dataset, number))
    return list(found.values())


def parsed(method: str, folder: Path, **values: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(file) for file in run_files("digits", "convnet", method).all])
    for name, value in {"output_dir": str(folder), "device": "cpu", "experts_at_once": 2, **values}.items():
        parser[name] = value
    return parser


def distilled(parser: ConfigParser) -> Any:
    """Train the experts and distil; returns the engine."""
    parser.get_parsed_content("prepare_objective")()
    trainer = parser.get_parsed_content("train#trainer")
    trainer.run()
    return trainer


@pytest.mark.parametrize(("method", "dataset", "number"), all_presets())
def test_a_preset_asks_for_epochs_that_its_experts_have(method: str, dataset: str, number: int, tmp_path: Path) -> None:
    p = resolved(method, dataset, number)
    epochs = epochs_needed(p["max_start_epoch"], p["expert_epochs"], p["min_expert_epochs"])
    store = TrajectoryStore(tmp_path, {}, experts=1, snapshots=epochs + 1, parameters=1)
    names = ("min_start_epoch", "max_start_epoch", "first_max_start_epoch", "ramp_iterations")
    window = StartEpochs(**{name: p[name] for name in names})
    SegmentSampler(store, window, expert_epochs=p["expert_epochs"], seed=0)  # refuses a store without those epochs
    assert window.bound(p["iterations"]) == p["max_start_epoch"]
    for name in PRESET[method] - {"min_start_epoch", "min_expert_epochs", "ramp_iterations", "mask_ratio", "zca"}:
        assert not isinstance(p[name], float | int) or p[name] > 0, name
    assert not isinstance(p["image_lr"], str)  # YAML reads 1e3 as text


@pytest.mark.parametrize(("method", "dataset", "number"), distinct_presets())
def test_every_preset_runs_three_iterations(method: str, dataset: str, number: int, tmp_path: Path) -> None:
    small = shrunk(resolved(method, dataset, number)) | {"iterations": 3, "validation_steps": 2}
    preset = {name: small[name] for name in PRESET[method] | SMALL.keys()}
    trainer = distilled(
        parsed(method, tmp_path / "run", **preset, difficulty_epochs=1, validation_students=1, images_per_class=2)
    )
    assert trainer.state.iteration == 3
    assert trainer.limits.gate == preset["gate"]
    assert all(bool(torch.isfinite(value).all()) for value in trainer.synthetic.state_dict().values())


SAME_SIZE = {**SMALL, "validate_every": 2, "max_start_epoch": 2, "iterations": 6, "validation_students": 1}
SMOKE = {**SAME_SIZE, "validation_steps": 2, "images_per_class": 2, "ramp_iterations": 0, "first_max_start_epoch": None}
STATEFUL = {
    "ftd": {"average_decay": 0.9},
    "datm": {"ramp_iterations": 3, "first_max_start_epoch": 1, "gate": 1.5},
    "pad": {"difficulty_epochs": 1, "gate": 2.0},
    "hoptm": {"mask_base": 1e-6, "mask_every": 2},
    "tesla": {"teacher_labels": True},
    "att": {"average_decay": 0.9},
}


@pytest.mark.parametrize("method", STATEFUL)
def test_a_run_interrupted_at_any_place_ends_as_one_that_was_not(method: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {**SMOKE, **STATEFUL[method]}

    def outcome(parser: ConfigParser) -> list[torch.Tensor]:
        sets = [parser.get_parsed_content(name).state_dict() for name in ("synthetic", "candidate")]
        best = parser.get_parsed_content("best").state_dict()["best_state"]
        mask = [parser.get_parsed_content("loss").mask] if method == "hoptm" else []
        return [tensor.clone() for part in (*sets, best) for tensor in part.values()] + mask

    whole = parsed(method, tmp_path / "whole", **values)
    distilled(whole)

    def stop(engine: Engine) -> None:
        raise InterruptedError

    first = parsed(method, tmp_path / "cut", **values)
    first.get_parsed_content("prepare_objective")()
    trainer = first.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), stop)
    with pytest.raises(InterruptedError):
        trainer.run()
    resumed = parsed(method, tmp_path / "cut", resume=True, **values)
    engine = distilled(resumed)
    assert engine.state.iteration == 6
    found, expected = outcome(resumed), outcome(whole)
    assert len(found) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    if method == "hoptm":
        assert 0 < int(expected[-1].sum()) < len(expected[-1])


def test_images_learning_rate_and_labels_have_a_rate_and_a_momentum_of_their_own(tmp_path: Path) -> None:
    rates = {"image_lr": 7.0, "student_lr_lr": 1e-6, "label_lr": 3.0}
    parser = parsed("datm", tmp_path, **SMOKE, **rates)
    parser.get_parsed_content("prepare_objective")()
    groups = parser.get_parsed_content("optimizer").param_groups
    named = parser.get_parsed_content("synthetic").named_parameters()
    found = {
        name: [(g["lr"], g["momentum"], g["weight_decay"]) for g in groups if any(p is own for own in g["params"])]
        for name, p in named
    }
    assert found == {"images": [(7.0, 0.5, 0)], "student_lr": [(1e-6, 0.5, 0)], "label_logits": [(3.0, 0.9, 0)]}


@pytest.mark.parametrize("method", ["ftd", "att"])
def test_the_average_is_what_is_validated_and_released(method: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = fast_run(run, "--method", method, "--average_decay", "0.999999", "--image_lr", "1e4")
    assert outcome.code == 0, outcome.err
    parser = parsed(method, tmp_path / "other", width=4, depth=1)
    start = parser.get_parsed_content("start")[0]
    released = SyntheticDataset.load(run)
    torch.testing.assert_close(released.images.detach(), start, rtol=0, atol=1e-2)
    state = torch.load(run / "state.pt", weights_only=True)
    assert float((state["synthetic"]["images"] - start).abs().max()) > 0.1


@pytest.mark.parametrize("method", ["datm", "pad"])
def test_learned_labels_are_released_as_logits_of_the_right_class(method: str, tmp_path: Path) -> None:
    words = (
        "--first_max_start_epoch",
        "1",
        "--label_lr",
        "0",
        *(("--difficulty_epochs", "1") * (method == "pad")),
    )
    outcome = fast_run(tmp_path / "run", "--method", method, *words)
    assert outcome.code == 0, outcome.err
    released = SyntheticDataset.load(tmp_path / "run")
    assert released.soft
    assert torch.equal(released.label_logits.argmax(1), released.labels)
    assert read(tmp_path / "run", "manifest.json")["initial_images"] == "correct"


def test_a_teacher_s_labels_are_released_as_it_sees_the_released_images(tmp_path: Path) -> None:
    words = ("--method", "tesla", "--teacher_labels", "true", "--image_lr", "1e4")
    outcome = fast_run(tmp_path / "run", *words)
    assert outcome.code == 0, outcome.err
    released = SyntheticDataset.load(tmp_path / "run")
    parser = ConfigParser()
    parser.read_config(str(tmp_path / "run" / "config.json"))
    network, store = (parser.get_parsed_content(name) for name in ("network", "store"))
    expected = expert_labels(network, store, released.images.detach(), released.labels)
    torch.testing.assert_close(released.label_logits.detach(), expected, rtol=1e-4, atol=1e-5)
    start = expert_labels(network, store, *parser.get_parsed_content("start"))
    assert float((start - expected).abs().max()) > 1e-3


def test_the_difficulty_of_the_released_program_is_one_name_away(tmp_path: Path) -> None:
    assert resolved("pad", "cifar10", 10)["difficulty_score"] == "GraNd"
    recipes = []
    for score in ("GraNd", "EL2N"):
        parser = parsed("pad", tmp_path, difficulty_score=score, difficulty_epochs=1, width=4, depth=1)
        recipes.append(parser.get_parsed_content("expert_recipe")["curriculum"]["difficulty"]["score"])
        assert len(parser.get_parsed_content("curriculum")(0)) < len(parser.get_parsed_content("data").training)
    assert recipes == ["GraNd", "EL2N"]


@pytest.mark.parametrize("method", ["mtt", "pad"])
def test_balanced_experts_see_as_many_images_of_every_class(method: str, tmp_path: Path) -> None:
    one = {"width": 4, "depth": 1, **({"difficulty_epochs": 1} if method == "pad" else {})}
    plain, balanced = (parsed(method, tmp_path, balanced_experts=flag, **one) for flag in (False, True))
    labels = balanced.get_parsed_content("data").training.labels
    seen = balanced.get_parsed_content("seen_images")(0)
    assert torch.bincount(labels[seen]).unique().numel() == 1
    given = plain.get_parsed_content("seen_images")
    expected = len(labels) if given is None else len(given(0))
    assert 0 <= len(seen) - expected < 10
    assert balanced.config["expert_trainer"]["protocol"]["curriculum"] == "@seen_images"
    jobs = [parser.get_parsed_content("expert_job")["recipe"] for parser in (plain, balanced)]
    assert jobs[1] == {**jobs[0], "balanced": True}


def test_the_two_masks_are_one_switch(tmp_path: Path) -> None:
    size = 1000
    for name, kept in (("depth", None), ("loss", size // 2)):
        parser = parsed("pad", tmp_path, mask_by=name, mask_ratio=0.5, width=4, depth=1)
        mask = parser.get_parsed_content("loss").mask
        total = parser.get_parsed_content("network").size if kept is None else size
        state = torch.arange(float(total))
        found = mask(state, type("Piece", (), {"target": torch.zeros(total)}))
        assert int(found.sum()) == (kept if kept is not None else 4 * 4 * 4 * 10 + 10)  # the classifier alone


def test_a_window_beyond_the_experts_end_is_refused(tmp_path: Path) -> None:
    outcome = fast_run(tmp_path / "run", "--method", "datm", "--first_max_start_epoch", "3", "--max_start_epoch", "2")
    assert outcome.code == 1
    assert "first_max_start_epoch <= max_start_epoch" in outcome.err
    outcome = fast_run(tmp_path / "other", "--method", "mtt", "--expert_train_epochs", "1", *ONCE)
    assert outcome.code == 1
    assert "Train the experts for at least 2 epochs" in outcome.err


def test_compiled_steps_are_a_word_and_a_network_they_would_be_wrong_for_is_refused_before_experts_are_trained(
    tmp_path: Path,
) -> None:
    parser = parsed("mtt", tmp_path, compile_distillation=True, width=4, depth=1)
    matching = parser.get_parsed_content("matching")
    assert matching.derivatives.compiled is True
    assert matching.memory.chunk == 1
    outcome = fast_run(tmp_path / "dry", "--compile_distillation", "reduce-overhead", "--dry_run")
    assert (outcome.code, "--compile_distillation reduce-overhead" in outcome.out) == (0, True)
    parser = parsed("mtt", tmp_path, compile_distillation="reduce-overhead", width=4, depth=1)
    assert parser.get_parsed_content("matching").derivatives.compiled == "reduce-overhead"
    outcome = fast_run(tmp_path / "run", "--network", "vit", "--width", "8", "--compile_distillation", "true")
    assert outcome.code == 1
    assert "forward derivative PyTorch can differentiate" in outcome.err
    assert not (tmp_path / "run" / "experts").exists()


def test_experts_of_another_recipe_are_refused_and_of_the_same_shared(tmp_path: Path) -> None:
    experts = tmp_path / "experts"
    assert fast_run(tmp_path / "mtt", "--expert_dir", experts).code == 0
    before = (experts / "trajectories.f32").stat().st_mtime_ns
    assert fast_run(tmp_path / "tesla", "--method", "tesla", "--expert_dir", experts).code == 0
    assert (experts / "trajectories.f32").stat().st_mtime_ns == before
    outcome = fast_run(tmp_path / "ftd", "--method", "ftd", "--expert_dir", experts)
    assert outcome.code == 1
    assert re.search(r"made by another job \(recipe \w+: stored null, requested .*flat", outcome.err)


def test_a_preset_of_another_kind_of_image_runs_on_what_the_data_are(tmp_path: Path) -> None:
    words = ("--preset_of", "cifar10", "--zca", "true")  # settings of color images, whitened
    outcome = fast_run(tmp_path / "run", "--method", "ftd", *words)
    assert outcome.code == 0, outcome.err
    manifest = read(tmp_path / "run", "manifest.json")
    assert manifest["preprocessing"]["_target_"].endswith("ZCAWhitening")
    assert manifest["settings"]["method"]["average_decay"] == 0.9999


def test_a_class_that_no_expert_gets_right_is_told_and_never_nan(tmp_path: Path) -> None:
    parser = parsed("datm", tmp_path, **{**SMOKE, "expert_lr": 1e-6, "gate": None})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.warns(UserWarning, match="classify too few images correctly of"):
            trainer = distilled(parser)
    start = parser.get_parsed_content("initial_labels")
    assert torch.equal(start.argmax(1), trainer.synthetic.labels)
    assert all(bool(torch.isfinite(value).all()) for value in trainer.synthetic.state_dict().values())


def test_compare_runs_shares_experts_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("compare", "--output_dir", out, *FAST)
    one = command(*words, "--methods", "tesla,random")
    assert one.code == 0, one.err
    outcome = command(*words, "--methods", "mtt,tesla,hoptm,ftd,random")
    assert outcome.code == 0, outcome.err
    assert len(list((out / "experts").iterdir())) == 2  # plain and flat
    titles = [line.split("|")[1].strip() for line in (out / "compare.md").read_text().splitlines()[2:]]
    assert titles[:4] == ["mtt", "tesla", "hoptm", "ftd"]
    assert titles[4:] == ["as many random real images", "all training images", "most frequent class"]
    rows = [read(out / method, "scores.json")["full"] for method in ("mtt", "tesla", "hoptm", "ftd")]
    assert rows[1:] == rows[:-1]
    jobs = [json.loads(safe_open(file, "pt").metadata()["job"]) for file in (out / "controls").iterdir()]
    assert sum(len(job["seeds"]) == 2 for job in jobs) == 5  # a distilled row per method, one of all images for all
    assert {"compare.csv", "compare.png"} <= {path.name for path in out.iterdir()}
    log = (out / "run.log").read_text()
    counted = [log.count(text) for text in ("$ monai-distill compare", "images read", one.out, outcome.out)]
    assert counted == [2, 4, 1, 1]
    parts = [(out / method / "run.log").read_text() for method in ("mtt", "tesla", "hoptm", "ftd")]
    assert [part.count("images read") for part in parts] == [1, 1, 1, 1]
    assert all(f"--output_dir {out}" in part for part in parts)
    for bad, says in (("mtt,mmt", "mmt"), ("random", "at least one method")):
        refused = command(*words, "--methods", bad)
        assert refused.code == 1
        assert says in refused.err
