"""Bad input through the command: one line that says expected, got and the way out, and nothing lost."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_distill.data import SyntheticDataset
from tests.configs.command import FAST, Outcome, command, fast_run, read
from tests.data.conftest import npz_arrays, write_image, write_table


def refused(outcome: Outcome, run: Path, *says: str) -> None:
    """Exit code 1, at most a plan, one line with every part of the message, no traceback, no scores and no state."""
    assert outcome.code == 1
    assert outcome.out == "" or outcome.out.startswith("Data ")
    lines = outcome.err.strip().splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("monai-distill: error: ")
    missing = [part for part in says if part not in lines[0]]
    assert missing == [], lines[0]
    assert not (run / "scores.json").exists()
    assert not (run / "synthetic.safetensors").exists()


def table(root: Path, rows: Sequence[str], header: str = "image,label", sizes: Sequence[int] = ()) -> Path:
    for i in range(12):
        side = sizes[i % len(sizes)] if sizes else 8
        write_image(root / f"{i}.png", (side, side), seed=i)
    write_table(root, list(rows), header)
    return root


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("dataset", ["bloodmnist", "folder", "mhist", "table"])
def test_no_data_folder_given(run: Path, root: Path, monkeypatch: pytest.MonkeyPatch, dataset: str) -> None:
    monkeypatch.chdir(root)  # the working directory must not be taken for the data
    refused(fast_run(run, "--dataset", dataset), run, f"Expected --dataset_dir for the data set {dataset}", "got none")
    assert not run.exists()


def test_no_data_file_given(run: Path, root: Path) -> None:
    outcome = fast_run(run, "--dataset", "npz", "--dataset_dir", root)
    refused(outcome, run, "Expected --dataset_file for the data set npz", "got none", "MedMNIST's format")


def test_a_data_folder_that_does_not_exist(run: Path, root: Path) -> None:
    outcome = fast_run(run, "--dataset", "bloodmnist", "--dataset_dir", root / "nowhere")
    refused(outcome, run, "must be a directory", str(root / "nowhere"), "create it or correct the path")


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ("bloodmnist", ("Cannot find dataset file", "bloodmnist.npz", "download")),
        ("mhist", ("Cannot find dataset file", "annotations.csv", "unpack it")),
        ("covid", ("COVID", "kaggle.com")),
        ("table", ("Cannot find dataset file", "table.csv", "columns image")),
        ("mnist", ("download",)),
        ("cifar10", ("download",)),
    ],
)
def test_an_empty_data_folder(run: Path, root: Path, dataset: str, says: tuple[str, ...]) -> None:
    refused(fast_run(run, "--dataset", dataset, "--dataset_dir", root), run, *says)


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_that_is_no_npz_or_cut_short(run: Path, root: Path, cut: bool) -> None:
    np.savez(root / "x.npz", **npz_arrays((8, 8)))
    (root / "x.npz").write_bytes((root / "x.npz").read_bytes()[:-50] if cut else b"hello")
    outcome = fast_run(run, "--dataset", "npz", "--dataset_dir", root, "--dataset_file", "x.npz")
    refused(outcome, run, "x.npz is not an .npz archive", "expected a zip file with the keys", "get it again")


def test_an_npz_without_the_keys(run: Path, root: Path) -> None:
    np.savez(root / "x.npz", images=np.zeros((4, 8, 8), np.uint8), labels=np.zeros(4))
    outcome = fast_run(run, "--dataset", "npz", "--dataset_dir", root, "--dataset_file", "x.npz")
    refused(outcome, run, "lacks the keys", "train_images", "got ['images', 'labels']", "rename or add them")


def test_a_label_outside_the_class_names_of_an_npz(run: Path, root: Path) -> None:
    np.savez(root / "x.npz", **npz_arrays((8, 8), classes=3))
    words = ("--dataset_file", "x.npz", "--class_names", "[a, b]")
    outcome = fast_run(run, "--dataset", "npz", "--dataset_dir", root, *words)
    refused(outcome, run, "holds the label 2", "expected labels 0 to 1", "give every class a name")


def test_one_class_only(run: Path, root: Path) -> None:
    np.savez(root / "x.npz", **npz_arrays((8, 8), classes=1))
    outcome = fast_run(run, "--dataset", "npz", "--dataset_dir", root, "--dataset_file", "x.npz")
    refused(outcome, run, "needs at least two classes", "got ['class 0']", "check the labels")


def test_more_images_per_class_than_a_class_has(run: Path, root: Path) -> None:
    np.savez(root / "x.npz", **npz_arrays((8, 8)))
    data = ("--dataset", "npz", "--dataset_dir", root, "--dataset_file", "x.npz", "--images_per_class", "7")
    outcome = fast_run(run, *data)
    refused(outcome, run, "Expected at least 7 training images in every class", "class 0 has 6", "initial_images noise")
    assert fast_run(root / "run2", *data, "--initial_images", "noise").code == 0  # the way out that it names


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "ten"])
def test_no_image_per_class(run: Path, count: str) -> None:
    outcome = fast_run(run, "--images_per_class", count)
    assert outcome.code == 2
    assert f"--images_per_class: expected a whole number of at least 1, got {count}" in outcome.err
    assert not run.exists()


def test_a_table_without_the_columns(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'ab'[i % 2]}" for i in range(12)], "file,class")
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root)
    refused(outcome, run, "lacks the column(s) ['image', 'label']", "got ['file', 'class']", "name the columns")
    columns = ("--image_column", "file", "--label_column", "class")  # the way out that it names
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root, "--image_size", "8", *columns)
    assert outcome.code == 0, outcome.err


def test_a_label_outside_the_class_list_of_a_table(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'abc'[i % 3]}" for i in range(12)])
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root, "--class_names", "[a, b]")
    refused(outcome, run, "4 label(s) outside the classes", "expected one of ['a', 'b']", "got 'c' in row", "correct")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("image;label\n0.png;a\n1.png;b\n", ("header 'image;label'", "expected commas", "save it with commas")),
        ("image\tlabel\n0.png\ta\n1.png\tb\n", ("expected commas", "save it with commas")),
        ("image,label\n0.png,a,x\n1.png,b,x\n", ("table.csv", "Expected 2 fields in line 2, saw 3", "as many cells")),
        ("image,label,label\n0.png,a,b\n1.png,b,a\n", ("names the column(s) ['label'] twice", "remove one")),
        ("image,label\n0.png,a\n1.png,b\n2.png,\n", ("1 row(s) have no label", "row 4 of table.csv", "fill it in")),
        ("image,label\n0.png,a\n1.png,b\n2.png\n", ("1 row(s) have no label", "row 4 of table.csv", "fill it in")),
        ("image,label\n0.png,a\n\n,b\n", ("1 row(s) have no image", "row 4 of table.csv", "fill it in")),
        ("image,label\n0.png,a\n1.png,b\n./0.png,b\n", ("0.png is listed twice", "row 4", "row 2", "remove one")),
        ("image,label\nc\\0.png,a\n1.png,b\n", ("Cannot find 1 of 2 listed files", "separated by /")),
        ("image,label\n", ("a header and no rows", "a row per image")),
        ("", ("cannot read", "table.csv", "expected UTF-8 text with a header", "save it as CSV UTF-8")),
    ],
)
def test_a_table_that_is_not_one(run: Path, root: Path, content: str, says: tuple[str, ...]) -> None:
    table(root, [])
    (root / "table.csv").write_text(content)
    refused(fast_run(run, "--dataset", "table", "--dataset_dir", root), run, *says)


def test_a_table_as_a_spreadsheet_writes_it(run: Path, root: Path) -> None:
    table(root, [])
    rows = [f"{i}.png, {'ab'[i % 2]}" for i in range(12)]
    text = "\ufeff" + "\r\n".join(["image, label", "", *rows, ",", ""])
    (root / "table.csv").write_bytes(text.encode())
    assert fast_run(run, "--dataset", "table", "--dataset_dir", root, "--image_size", "8").code == 0
    assert read(run, "manifest.json")["class_names"] == ["a", "b"]


def test_a_patient_in_two_splits(run: Path, root: Path) -> None:
    splits = ["train", "val", "test"]
    table(root, [f"{i}.png,{'ab'[i % 2]},p{i % 5},{splits[i // 4]}" for i in range(12)], "image,label,patient,split")
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root)
    refused(outcome, run, "patient(s) appear in more than one section, expected none: 'p0' in", "Correct the split")


def test_images_of_different_sizes_without_a_resize(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'ab'[i // 6]}" for i in range(12)], sizes=(8, 9))
    data = ("--dataset", "table", "--dataset_dir", root)
    outcome = fast_run(run, *data, "--image_size", "null")
    refused(outcome, run, "Images differ in size", "[1, 8, 8]", "[1, 9, 9]", "pass image_size")
    assert fast_run(root / "run2", *data, "--image_size", "8").code == 0  # the way out that it names


def test_a_plan_names_the_files_of_different_channels(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'ab'[i // 6]}" for i in range(12)])
    write_image(root / "1.png", (8, 8, 3), seed=1)
    outcome = command("plan", "--dataset", "table", "--dataset_dir", root, "--method", "dm")
    refused(outcome, run, "Images differ in channels", "1.png has", "[3, ", "pass channels=1 or 3.")


def test_volumes_for_networks_of_images(run: Path, root: Path) -> None:
    np.savez(root / "a.npz", **npz_arrays((6, 5, 4)))
    outcome = command("plan", "--dataset", "npz", "--dataset_dir", root, "--dataset_file", "a.npz", "--method", "dm")
    refused(outcome, run, "2 spatial axes", "6, 5, 4]", "spatial_dims 3", "1 or 3 channels")


@pytest.mark.parametrize("content", [b"no image", b""])
def test_an_unreadable_image(run: Path, root: Path, content: bytes) -> None:
    table(root, [f"{i}.png,{'ab'[i % 2]}" for i in range(12)])
    (root / "3.png").write_bytes(content)
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root, "--image_size", "8")
    refused(outcome, run, "failed on image file", "3.png", "get or convert it again")


def test_a_size_of_volumes_for_images(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'ab'[i % 2]}" for i in range(12)])
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root, "--image_size", "[8, 8, 8]")
    refused(outcome, run, "has 3 numbers, got an image of shape (8, 8)", "if the file may be damaged")


def test_a_listed_image_that_is_missing(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'ab'[i % 2]}" for i in range(13)])
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root)
    refused(outcome, run, "Cannot find 1 of 13 listed files", "12.png")


def test_an_image_too_small_for_the_network(run: Path) -> None:
    outcome = fast_run(run, "--network", "resnet18")
    refused(outcome, run, "16 pixels per side for ResNet18", "got image_size (8, 8)", "larger images")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--operations", "[flop]"), ("flop",)),
        (("--operations", "null"), ("list of operation names", "Pass [] for none")),
        (("--device", "no-such-device"), ("no-such-device",)),
        (("--augment#rotation_degres", "3"), ("rotation_degres",)),
        (("--width", "@no_such_id"), ("no_such_id",)),
        (("--width", "$1 +"), ("invalid syntax",)),
    ],
)
def test_a_setting_that_cannot_be(run: Path, words: tuple[str, ...], says: tuple[str, ...]) -> None:
    refused(fast_run(run, *words), run, *says)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, "0") for word in ("iterations", "validate_every", "experts", "students", "student_steps", "chunk")),
        ("validate_every", "1.5"),  # would never come to the end of an epoch
        ("evaluation_steps", "2.5"),  # would be reported when the set is finished
        ("iterations", "ten"),
        ("width", "true"),
        ("seed", "-1"),
        ("full_students", "-1"),
    ],
)
def test_a_number_that_does_not_count_is_refused_before_any_work(run: Path, word: str, value: str) -> None:
    reported = "True" if value == "true" else value
    least = 0 if word in ("seed", "full_students") else 1
    refused(fast_run(run, f"--{word}", value), run, f"a whole number of at least {least} for --{word}, got {reported}.")
    assert not run.exists()


@pytest.mark.parametrize(
    ("word", "value"), [("student_lr", "-0.1"), ("expert_lr", ".nan"), ("temperature", "0"), ("gate", "abc")]
)
def test_a_number_that_is_not_above_zero_is_refused_before_any_work(run: Path, word: str, value: str) -> None:
    reported = "nan" if value == ".nan" else value
    refused(fast_run(run, f"--{word}", value), run, f"Expected a number above 0 for --{word}, got {reported}.")
    assert not run.exists()


@pytest.mark.parametrize(("word", "value"), [("image_lr", "-1"), ("label_lr", ".inf")])
def test_a_step_that_may_be_zero_is_a_number_all_the_same(run: Path, word: str, value: str) -> None:
    reported = value.removeprefix(".")
    refused(
        fast_run(run, "--method", "datm", f"--{word}", value),
        run,
        f"a number of at least 0 for --{word}, got {reported}.",
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--zca", "maybe"), ("true or false for --zca, got maybe",)),
        (("--amp", "float16"), ("true or false for --amp, got float16",)),
        (("--compile_training", "fast"), ("one of reduce-overhead,", "for --compile_training, got fast")),
        (("--compile_distillation", "1"), ("true, false or one of", "for --compile_distillation, got 1")),
        (("--compile_training", "cuda-graphs"), ("a GPU for --compile_training cuda-graphs, got cpu",)),
        (("--dataset_dir", "scans"), ("no --dataset_dir for the data set digits", "--dataset folder")),
        (("--dataset_file", "a.csv"), ("no --dataset_file for the data set digits", "--dataset table")),
        (("--network", "vgg11", "--depth", "2"), ("--depth for the network convnet only, got 2 for vgg11", "--width")),
        (("--output_dir", ""), ("Expected a folder for --output_dir, got ''. Leave it out",)),
        (("--initial_images", "correct"), ("--initial_images of clusters, noise, real for this method, got correct",)),
    ],
)
def test_settings_that_contradict_each_other(run: Path, words: tuple[str, ...], says: tuple[str, ...]) -> None:
    refused(fast_run(run, *words), run, *says)
    assert not run.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_told_with_the_way_out(run: Path) -> None:
    refused(fast_run(run, "--device", "cuda"), run, "a device of this machine", "got 'cuda'", "--device cpu")


def test_one_word_for_a_list_of_names_is_not_taken_for_letters(run: Path, root: Path) -> None:
    table(root, [f"{i}.png,{'ab'[i % 2]}" for i in range(12)])
    outcome = fast_run(run, "--dataset", "table", "--dataset_dir", root, "--class_names", "a,b")
    refused(outcome, run, "class_names as a list of names, such as [benign, malignant]", "got 'a,b'")


def test_a_start_that_asks_for_more_images_than_there_are_is_told_before_experts_train(run: Path, root: Path) -> None:
    np.savez(root / "x.npz", **npz_arrays((8, 8)))
    data = ("--dataset", "npz", "--dataset_dir", root, "--dataset_file", "x.npz", "--images_per_class", "7")
    assert fast_run(run, *data).code == 1
    assert not (run / "experts").exists()


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("--student_lr", "1e30"), ("at iteration 1 ", "Lower student_lr or expert_lr,")),
        (("--image_lr", "1e38"), ("at iteration 2 ", "Lower image_lr or student_lr_lr,")),
        (("--method", "dm", "--image_lr", "1e38"), ("at iteration 2 ", "Lower image_lr,")),
    ],
)
def test_the_setting_that_makes_a_loss_finite_is_named(
    run: Path, words: tuple[str, ...], advice: tuple[str, ...]
) -> None:
    settings = ("--iterations", "3", "--validate_every", "3", "--depth", "1", "--width", "4", "--device", "cpu")
    common = settings if "dm" in words else (*FAST, *settings)
    refused(command("run", "--output_dir", run, *common, *words), run, *advice, "start again in another output_dir")
    outcome = command("resume", run, "--image_lr", "1")
    assert (outcome.code, "--output_dir OTHER" in outcome.err) == (1, True)


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_state(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = fast_run(run, "--image_lr", "1e30")
    refused(outcome, run, "is not finite at iteration 2", "(loss nan)", "Lower image_lr")
    assert [record.name for record in caplog.records if record.name.startswith("ignite")] == []  # would say it again
    state = torch.load(run / "state.pt", weights_only=True)
    assert state["trainer"]["iteration"] == len(state["history"]["iterations"]) == 1
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state["synthetic"].values())
    assert float(state["synthetic"]["images"].abs().max()) > 1e6  # one step was done, so it is not the start


def test_experts_that_diverge_say_what_to_lower(run: Path) -> None:
    outcome = fast_run(run, "--expert_lr", "1e30")
    refused(outcome, run, "diverged", "Lower expert_lr")
    assert read(run / "experts", "manifest.json")["history"] == {}


def test_an_output_folder_that_cannot_be_made(root: Path) -> None:
    (root / "file").write_text("")
    refused(fast_run(root / "file" / "run"), root / "other", "file")
    refused(fast_run(root / "file"), root / "other", "file")


def test_a_disk_that_is_full_while_the_set_is_written_leaves_no_half_file(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.write_bytes

    def write_bytes(path: Path, data: bytes) -> int:
        if "cost" in path.name:  # written when the experts are done, long before the set
            return plain(path, data)
        plain(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", write_bytes)
        refused(fast_run(run), run, "No space left on device")
    assert (run / "state.pt").exists()


def test_a_good_data_set_after_a_bad_one_may_use_the_same_folder(run: Path, root: Path) -> None:
    np.savez(root / "x.npz", **npz_arrays((8, 8), classes=1))
    data = ("--dataset", "npz", "--dataset_dir", root, "--dataset_file", "x.npz")
    assert fast_run(run, *data).code == 1
    np.savez(root / "x.npz", **npz_arrays((8, 8), classes=2))
    assert fast_run(run, *data).code == 0
    assert SyntheticDataset.load(run).class_names == ("class 0", "class 1")
