"""The command as a user meets it: what a run leaves, repeats, refuses, and survives."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from fire.parser import DefaultParseValue

from monai_distill import cli
from monai_distill.cli.main import parser
from monai_distill.configuration import files
from monai_distill.configuration.composition import bundle_line
from monai_distill.configuration.files import available, config_dir
from monai_distill.configuration.overrides import parsed_overrides
from monai_distill.data import SyntheticDataset, TrajectoryStore
from monai_distill.engines.students import StudentTraining
from monai_distill.handlers import BestSynthetic
from tests.configs.command import FAST, command, contents, fast_run, read

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")
JOB = ("--experts_at_once", "1", "--seed", "3")
CHILD = """
import sys, time
from pathlib import Path
from monai_distill import cli
from monai_distill.engines import distillation as engines

reached, go = Path(sys.argv[1]), Path(sys.argv[2])
plain = engines.TrajectoryMatching.__call__

def pausing(self, synthetic, draw):
    if draw[0].iteration == 2:  # the third
        reached.touch()
        while not go.exists():
            time.sleep(0.01)
    return plain(self, synthetic, draw)

engines.TrajectoryMatching.__call__ = pausing
sys.exit(cli.main(sys.argv[3:]))
"""


def random_states() -> tuple[Any, ...]:
    return random.getstate(), np.random.get_state()[1].tobytes(), torch.random.get_rng_state().tolist()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    before = random_states()
    outcome = fast_run(folder, *JOB)
    assert (outcome.code, outcome.err) == (0, "")
    assert random_states() == before, "a global random state changed"
    (folder.parent / "printed").write_text(outcome.out)
    return folder


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    """A copy of that folder to do anything with."""
    for name, data in contents(whole).items():
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(data)
    return tmp_path / "run"


def same_result(first: Path, second: Path) -> None:
    for name in ("synthetic.safetensors", "history.json", "experts/trajectories.f32"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    scores = [read(folder, "scores.json") for folder in (first, second)]
    assert all(row.pop("cost")["seconds"]["distillation"] > 0 for row in scores)
    assert scores[0] == scores[1]


def without_cost(folder: Path) -> dict[str, bytes]:
    """Every file but those that hold nothing except how long something took."""
    return {name: data for name, data in contents(folder).items() if not name.endswith("cost.json")}


# ---- what a run leaves


def test_a_run_leaves_every_file_and_nothing_half_written(whole: Path) -> None:
    names = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("tensorboard/events.out.tfevents")}
    assert len(events) == 1
    predictions = {name for name in names if re.fullmatch(r"controls/[0-9a-f]{16}\.safetensors", name)}
    assert len(predictions) == 4  # distilled, two draws, full; the learned learning rate is next to the given one
    assert names - events - predictions == {
        "config.json",
        "cost.json",
        "curves.png",
        "experts/cost.json",
        "experts/manifest.json",
        "experts/trajectories.f32",
        "grid.png",
        "history.json",
        "manifest.json",
        "report.html",
        "run.log",
        "scores.json",
        "state.pt",
        "synthetic.safetensors",
    }


def test_it_prints_the_table_of_its_scores_and_its_folder(whole: Path) -> None:
    lines = (whole.parent / "printed").read_text().splitlines()
    assert lines[-1] == f"Run folder: {whole}"
    for row, title in (
        ("distilled", "distilled images"),
        ("random", "as many random real images"),
        ("full", "all training images"),
    ):
        (line,) = [line for line in lines if line.startswith(f"| {title}")]
        accuracy = read(whole, "scores.json")[row]["accuracy"]
        assert f"{accuracy['mean']:.3f} ± {accuracy['std']:.3f}" in line
    assert any(line.startswith("| most frequent class") for line in lines)


def test_scores_have_the_promised_structure(whole: Path) -> None:
    scores = read(whole, "scores.json")
    assert (scores["dataset"], scores["method"], scores["images_per_class"]) == ("digits", "mtt", 1)
    assert scores["network"]["_target_"].endswith("ConvNet")
    assert (scores["network"]["width"], scores["network"]["depth"]) == (4, 1)
    assert scores["seeds"] == {"run": 3, "students": 2}
    assert scores["protocol"]["students"]["steps"] == scores["protocol"]["full"]["steps"] == 3
    for row in ("distilled", "random", "full"):
        for metric in METRICS:
            values = scores[row][metric]["values"]
            assert len(values) == 2
            assert all(0 <= value <= 1 for value in values)
            assert scores[row][metric]["mean"] == pytest.approx(np.mean(values))
            assert scores[row][metric]["std"] == pytest.approx(np.std(values, ddof=1))
    assert scores["prior"] == {"accuracy": pytest.approx(36 / 357)}


def test_the_cost_says_where_the_time_went_and_the_peak_of_the_memory(whole: Path) -> None:
    cost = read(whole, "scores.json")["cost"]
    assert list(cost["seconds"]) == ["experts", "distillation", "validation", "scores", "other"]
    assert all(value > 0 for value in cost["seconds"].values())
    assert 50 < cost["peak_memory_mib"] < 2**17
    assert cost["memory_of"] == "process"


def test_the_manifest_tells_another_person_everything(whole: Path) -> None:
    manifest, scores = read(whole, "manifest.json"), read(whole, "scores.json")
    for name in ("dataset", "method", "images_per_class", "network", "seeds", "protocol", "source", "settings"):
        assert manifest[name] == scores[name], name
    assert manifest["settings"]["method"]["student_steps"] == 2
    assert manifest["class_names"] == [str(i) for i in range(10)]
    assert manifest["source"]["license"] == "CC BY 4.0"
    assert len(manifest["source"]["training_sha256"]) == 64
    assert manifest["chosen_iteration"] in (2, 4)
    assert manifest["versions"].keys() >= {"monai_distill", "torch", "monai"}
    assert SyntheticDataset.load(whole)[9]["class_name"] == "9"


def test_history_has_every_iteration_and_every_validation(whole: Path) -> None:
    history = read(whole, "history.json")
    assert [row["iteration"] for row in history["iterations"]] == [1, 2, 3, 4]
    assert [row["iteration"] for row in history["validations"]] == [2, 4]
    assert set(history["validations"][0]) == {"iteration", *METRICS}
    best = max(history["validations"], key=lambda row: row["balanced_accuracy"])
    assert read(whole, "manifest.json")["chosen_iteration"] == best["iteration"]


def test_the_set_that_was_best_on_validation_is_saved_and_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = BestSynthetic._compare

    def ever_worse(best: BestSynthetic, engine: Any) -> None:
        engine.state.metrics["balanced_accuracy"] = 1 / engine.state.epoch
        plain(best, engine)

    monkeypatch.setattr(BestSynthetic, "_compare", ever_worse)
    assert fast_run(tmp_path / "run", *JOB).code == 0
    saved, state = SyntheticDataset.load(tmp_path / "run"), torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert saved.manifest["chosen_iteration"] == 2
    assert torch.equal(saved.images, state["best"]["best_state"]["images"])
    assert not torch.equal(saved.images, state["synthetic"]["images"])


def test_the_state_needs_no_pickled_code(whole: Path) -> None:
    state = torch.load(whole / "state.pt", weights_only=True)
    assert {"job", "synthetic", "optimizer", "best", "history", "trainer"} == set(state)


# ---- repeating it


def test_the_same_seed_in_another_folder_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    assert fast_run(tmp_path / "again", *JOB).code == 0
    same_result(whole, tmp_path / "again")


def test_another_seed_gives_another_set(whole: Path, tmp_path: Path) -> None:
    assert fast_run(tmp_path / "other", *JOB, "--seed", "4").code == 0
    sets = [SyntheticDataset.load(folder) for folder in (whole, tmp_path / "other")]
    assert not torch.equal(sets[0].images, sets[1].images)
    assert read(tmp_path / "other", "scores.json")["seeds"]["run"] == 4


def test_a_finished_run_is_refused_and_nothing_in_it_changes(copied: Path) -> None:
    before = contents(copied)
    outcome = fast_run(copied, "--seed", "5")
    assert outcome.code == 1
    assert outcome.err.startswith(f"monai-distill: error: {copied} holds a finished run. Give another output_dir")
    assert contents(copied) == before


def test_an_unfinished_run_is_refused_with_the_command_to_resume_it_and_nothing_in_it_changes(copied: Path) -> None:
    (copied / "scores.json").unlink()
    before = contents(copied)
    outcome = fast_run(copied, "--seed", "5")
    assert outcome.code == 1
    assert f"monai-distill resume {copied}" in outcome.err
    assert contents(copied) == before


def test_run_takes_no_resume_which_would_write_its_settings_over_those_of_the_run(copied: Path) -> None:
    (copied / "scores.json").unlink()
    before = contents(copied)
    outcome = fast_run(copied, "--seed", "5", "--resume", "true")
    assert (outcome.code, contents(copied)) == (1, before)
    assert f"Expected no --resume for `run`, got True. Go on with: monai-distill resume {copied}" in outcome.err


def test_evaluate_writes_the_same_scores_again_and_nothing_else(whole: Path, copied: Path) -> None:
    (copied / "scores.json").unlink()
    shutil.rmtree(copied / "controls")  # so that students are trained again
    outcome = command("evaluate", copied)
    assert outcome.code == 0, outcome.err
    printed = (whole.parent / "printed").read_text()
    assert outcome.out.splitlines()[:-1] == printed.splitlines()[:-1]
    same_result(whole, copied)
    before, after = without_cost(whole), without_cost(copied)
    for name in ("scores.json", "report.html"):  # both hold the seconds
        assert before.pop(name)
        assert after.pop(name)
    assert after.keys() == before.keys()  # predictions are stored with the seconds that they took
    assert all(after[name] == before[name] for name in before if not name.startswith("controls/"))
    parts = [read(folder, "scores.json")["cost"]["seconds"] for folder in (whole, copied)]
    assert parts[1]["distillation"] == parts[0]["distillation"]


def test_profile_also_prints_where_the_time_went(copied: Path) -> None:
    outcome = command("resume", copied, "--profile")
    cost = read(copied, "scores.json")["cost"]
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("| distillation")]
    assert line.split("|")[2].strip() == f"{cost['seconds']['distillation']:.1f}"
    assert f"Peak memory: {cost['peak_memory_mib']:.0f} MiB (process)" in outcome.out


def test_evaluating_again_trains_no_student(whole: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(StudentTraining, "__call__")
    outcome = command("evaluate", copied)
    assert outcome.code == 0, outcome.err
    same_result(whole, copied)
    kept = [{n: data for n, data in contents(f).items() if n.startswith("controls/")} for f in (whole, copied)]
    assert kept[0] == kept[1] != {}


def test_resuming_a_finished_run_changes_no_result(whole: Path, copied: Path) -> None:
    assert command("resume", copied).code == 0
    same_result(whole, copied)


@pytest.mark.parametrize("word", ["evaluate", "resume"])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, word: str) -> None:
    outcome = command(word, tmp_path / "nowhere")
    assert outcome.code == 1
    assert outcome.err == (
        f"monai-distill: error: Cannot find {tmp_path / 'nowhere' / 'config.json'}. Give the folder of a run.\n"
    )


def test_evaluate_takes_no_settings(copied: Path) -> None:
    outcome = command("evaluate", copied, "--width", "3")
    assert outcome.code == 1
    assert "Settings are given to `run`" in outcome.err


# ---- choosing and overriding


def test_list_names_every_file_of_the_configurations_without_loading_torch() -> None:
    program = "import sys; from monai_distill.cli import main; main(['list']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "False"
    heads = [line.split(" ")[0] for line in lines if line[0] not in " SF"]
    assert heads == ["datasets", "methods", "networks"]
    listed = dict(line.split(maxsplit=1) for line in lines if line.startswith("  "))  # each says what it is
    assert list(listed) == [name for kind in heads for name in available(kind)]
    assert {"bloodmnist", "digits", "table", "tissuemnist"} < set(listed)
    assert listed["bloodmnist"].endswith("blood cells under the microscope, 8 classes")
    assert listed["mtt"].endswith("CVPR 2022")


def test_list_shows_the_settings_of_a_choice_with_their_values_and_every_one_can_be_given(tmp_path: Path) -> None:
    outcome = command("list", "--method", "datm", "--dataset", "table")
    assert outcome.code == 0
    shown = dict(line.split("  # ")[0].removeprefix("  --").split(" ", 1) for line in outcome.out.splitlines()[1:])
    assert shown["validation_students"] == "5"
    assert shown["image_size"] == "[64, 64]"
    assert shown["initial_images"] == "correct"
    assert shown["student_steps"].isdecimal()  # of the preset
    words = [word for name, value in shown.items() for word in (f"--{name}", value)]
    given = command(
        "run",
        "--method",
        "datm",
        "--dataset",
        "table",
        "--dataset_dir",
        tmp_path,
        "--dry_run",
        *words,
        "--preset_of",
        "published",
    )
    assert given.code == 0, given.err


@pytest.mark.parametrize("method", available("methods"))
def test_list_shows_the_settings_of_every_method(method: str) -> None:
    outcome = command("list", "--method", method, "--dataset", "mnist")
    shown = [line.split()[0] for line in outcome.out.splitlines() if line.startswith("  --")]
    assert (outcome.code, outcome.err) == (0, "")
    assert "--width" in shown
    assert ("--iterations" in shown) == (method not in ("dc", "dsa"))  # networks times outer steps there


def test_list_shows_a_networks_own_width_and_no_depth_that_it_does_not_take() -> None:
    lines = command("list", "--network", "vgg11").out.splitlines()
    assert [line.split("  # ")[0] for line in lines if line.startswith(("  --width", "  --depth"))] == ["  --width 64"]


@pytest.mark.parametrize("word", ["run", "compare", "bundle", "evaluate", "audit", "export", "resume", "list"])
def test_help_explains_every_option(word: str) -> None:
    parsers = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert [action.dest for action in parsers[word]._actions if not action.help] == []


@pytest.mark.parametrize("kind", ["dataset", "method", "network"])
def test_an_unknown_choice_ends_with_code_2_and_the_choices(kind: str) -> None:
    outcome = command("run", f"--{kind}", "nothing")
    assert outcome.code == 2
    assert f"argument --{kind}: " in outcome.err
    assert "nothing" in outcome.err
    for name in available(f"{kind}s"):
        assert name in outcome.err


@pytest.mark.parametrize("words", [[], ["walk"], ["run", "--seed", "x"], ["run", "--initial_images", "none"]])
def test_other_wrong_words_end_with_code_2(words: list[str]) -> None:
    assert command(*words).code == 2


def test_any_id_of_the_configuration_can_be_set_and_is_recorded(tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = fast_run(run, "--train#trainer#max_epochs", "1", "--augment#rotation_degrees=5", "--full_students", "0")
    assert outcome.code == 0, outcome.err
    config = read(run, "config.json")
    assert config["train"]["trainer"]["max_epochs"] == 1
    assert config["augment"]["rotation_degrees"] == 5
    assert len(read(run, "history.json")["iterations"]) == read(run, "manifest.json")["settings"]["iterations"] == 2
    assert read(run, "manifest.json")["augmentation"]["rotation_degrees"] == 5
    assert "full" not in read(run, "scores.json")
    assert "all training images" not in outcome.out


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("--studnet_steps", "Did you mean --student_steps?"),
        ("--studnet_steps=3", "Did you mean --student_steps?"),
        ("--images-per-class", "Did you mean --images_per_class?"),
        ("--trian#trainer#max_epochs", "Did you mean --train?"),
        ("--datasset_dir", "Did you mean --dataset_dir"),
        ("--qqqq", "Known are "),
    ],
)
def test_a_name_that_no_configuration_has_is_refused_with_the_nearest(tmp_path: Path, word: str, hint: str) -> None:
    outcome = fast_run(tmp_path / "run", *([word] if "=" in word else [word, "3"]))
    assert outcome.code == 1
    assert f"Expected a name of the configuration, got {word.split('=')[0]}. {hint}" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--train#trainr#max_epochs", "got trainr in --train#trainr#max_epochs. Did you mean trainer?"),
        ("--train#trainer#epoch_length#x", "got x in --train#trainer#epoch_length#x."),
        ("--train#handlers#99#interval", "got 99 in --train#handlers#99#interval."),
        ("--preset_of", "Expected for --preset_of a data set or published, got 3."),
    ],
)
def test_a_misspelt_part_or_data_set_is_refused(tmp_path: Path, word: str, message: str) -> None:
    outcome = fast_run(tmp_path / "run", word, "3")
    assert outcome.code == 1
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("1E-5", 1e-5),
        ("-2.5e+2", -250.0),
        ("1.0e-5", 1e-5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("noise", "noise"),
        ("one", "one"),
        ("e", "e"),
        ("runs/2e3", "runs/2e3"),
        ("[1, 2e3, x]", [1, 2000.0, "x"]),
        ("{a: 1}", {"a": 1}),
        ("'1e3'", "1e3"),
        ("[1, 2", "[1, 2"),
        ("a=b", "a=b"),
        ("@preset", "@preset"),
        ("%common.yaml#x", "%common.yaml#x"),
        ("$@width * 2", "$@width * 2"),
        ("$lambda x: x", "$lambda x: x"),
        ("$None", "$None"),
    ],
)
@pytest.mark.parametrize("form", ["two words", "one word"])
def test_values_are_read_as_people_mean_them(text: str, value: Any, form: str) -> None:
    words = ["--a#b", text] if form == "two words" else [f"--a#b={text}"]
    (pair,) = parsed_overrides(words).items()
    assert pair == ("a#b", value)
    assert type(pair[1]) is type(value)


def test_several_pairs_are_kept_apart_and_the_last_one_wins() -> None:
    words = ["--a", "-1", "--b=2", "--c", "[x, y]", "--a", "3"]
    assert parsed_overrides(words) == {"a": 3, "b": 2, "c": ["x", "y"]}


@pytest.mark.parametrize("words", [["3"], ["--a"], ["--a", "1", "--b"], ["--a", "1", "2"], ["x", "--a", "1"]])
def test_words_that_are_no_pairs_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"Expected (--NAME VALUE, got|a value after)"):
        parsed_overrides(words)


def test_a_value_of_null_reaches_the_run(tmp_path: Path) -> None:
    words = shlex.split(command("run", "--dry_run", "--synthetic_batch_size", "null").out)
    assert words[words.index("--synthetic_batch_size") + 1] == "$None"  # MONAI would leave a None out


def test_the_default_folder_says_what_the_run_is() -> None:
    words = shlex.split(command("run", "--dry_run", "--images_per_class", "10", "--seed", "2").out)
    assert words[words.index("--output_dir") + 1] == "runs/digits_mtt_ipc10_seed2"


def test_traceback_may_stand_before_or_after_run_and_shows_where_an_error_came_from() -> None:
    for words in (("--traceback", "run", "--qqqq", "1"), ("run", "--qqqq", "1", "--traceback")):
        outcome = command(*words)
        assert outcome.code == 1
        assert "Traceback (most recent call last)" in outcome.err
        assert outcome.err.splitlines()[-1].startswith("monai-distill: error: Expected a name")


def test_the_wheel_carries_the_configurations_and_the_command_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (config_dir() / "common.yaml").is_file()
    project = tomllib.loads((Path(cli.__file__).parents[2] / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "configs": "monai_distill/configs",
        "LICENSE": "monai_distill/LICENSE",
    }
    (tmp_path / "monai_distill" / "configs").mkdir(parents=True)
    monkeypatch.setattr(files, "__file__", str(tmp_path / "monai_distill" / "configuration" / "files.py"))
    assert config_dir() == tmp_path / "monai_distill" / "configs"


# ---- the same with MONAI alone


def test_the_printed_line_carries_every_value_through_monais_own_parser() -> None:
    values = {
        "config_file": ["a b.yaml", "c.yaml"],
        "output_dir": "2024",
        "dataset_dir": "/data/my, own/$HOME 'x'",
        "width": "$@depth * 2",
        "zca": True,
        "image_lr": 1e-05,
        "seed": -1,
        "operations": ["crop", "scale"],
        "a#b": "true",
    }
    words = shlex.split(bundle_line(values))
    assert words[:4] == ["python", "-m", "monai.bundle", "run"]
    names, texts = words[4::2], words[5::2]
    read_back = {name[2:]: DefaultParseValue(text) for name, text in zip(names, texts, strict=True)}
    assert {name: str(v) if isinstance(values[name], str) else v for name, v in read_back.items()} == values
    assert all(type(read_back[name]) is type(value) for name, value in values.items())


def test_the_printed_line_runs_in_bash_without_the_command_and_gives_the_same_bytes(
    whole: Path, tmp_path: Path
) -> None:
    outcome = command("run", "--output_dir", "out put", *FAST, *JOB, "--dry_run")
    assert (outcome.code, outcome.err, len(outcome.out.splitlines())) == (0, "", 1)
    assert list(tmp_path.iterdir()) == []
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", outcome.out], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    same_result(whole, tmp_path / "out put")


# ---- as many iterations as were given


@pytest.mark.parametrize(
    ("iterations", "validate_every", "validated"), [(3, 2, [2, 3]), (2, 1000, [2]), (4, 2, [2, 4])]
)
def test_as_many_iterations_run_and_are_recorded_as_were_given(
    tmp_path: Path, iterations: int, validate_every: int, validated: list[int]
) -> None:
    words = ("--method", "dm", "--dataset", "digits", "--batch_per_class", "8", "--width", "4", "--depth", "1")
    words += ("--validation_steps", "2", "--evaluation_steps", "2", "--full_steps", "2", "--students", "1")
    words += ("--iterations", str(iterations), "--validate_every", str(validate_every), "--device", "cpu")
    run = tmp_path / "run"
    outcome = command("run", "--output_dir", run, *words)
    assert outcome.code == 0, outcome.err
    history, manifest = read(run, "history.json"), read(run, "manifest.json")
    assert [row["iteration"] for row in history["iterations"]] == list(range(1, iterations + 1))
    assert [row["iteration"] for row in history["validations"]] == validated
    assert (manifest["settings"]["iterations"], manifest["settings"]["validate_every"]) == (iterations, validate_every)
    assert manifest["chosen_iteration"] in validated
    before = read(run, "history.json"), (run / "synthetic.safetensors").read_bytes()
    assert command("resume", run).code == 0  # a finished distillation is not continued
    assert (read(run, "history.json"), (run / "synthetic.safetensors").read_bytes()) == before


# ---- killed, interrupted, resumed


class Stopped(NamedTuple):
    """The folders that a kill and Ctrl-C left, with the exit status and the words of the latter."""

    killed: Path
    interrupted: Path
    code: int
    said: str


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """A run in a process of its own that has done two of four iterations and waits in the third for Ctrl-C.

    A copy of its folder at that time is what a kill leaves.
    """
    root = tmp_path_factory.mktemp("stopped")
    reached, go, folder = root / "reached", root / "go", root / "run"
    words = ["run", "--output_dir", str(folder), *FAST, *JOB]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(reached), str(go), *words], stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(12000):
            if reached.exists() or process.poll() is not None:
                break
            time.sleep(0.01)
        assert reached.exists(), "the run did not come to its third iteration"
        shutil.copytree(folder, root / "killed")
        process.send_signal(signal.SIGINT)
        go.touch()
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    return Stopped(root / "killed", folder, process.returncode, said)


def test_a_killed_run_resumes_to_the_same_bytes(stopped: Stopped, whole: Path) -> None:
    folder = stopped.killed
    assert torch.load(folder / "state.pt", weights_only=True)["trainer"]["iteration"] == 2
    assert not (folder / "synthetic.safetensors").exists()
    outcome = command("resume", folder)
    assert outcome.code == 0, outcome.err
    same_result(whole, folder)


def test_ctrl_c_saves_prints_the_resume_command_and_resumes_to_the_same_bytes(stopped: Stopped, whole: Path) -> None:
    folder, line = stopped.interrupted, stopped.said.strip().splitlines()[-1]
    assert stopped.code == 130
    assert line == f"Interrupted. Go on with: monai-distill resume {folder}"
    assert "Traceback" not in stopped.said
    assert torch.load(folder / "state.pt", weights_only=True)["trainer"]["iteration"] == 3
    outcome = command(*shlex.split(line.split("monai-distill ")[1]))
    assert outcome.code == 0, outcome.err
    same_result(whole, folder)


def test_interrupted_while_experts_train_the_finished_ones_are_kept(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    plain = TrajectoryStore.write

    def write(store: TrajectoryStore, expert: int, *rest: Any, **more: Any) -> None:
        if written == [0]:
            raise KeyboardInterrupt
        plain(store, expert, *rest, **more)
        written.append(expert)

    with monkeypatch.context() as patched:
        patched.setattr(TrajectoryStore, "write", write)
        outcome = fast_run(tmp_path / "run", *JOB)
    assert outcome.code == 130
    assert f"monai-distill resume {tmp_path / 'run'}" in outcome.err
    assert list(read(tmp_path / "run" / "experts", "manifest.json")["history"]) == ["0"]
    before = contents(tmp_path / "run")
    other = fast_run(tmp_path / "run", *JOB, "--expert_lr", "0.02")
    assert (other.code, contents(tmp_path / "run")) == (1, before)
    assert f"{tmp_path / 'run'} with trained experts (1). Continue that run: monai-distill resume" in other.err
    trained: list[int] = []
    monkeypatch.setattr(TrajectoryStore, "write", lambda s, e, *r, **m: (trained.append(e), plain(s, e, *r, **m))[1])
    assert command("resume", tmp_path / "run").code == 0
    assert trained == [1]
    same_result(whole, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("image_lr", 11, ("settings", "'image_lr': 10", "'image_lr': 11", "another output_dir")),
        ("seed", 4, ("seed: stored 3, requested 4",)),
        ("expert_lr", 0.5, ("optimizer lr: stored 0.01", "requested 0.5", "another expert_dir")),
        ("experts", 3, ("shape: stored [2,", "requested [3,")),
    ],
)
def test_a_changed_job_is_refused_with_the_difference_named_and_loses_nothing(
    copied: Path, name: str, value: Any, says: tuple[str, ...]
) -> None:
    for gone in ("scores.json", "synthetic.safetensors"):
        (copied / gone).unlink()
    config = {**read(copied, "config.json"), name: value}
    (copied / "config.json").write_text(json.dumps(config))
    before = without_cost(copied)
    outcome = command("resume", copied)
    assert outcome.code == 1
    assert [part for part in says if part not in outcome.err] == [], outcome.err
    after = contents(copied)
    assert {name: after[name] for name in before if "tensorboard" not in name} == {
        name: data for name, data in before.items() if "tensorboard" not in name
    }
    assert not (copied / "scores.json").exists()
