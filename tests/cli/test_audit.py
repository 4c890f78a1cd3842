"""``monai-distill audit`` as a user meets it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigParser, ReferenceResolver
from PIL import Image

from monai_distill.configuration.files import config_dir, run_files
from tests.configs.command import command, contents, fast_run, read

QUICK = ("--shadows", "3", "--audit#model_steps", "2", "--audit#models", "1", "--audit#at_most", "200")
DM = (
    *(
        "--method",
        "dm",
        "--device",
        "cpu",
        "--iterations",
        "2",
        "--validate_every",
        "2",
        "--width",
        "4",
        "--depth",
        "1",
    ),
    *("--validation_students", "1", "--validation_steps", "1", "--students", "1", "--evaluation_steps", "1"),
    *("--full_students", "1", "--full_steps", "1"),
)
SHADOW = ("--iterations", "2", "--validate_every", "2", "--validation_students", "1")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run folder with an audit, and what the command printed."""
    folder = tmp_path_factory.mktemp("audited") / "run"
    assert fast_run(folder, "--validation_students", "1").code == 0
    before = contents(folder)
    outcome = command("audit", folder, *QUICK, *SHADOW)
    assert outcome.code in (0, 3), outcome.err  # three shadows may well be too few
    after = contents(folder)
    assert {name for name in before if after[name] != before[name]} == {"report.html"}
    assert "all 3 shadows take about" in outcome.err
    return folder, outcome.out


def test_leaves_audit_json_and_a_file_a_shadow(audited: tuple[Path, str]) -> None:
    folder, printed = audited
    found = read(folder, "audit.json")
    assert found["shadows"] == 3
    assert found["shadow_settings"] == {"settings.iterations": 2, "validate_every": 2, "validation_students": 1}
    assert found["candidates"]["audited"] == 200
    assert set(found["attacks"]) == {
        *("nearest_pixels", "nearest_random_networks", "nearest_embedding"),
        *("model_confidence", "matching_features", "matching_gradients", "copies"),
    }
    assert found["attribute_inference"].startswith("not attacked: the data set has no metadata")
    assert sorted(file.name for file in (folder / "audit").iterdir()) == [
        "copies.json",
        "copies.png",
        *(f"shadow_000{i}.safetensors" for i in range(3)),
    ]
    assert found["statement"] in printed
    assert printed.count("\n| ") >= 7


def test_the_page_of_the_run_tells_of_the_audit(audited: tuple[Path, str]) -> None:
    """Before, it went on saying that no attack was run."""
    page = (audited[0] / "report.html").read_text()
    assert "Audit with" in page
    assert "No attack was run" not in page


def test_the_exit_status_says_void(audited: tuple[Path, str]) -> None:
    folder, _ = audited
    again = command("audit", folder, *QUICK, *SHADOW)
    assert again.code == (3 if read(folder, "audit.json")["void"] else 0)
    assert "shadow took" not in again.err  # nothing is done twice


def test_other_settings_over_kept_shadows_and_misspelt_ones_are_refused(
    audited: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = audited
    other = command("audit", folder, *QUICK, *SHADOW, "--images_per_class", "2")
    assert other.code == 1
    assert "belongs to an audit with another shadow_settings" in other.err
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("audit"))
    wrong = command("audit", tmp_path / "run", *QUICK, "--iteration", "3")
    assert wrong.code == 1
    assert "got ['iteration']" in wrong.err
    hidden = command("audit", tmp_path / "run", "--audit#shadow#settings", "{'iterations': 1}")
    assert hidden.code != 0
    assert "audit#shadow#settings" in hidden.err
    wrong = command("audit", tmp_path / "run", "--audit#modells", "3")
    assert wrong.code == 1
    assert "got ['audit#modells']" in wrong.err


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    outcome = command("audit", tmp_path)
    assert outcome.code == 1
    assert "Give the folder of a run" in outcome.err


def test_metadata_that_a_table_names_are_attacked(tmp_path: Path) -> None:
    data, rows = tmp_path / "data", ["image,label,patient,sex,age,split"]
    data.mkdir()
    pixels = np.random.default_rng(0)
    for i in range(120):
        Image.fromarray(pixels.integers(0, 256, (8, 8), dtype=np.uint8)).save(data / f"{i:03}.png")
        split = "val" if i % 6 == 0 else "test" if i % 6 == 5 else "train"
        rows.append(f"{i:03}.png,{'ab'[i % 2]},p{i},{'FM'[i // 2 % 2]},{i},{split}")
    (data / "table.csv").write_text("\n".join(rows))
    table = ("--dataset", "table", "--dataset_dir", data, "--image_size", "[8,8]", "--channels", "1")
    groups = ("--group_columns", "['sex','age']", "--group_column", "sex", "--initial_images", "noise")
    made = command("run", "--output_dir", tmp_path / "run", *table, *groups, *DM)
    assert made.code == 0, made.err
    outcome = command("audit", tmp_path / "run", *QUICK)
    assert outcome.code in (0, 3), outcome.err
    found = read(tmp_path / "run", "audit.json")
    assert found["attribute_inference"].startswith("attacked: sex; not attacked: age")
    sex = found["attacks"]["attribute sex"]
    assert sex["n_in"] + sex["n_out"] == 3 * (found["candidates"]["audited"] - found["candidates"]["mislabelled"])
    assert "attribute sex" in outcome.out
    assert found["shadow_settings"] == {}  # the shadows weigh groups as the run did
    scores, page = read(tmp_path / "run", "scores.json"), (tmp_path / "run" / "report.html").read_text()
    assert {name: set(values) for name, values in scores["groups"]["sex"].items()} == {
        name: {"F", "M"} for name in ("distilled", "random", "full")
    }
    assert "age" not in scores["groups"]  # too many values
    assert "Group by group" in page
    assert page.count(">largest difference<") == 2
    manifest = read(tmp_path / "run", "manifest.json")
    assert manifest["settings"]["equal_groups"] is True
    assert "sex" not in json.dumps(manifest)


def test_the_configuration_refers_to_nothing_that_is_not_there() -> None:
    parser = ConfigParser()
    parser.read_config(
        [str(file) for file in run_files("digits", "convnet", "mtt").all] + [str(config_dir() / "audit.yaml")]
    )
    parser.parse()
    items = parser.ref_resolver.items
    named = {
        ReferenceResolver.normalize_id(name.removeprefix("@"))
        for item in items.values()
        if isinstance(item.get_config(), str)
        for name in ReferenceResolver.match_refs_pattern(item.get_config())
    }
    assert {name for name in named if name not in items} == set()


@pytest.mark.parametrize("shadows", ["2", "0", "-1"])
def test_too_few_shadows_are_told_before_anything_is_read(tmp_path: Path, shadows: str) -> None:
    outcome = command("audit", tmp_path / "no_run", "--shadows", shadows)
    assert outcome.code == 1
    assert outcome.err.endswith(f"Expected at least 3 for --shadows, got {shadows}. Publish with 64.\n")
