"""Exporting: complete, scored as it lies, scanned, or not at all."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import medmnist.dataset
import pytest
import torch

from monai_distill.data import SyntheticDataset
from monai_distill.export.release import Owner, Release, Verification, release
from monai_distill.export.release.formats.reading import read_release
from monai_distill.export.release.scan import IdentifyingWords
from tests.export.release.conftest import (
    AUDIT,
    LEDGER,
    METRICS,
    PROMISE,
    SHAPES,
    SOURCE,
    MakeRun,
    Write,
    read,
    score_by_mean,
    summary,
)

ALWAYS = {
    *("DATA_CARD.md", "LICENSE", "SHA256SUMS", "croissant.json", "labels.csv", "manifest.json"),
    *("privacy_report.json", "privacy_report.md", "scores.json", "synthetic.safetensors"),
}
PNG = {"preview.png", *(f"png/synthetic_000{n}.png" for n in (1, 2, 3, 4))}
NIFTI = {f"nifti/synthetic_000{n}.nii.gz" for n in (1, 2, 3, 4)}
NPZ = {"synthetic.npz", "medmnist_info.json"}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", SHAPES)
def test_a_release_has_every_file_and_verifies(kind: str, write: Write) -> None:
    folder = write(kind)
    assert names(folder) == ALWAYS | PNG | NIFTI | NPZ
    assert Verification.of(folder).problems == ()
    assert [path.name for path in folder.parent.iterdir()] == ["release"]
    data = SyntheticDataset.load(folder)
    assert torch.equal(data.images, SyntheticDataset.load(folder.parents[1] / "run").images)


@pytest.mark.parametrize(("formats", "more"), [(["safetensors"], set()), (["png", "safetensors"], PNG)])
def test_only_the_requested_formats_are_written(formats: list[str], more: set[str], write: Write) -> None:
    folder = write(formats=formats)
    assert names(folder) == ALWAYS | more
    assert Verification.of(folder).problems == ()


@pytest.mark.parametrize("formats", [["npz"], ["safetensors", "dicom"], []])
def test_formats_that_cannot_stand_alone_or_are_unknown_are_refused(formats: list[str], make_run: MakeRun) -> None:
    with pytest.raises(ValueError, match="with safetensors among them"):
        Release(make_run(), "x", formats, no_claim=True)


def test_no_claim_has_to_be_said(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"No claim can be made.*initial images are real.*no audit of this set.*--no_claim"
    ):
        Release(make_run(), tmp_path / "out")
    assert Release(make_run(), tmp_path / "out", no_claim=True).tier.name == "T0"


def test_what_is_scored_is_what_each_format_holds(write: Write) -> None:
    folder = write()
    scores = read(folder, "scores.json")
    for name in ("safetensors", "npz", "nifti"):
        mean = float(read_release(folder, name).images.detach().mean())  # the score of score_by_mean
        assert scores["formats"][name]["accuracy"]["mean"] == mean
    assert scores["distilled"] == scores["formats"]["safetensors"]
    cost = scores["rounding_cost"]["npz"]["accuracy"]
    assert 0 < abs(cost) < 0.05
    assert cost == scores["distilled"]["accuracy"]["mean"] - scores["formats"]["npz"]["accuracy"]["mean"]
    assert (scores["students"], scores["prior"]) == (2, {"accuracy": 0.5})
    assert {"dataset", "method", "images_per_class", "network", "protocol", "random", "full"} <= scores.keys()


def test_the_manifest_keeps_what_is_needed_and_nothing_that_leads_back(write: Write) -> None:
    text = (write() / "manifest.json").read_text()
    manifest = json.loads(text)
    for leading in ("31337", "feed", "secret_listing", "/home", "chosen_iteration", "123", "234", "357"):
        assert leading not in text, leading
    assert manifest["source"]["training_images_rounded"] == 360
    assert manifest["release"]["formats"] == ["safetensors", "npz", "png", "nifti"]
    assert manifest["privacy"]["tier"] == "T0"


@pytest.mark.parametrize("kind", SHAPES)
def test_the_python_of_the_data_card_runs(kind: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(kind)
    card = (folder / "DATA_CARD.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", card, re.M | re.S)
    assert len(blocks) == 3
    monkeypatch.chdir(folder)
    monkeypatch.setattr(medmnist.dataset, "INFO", dict(medmnist.dataset.INFO))
    for block in blocks:
        found: dict[str, Any] = {}
        exec(compile(block, "DATA_CARD.md", "exec"), found)
        assert len(found["dataset"]) == 4


@pytest.mark.parametrize("soft", [False, True])
def test_the_training_loop_of_the_card_runs_on_both_kinds_of_labels(
    soft: bool, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"no_claim": True, "labels": "soft" if soft else "hard", "formats": ["safetensors"]}
    folder = Release(make_run(soft=soft), tmp_path / "r", **options).write(score_by_mean, IdentifyingWords([]))
    card = (folder / "DATA_CARD.md").read_text()
    assert ("`label` of an item holds probabilities" in card) == soft
    assert "already standardized" in card
    (block,) = re.findall(r"^```python\n(.*?)^```$", card, re.M | re.S)
    monkeypatch.chdir(folder)
    found: dict[str, Any] = {}
    exec(compile(block, "DATA_CARD.md", "exec"), found)
    assert float(found["loss"].detach()) < 0.69  # ln 2: the loss of guessing


def test_the_card_says_what_it_is(write: Write, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("From two clinics, ethics vote 12/345.")
    owner = Owner(title="Moles", publisher="Clinic A", recipient="University B", notes=tmp_path / "notes.md")
    folder = write(owner=owner)
    card = (folder / "DATA_CARD.md").read_text()
    for part in ("SYNTHETIC", "T0 (no claim)", "not for diagnosis", "From two clinics", "Clinic A", "University B"):
        assert part in card
    assert "distilled from Moles" in card
    assert read(folder, "privacy_report.json")["context_assessment"]["recipient"] == "University B"


# ---- tiers


def test_an_audited_set_goes_out_with_its_figures_and_no_pairs(make_run: MakeRun, write: Write) -> None:
    folder = write(run=make_run(initial_images="noise", files={"audit.json": AUDIT}), no_claim=False)
    assert read(folder, "manifest.json")["privacy"]["tier"] == "T1"
    audit = read(folder, "audit.json")
    assert audit["attacks"]["nearest_neighbor"]["auc"] == 0.51
    assert not audit.keys() & {"pairs", "candidates", "statement"}
    found = Verification.of(folder)
    assert found.problems == ()
    assert "T1 (audited)" in found.claimed[0]
    assert "An attack found no member: the interval contains chance: nearest_neighbor (AUC 0.510" in found.claimed[1]


def test_a_guarantee_goes_out_with_its_ledger_and_no_figure_of_real_images(make_run: MakeRun, write: Write) -> None:
    files = {"audit.json": AUDIT, "ledger.json": LEDGER}
    protocol = {"students": {"steps": 3}, "full": {"steps": 9}, "test": "read once"}
    run = make_run(initial_images="noise", privacy=PROMISE, files=files, protocol=protocol)
    folder = write(run=run, no_claim=False)
    assert read(folder, "dp_ledger.json") == read(run, "ledger.json")
    for name in ("manifest.json", "scores.json"):
        assert list(read(folder, name)["protocol"]) == ["students", "test"]  # of the rows that are there
    assert "audit.json" not in names(folder)
    scores = read(folder, "scores.json")
    assert not scores.keys() & {"random", "full", "controls"}
    report = read(folder, "privacy_report.json")["identifiability_assessment"]
    assert report["guarantee"]["epsilon"] == 3.0
    assert report["guarantee"]["largest_true_positive_rate_of_any_membership_attack"]["at 0.1% false positives"] < 0.021
    found = Verification.of(folder)
    assert found.problems == ()
    assert "epsilon 3 and delta 1e-05. Unit: one patient" in found.claimed[0]


def test_learned_labels_do_not_go_out_as_audited(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(soft=True, initial_images="noise", files={"audit.json": AUDIT})
    with pytest.raises(ValueError, match=r"Learned labels carry.*Leave out --labels soft"):
        Release(run, tmp_path / "out", labels="soft")
    folder = Release(run, tmp_path / "out").write(score_by_mean, IdentifyingWords([]))
    assert Verification.of(folder).problems == ()
    data = SyntheticDataset.load(folder)
    assert not data.soft
    assert data.labels.tolist() == [0, 0, 1, 0]


def test_learned_labels_are_released_only_on_request(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(soft=True)
    soft = Release(run, tmp_path / "soft", no_claim=True, labels="soft").write(score_by_mean, IdentifyingWords([]))
    hard = Release(run, tmp_path / "hard", no_claim=True).write(score_by_mean, IdentifyingWords([]))
    assert (SyntheticDataset.load(soft).soft, SyntheticDataset.load(hard).soft) == (True, False)
    assert Verification.of(soft).problems == Verification.of(hard).problems == ()
    assert "hard_label_cost" not in read(soft, "scores.json")
    with pytest.raises(ValueError, match=r"Expected labels hard or soft, got 'both'"):
        Release(run, tmp_path / "both", no_claim=True, labels="both")


def test_the_cost_of_hard_labels_is_measured_and_said(make_run: MakeRun, tmp_path: Path) -> None:
    def by_labels(training_set: SyntheticDataset, on_step: Any) -> dict[str, Any]:
        return {name: summary(0.75 if training_set.soft else 0.5) for name in METRICS}

    folder = Release(make_run(soft=True), tmp_path / "r", no_claim=True).write(by_labels, IdentifyingWords([]))
    scores = read(folder, "scores.json")
    assert scores["hard_label_cost"]["accuracy"] == 0.25
    assert "learned labels" not in scores["formats"]
    card = (folder / "DATA_CARD.md").read_text()
    assert "Class numbers instead of the learned labels of the run change the accuracy by -0.250." in card


# ---- refusals, and that nothing is left of them


def test_mhist_never_leaves(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="may not be passed on"):
        Release(make_run(dataset="mhist"), tmp_path / "out", no_claim=True)


def test_a_set_that_could_hold_the_real_images_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    few = {**SOURCE, "counts": {"training": [19, 300]}}
    with pytest.raises(ValueError, match="a share of 11%"):
        Release(make_run(source=few), tmp_path / "out", no_claim=True)
    many = Release(make_run(), tmp_path / "out", no_claim=True)
    assert "for every 61 real images" in many.manifest["release"]["warnings"][0]


def test_an_unfinished_run_and_a_used_folder_are_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    with pytest.raises(RuntimeError, match=r"exists\. Choose another folder"):
        Release(run, tmp_path, no_claim=True)
    (run / "scores.json").unlink()
    with pytest.raises(RuntimeError, match="the set is not scored"):
        Release(run, tmp_path / "out", no_claim=True)


@pytest.mark.parametrize("word", ["false", "true", 1])
def test_a_word_does_not_open_the_gate(word: Any, make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Expected no_claim True or False"):
        Release(make_run(), tmp_path / "out", no_claim=word)


@pytest.mark.parametrize(
    "planted",
    [
        {"dataset": "of_jane_doe"},
        {"settings": {"table": "/data/clinic/table.csv"}},
        {"network": {"_target_": "x", "cache": "C:\\scans\\a"}},
        {"source": {**SOURCE, "citation": "scan JANE^DOE"}},
        {"source": {**SOURCE, "split": "as in img_0815.dcm"}},
    ],
)
def test_a_planted_name_or_path_fails_the_export_and_leaves_nothing(
    planted: dict[str, Any], make_run: MakeRun, write: Write, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="The scan found identifying content, so nothing was exported: "):
        write(run=make_run(**planted), words=("Jane Doe", "IMG_0815.dcm"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_in_the_owners_texts_is_found_before_anything_is_scored(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("with thanks to Jane Doe")
    release = Release(make_run(), tmp_path / "out" / "r", no_claim=True, owner=Owner(notes=tmp_path / "notes.md"))
    with pytest.raises(RuntimeError, match=r"DATA_CARD.md: holds 'Jane Doe'"):
        release.write(score_by_mean, IdentifyingWords(["Jane Doe"]))
    assert list((tmp_path / "out").iterdir()) == []
    release.write(score_by_mean, IdentifyingWords(["Jane Doe"], but=["jane doe"]))


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_whatever_stops_an_export_leaves_nothing(error: BaseException, make_run: MakeRun, tmp_path: Path) -> None:
    def broken(**_: Any) -> dict[str, Any]:
        raise error

    release = Release(make_run(), tmp_path / "out" / "r", no_claim=True)
    with pytest.raises(type(error)):
        release.write(broken, IdentifyingWords([]))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_release_that_its_recipient_could_not_verify_is_not_made(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "checksums", lambda _: "")
    made = Release(make_run(), tmp_path / "out" / "r", no_claim=True)
    with pytest.raises(RuntimeError, match=r"does not verify, so nothing was exported: .*not listed in SHA256SUMS"):
        made.write(score_by_mean, IdentifyingWords([]))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_run_is_left_as_it_was(make_run: MakeRun, write: Write) -> None:
    run = make_run()
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    write(run=run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
