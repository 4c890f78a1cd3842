"""The files of a run are complete, and a used folder is refused."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import platform
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import monai
import pytest
import torch

import monai_distill
from monai_distill.data import SyntheticDataset
from monai_distill.export import RunFolder

HISTORY = SimpleNamespace(
    iterations=[{"iteration": 1, "loss": 0.5, "student_lr": 0.01}], validations=[{"iteration": 1, "accuracy": 0.5}]
)


def synthetic() -> SyntheticDataset:
    return SyntheticDataset(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), ["a", "b"])


def test_a_new_folder_is_made_with_its_parents_and_an_empty_one_taken(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a" / "b")
    assert run.prepare(resume=False) is run
    assert run.prepare(resume=False).folder.is_dir()
    assert not run.finished


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"scores.json"}, "finished run.*another output_dir"),
        ({"state.pt", "config.json"}, "unfinished run.*monai-distill resume .*b"),
        ({"state.pt", "config.json", "manifest.json"}, "unfinished run.*monai-distill resume .*b"),
        ({"state.pt"}, "unfinished run.*--resume true"),
        ({"state.pt", "manifest.json"}, "finished distillation of a bundle.*evaluate.json.*another output_dir"),
    ],
)
def test_a_used_folder_is_refused_with_the_way_out_unless_resumed(tmp_path: Path, files: set[str], says: str) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    for file in files:
        (folder / file).write_text("{}")
    with pytest.raises(RuntimeError, match=says):
        RunFolder(folder).prepare(resume=False)
    assert {path.name for path in folder.iterdir()} == files
    assert RunFolder(str(folder)).prepare(resume=True).folder == folder


@pytest.mark.parametrize("name", ["bundle", "a bundle's"])
def test_a_finished_bundle_names_the_line_that_scores_it(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    for file in ("configs/train.json", "configs/evaluate.json", "train/state.pt", "train/manifest.json"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("{}")
    with pytest.raises(RuntimeError, match="finished distillation of a bundle") as caught:
        RunFolder(root / "train").prepare(resume=False)
    words = shlex.split(str(caught.value).split("Score it: ")[1].split(" ; ")[0])
    files = [str(root / "configs" / file) for file in ("train.json", "evaluate.json")]
    assert words[-4:] == ["--config_file", str(files), "--bundle_root", str(root)]


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("experts/manifest.json", '{"history": {"0": []}}', "with trained experts (1). Continue that run"),
        ("experts/manifest.json", '{"history": {"0": [], "3": []}}', "with trained experts (2). Continue that run"),
        ("ledger.json", "{}", "with a ledger of spent privacy budget. Continue that run"),
    ],
)
def test_parts_of_another_run_are_refused_with_both_ways_out(
    tmp_path: Path, file: str, content: str, says: str
) -> None:
    (tmp_path / "experts").mkdir()
    run = RunFolder(tmp_path).prepare(resume=False)
    run.refuse_begun()
    (tmp_path / file).write_text(content)
    with pytest.raises(
        RuntimeError, match=f"{re.escape(says)}.*monai-distill resume {tmp_path} ; or give another --output_dir"
    ):
        run.refuse_begun()
    assert run.prepare(resume=False) is run  # the same settings go on


def test_experts_of_which_none_is_finished_are_no_part(tmp_path: Path) -> None:
    (tmp_path / "experts").mkdir()
    (tmp_path / "experts" / "manifest.json").write_text('{"history": {}}')
    RunFolder(tmp_path).refuse_begun()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match=r"Cannot make the run folder.*file.*another output_dir"):
        RunFolder(tmp_path / "file").prepare(resume=False)


def test_the_set_its_history_and_its_pictures_are_written(tmp_path: Path) -> None:
    data = synthetic()
    RunFolder(tmp_path).save_set(data, {"dataset": "d", "seeds": {"run": 3}}, HISTORY, chosen=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "curves.png",
        "grid.png",
        "history.json",
        "manifest.json",
        "synthetic.safetensors",
    ]
    assert json.loads((tmp_path / "history.json").read_text()) == vars(HISTORY)
    loaded = SyntheticDataset.load(tmp_path)
    assert torch.equal(loaded.images, data.images)
    manifest = loaded.manifest
    assert (manifest["format"], manifest["dataset"], manifest["seeds"], manifest["chosen_iteration"]) == (
        1,
        "d",
        {"run": 3},
        1,
    )
    versions = manifest["versions"]
    assert versions["monai_distill"] == monai_distill.__version__
    assert versions["python"] == platform.python_version()
    assert versions["monai"] == monai.__version__
    assert versions.keys() >= {"torch", "pytorch-ignite", "numpy", "scikit-learn"}


def test_scores_are_written_as_they_are_and_finish_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save_scores({"distilled": {"accuracy": {"values": [0.1, 1 / 3]}}})
    assert run.finished
    assert json.loads(run.scores_file.read_text()) == {"distilled": {"accuracy": {"values": [0.1, 1 / 3]}}}


@pytest.mark.parametrize("before", [None, '{"old": 1}'])
def test_a_full_disk_never_leaves_half_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    run = RunFolder(tmp_path)
    if before is not None:
        run.scores_file.write_text(before)
    plain = Path.write_bytes

    def write_bytes(path: Path, text: bytes) -> int:
        plain(path, text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(RuntimeError, match=r"scores\.json.*No space left on device.*Free some disk space"):
        run.save_scores({"a": [0] * 100})
    assert [path.name for path in tmp_path.iterdir()] == ([] if before is None else ["scores.json"])
    assert run.finished is (before is not None)
    if before is not None:
        assert run.scores_file.read_text() == before


def test_a_folder_for_reading_only_is_not_reported_as_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_bytes(path: Path, text: bytes) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(RuntimeError, match=r"scores\.json.*Permission denied. Make the folder writable and try again"):
        RunFolder(tmp_path).save_scores({"a": 1})


def test_scores_that_are_no_json_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        RunFolder(tmp_path).save_scores({"a": torch.zeros(1)})
    assert list(tmp_path.iterdir()) == []


def test_scores_add_to_what_is_there_and_replace_what_they_have(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.save_scores({"distilled": {"accuracy": 1}, "random": {"a": 1}})
    run.save_scores({"random": {"b": 2}, "full": {}})
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found == {"distilled": {"accuracy": 1}, "random": {"b": 2}, "full": {}}
