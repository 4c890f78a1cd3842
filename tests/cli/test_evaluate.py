"""``evaluate --protocols``: what is added to the scores, what is kept, what goes on, what is refused."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from safetensors import safe_open

from monai_distill.configuration.files import config_dir, dataset_entry, run_files
from monai_distill.data import SyntheticDataset
from monai_distill.engines.protocols import Scorecard
from monai_distill.engines.students import StudentTraining
from monai_distill.export.comparison import save_comparison
from tests.configs.command import FAST, command, contents, fast_run, read
from tests.configs.test_composition import dangling

SMALL = (
    *("--cross_students", "1", "--cross_lrs", "[0.01]"),
    *("--cross_widths", "{convnet: 4, alexnet: 2, vgg11: 1, resnet18: 1, vit: 4}"),
    *("--nas_space", "{width: [2, 4, 6], depth: [1], norm: [none], activation: [relu], pooling: [avg]}"),
    *("--continual_orders", "1", "--continual_students", "1", "--continual_classes_per_step", "5"),
)
ALL = ("--protocols", "cross_architecture,nas,continual", *SMALL)

pytestmark = pytest.mark.filterwarnings("ignore:1 of 5 architectures")  # the digits are too small for ResNet18


class ImageCount:
    """A protocol of the user's own."""

    def __init__(self, scorecard: Scorecard, key: str = "figures") -> None:
        self.scorecard = scorecard
        self.key = key

    def run(self, synthetic: SyntheticDataset) -> dict[str, Any]:
        return {
            "title": "Numbers of images",
            self.key: {"images": len(synthetic), "training": len(self.scorecard.data.training)},
            "tables": [{"title": "Images", "header": ["set", "images"], "rows": [["distilled", len(synthetic)]]}],
            "comparisons": [
                {"title": "size", "distilled": {"images": len(synthetic)}, "random": {"images": 10}, "heat_map": False}
            ],
        }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "run"
    assert fast_run(folder, "--full_students", "1").code == 0
    return folder


@pytest.fixture(scope="module")
def done(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with all protocols; not to be changed."""
    folder = tmp_path_factory.mktemp("done") / "run"
    shutil.copytree(plain, folder)
    outcome = command("evaluate", folder, *ALL)
    assert outcome.code == 0, outcome.err
    (folder.parent / "printed").write_text(outcome.out)
    return folder


@pytest.fixture
def copied(done: Path, tmp_path: Path) -> Path:
    shutil.copytree(done, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **settings: Any) -> None:
        raise RuntimeError("a student was trained")

    monkeypatch.setattr(StudentTraining, "__call__", refuse)


def test_protocols_add_to_the_scores_and_change_no_other_file(plain: Path, done: Path) -> None:
    before, after = ({k: v for k, v in contents(f).items() if not k.endswith("cost.json")} for f in (plain, done))
    added = {name for name in after.keys() - before.keys() if not name.startswith("controls/")}
    assert added == {"cross_architecture.png"}
    assert {name for name in before if before[name] != after[name]} == {"scores.json", "report.html"}
    old, new = read(plain, "scores.json"), read(done, "scores.json")
    assert {name: new[name] for name in old} == old
    assert new.keys() - old.keys() == {"protocols"}
    figures = {name: result["figures"] for name, result in new["protocols"].items()}
    assert list(figures) == ["cross_architecture", "nas", "continual"]
    across = figures["cross_architecture"]
    assert list(across["distilled"]) == ["convnet", "alexnet", "vgg11", "vit"]  # ResNet18 needs 16 pixels
    assert set(across["distilled"]["vit"]["accuracy"]) == {"mean", "std", "interval95", "values"}
    assert "resnet18" in across["protocol"]["skipped"]
    assert figures["nas"]["architectures"] == 3
    assert [step["classes_seen"] for step in figures["continual"]["steps"]] == [5, 10]


def test_it_prints_a_table_a_protocol_and_the_scores(done: Path) -> None:
    lines = (done.parent / "printed").read_text().splitlines()
    for start, count in {"| architecture ": 2, "| ranked by": 1, "| classes seen": 1, "| trained on": 1}.items():
        assert sum(line.startswith(start) for line in lines) == count, start
    assert lines[-1] == f"Run folder: {done}"


@pytest.mark.usefixtures("no_training")
def test_a_second_time_trains_nothing_and_gives_the_same(done: Path, copied: Path) -> None:
    shutil.copyfile(done / "config.json", copied / "config.json")
    outcome = command("evaluate", copied, *ALL)
    assert outcome.code == 0, outcome.err
    assert read(copied, "scores.json") == read(done, "scores.json")


@pytest.mark.usefixtures("no_training")
def test_other_settings_are_trained(copied: Path) -> None:
    outcome = command("evaluate", copied, *ALL, "--continual_steps", "4")
    assert outcome.code == 1
    assert "a student was trained" in outcome.err


def test_plain_evaluation_keeps_what_the_protocols_found(done: Path, copied: Path) -> None:
    (copied / "cross_architecture.png").unlink()
    outcome = command("evaluate", copied)
    assert outcome.code == 0, outcome.err
    found, before = read(copied, "scores.json"), read(done, "scores.json")
    assert found.pop("cost").keys() == before.pop("cost").keys()
    assert found == before
    assert (copied / "cross_architecture.png").read_bytes() == (done / "cross_architecture.png").read_bytes()
    assert "| architecture" not in outcome.out


def test_a_protocol_of_ones_own_is_an_object_with_run(copied: Path) -> None:
    own = "{_target_: tests.cli.test_evaluate.ImageCount, scorecard: '@scorecard'}"
    outcome = command("evaluate", copied, "--protocols", "own", "--protocols#own", own)
    assert outcome.code == 0, outcome.err
    assert "| distilled | 10     |" in outcome.out
    assert "| architecture" not in outcome.out
    assert "<h2>Numbers of images</h2>" in (copied / "report.html").read_text()
    results = read(copied, "scores.json")["protocols"]
    assert results["own"]["figures"] == {"images": 10, "training": 1078}
    assert "nas" in results
    assert "| run                        | 10" in save_comparison(copied.parent, ["run"])
    refused = "{_target_: tests.cli.test_evaluate.ImageCount, scorecard: '@scorecard', key: images}"
    outcome = command("evaluate", copied, "--protocols", "own", "--protocols#own", refused)
    assert outcome.code == 1
    assert "got images. Put numbers into figures." in outcome.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--protocols", "nas,sorcery"],
            "Expected protocols of scores, cross_architecture, training_variants, nas, continual, got 'sorcery'",
        ),
        (["--protocols", ""], "got ''"),
        (["--nas_stps", "3"], "got --nas_stps. Did you mean --nas_steps?"),
        (
            ["--cross_widths", "8"],
            "Expected {convnet: VALUE, ...} for --cross_widths, got 8. Or give --cross_w",
        ),
        (["--cross_widths#vgg", "8"], "got vgg in --cross_widths#vgg. Did you mean vgg11?"),
        (["--width", "8"], "got --width. Settings are given to `run`"),
        (["--evaluate", "[]"], "got --evaluate. Settings are given to `run`"),
        (["--nas_steps"], "Expected a value after '--nas_steps'"),
        (["--protocols", "continual", "--continual_classes_per_step", "10"], "there must be at least two steps"),
        (["--protocols", "nas", "--nas_space", "{depth: [8, 9]}"], "an architecture that fits the images"),
    ],
)
def test_wrong_words_are_refused_and_nothing_changes(done: Path, words: list[str], says: str) -> None:
    before = contents(done)
    outcome = command("evaluate", done, *words)
    assert outcome.code == 1
    assert says in outcome.err
    assert contents(done) == before


def test_a_run_without_scores_begins_with_these(copied: Path) -> None:
    (copied / "scores.json").unlink()
    outcome = command("evaluate", copied, "--protocols", "nas")
    assert outcome.code == 1
    assert f"Begin with: monai-distill evaluate {copied}" in outcome.err


def test_damaged_scores_are_reported(copied: Path) -> None:
    (copied / "scores.json").write_text("{")
    outcome = command("evaluate", copied)
    assert outcome.code == 1
    assert "scores.json" in outcome.err


@pytest.mark.parametrize("dataset", ["digits", "adrenalmnist3d"])
@pytest.mark.parametrize("method", ["mtt", "dm", "datm"])
def test_the_protocols_lie_over_any_run(dataset: str, method: str) -> None:
    parser = ConfigParser()
    parser.read_config([*map(str, run_files(dataset, "convnet", method).all), str(config_dir() / "protocols.yaml")])
    parser.update(dataset_entry(dataset)[1])
    parser.parse()
    assert dangling(parser) == []


def test_a_run_knows_nothing_of_the_protocols_so_that_older_ones_are_no_different(plain: Path) -> None:
    config = json.loads((plain / "config.json").read_text())
    assert not config.keys() & {"protocols", "evaluated", "nas_space"}


def test_compare_asks_further_protocols_of_every_run_and_trains_what_they_share_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("compare", "--output_dir", out, *FAST, "--methods", "mtt,att", "--full_students", "1")
    outcome = command(*words, "--protocols", "scores,cross_architecture", *SMALL[:6], "--controls", "[herding]")
    assert outcome.code == 0, outcome.err
    titles = [line.split("|")[1].strip() for line in (out / "compare.md").read_text().splitlines() if line]
    assert titles[2:7] == [
        "mtt",
        "att",
        "as many random real images",
        "as many real images by herding",
        "all training images",
    ]
    assert titles.count("as many random real images") == 3
    assert {"cross_architecture.png", "compare.png"} <= {path.name for path in out.iterdir()}
    across = [read(out / name, "scores.json")["protocols"]["cross_architecture"] for name in ("mtt", "att")]
    assert across[0]["figures"]["random"] == across[1]["figures"]["random"]
    jobs = [json.loads(safe_open(file, "pt").metadata()["job"]) for file in (out / "controls").iterdir()]
    assert sum("AlexNet" in str(job) for job in jobs) == 2 + 1  # a distilled row each, one random row
    assert not list(out.glob("*/controls"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--protocols", "scores,sorcery"], "got 'sorcery'"),
        (["--cross_students", "2"], "--protocols together with their settings cross_students, got none"),
        (["--protocols", "scores", "--cross_widths#vgg", "8"], "Did you mean vgg11?"),
    ],
)
def test_compare_refuses_wrong_words_before_any_work(tmp_path: Path, words: list[str], says: str) -> None:
    outcome = command("compare", "--output_dir", tmp_path / "out", *FAST, "--methods", "mtt", *words)
    assert outcome.code == 1
    assert says in outcome.err
    assert not (tmp_path / "out" / "mtt" / "scores.json").exists()


def test_compare_keeps_no_settings_that_no_method_knows(tmp_path: Path) -> None:
    words = ("--methods", "mtt,dm", "--protocols", "scores", "--sorcery", "8")
    outcome = command("compare", "--output_dir", tmp_path / "out", *FAST, *words)
    assert outcome.code == 1
    assert "got --sorcery" in outcome.err
    assert not (tmp_path / "out").exists()


def test_compare_says_which_methods_run_without_a_setting(tmp_path: Path) -> None:
    words = ("--methods", "dm,mtt", "--dataset", "folder", "--dataset_dir", tmp_path / "data", "--student_steps", "2")
    (tmp_path / "data").mkdir()
    with pytest.warns(UserWarning, match="runs without") as warned:
        outcome = command("compare", "--output_dir", tmp_path / "out", *words)
    assert outcome.code == 1
    said = [str(warning.message) for warning in warned]
    assert said[0] == "dm has no --student_steps and runs without."
    assert "dm failed: Cannot find dataset directory" in said[1]
    assert "mtt failed: Cannot find dataset directory" in said[2]
    assert "dm, mtt did not finish" in outcome.err
