"""Every bundle of the project goes through MONAI's own workflow and checks, on made data where need be."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigWorkflow, ckpt_export, create_workflow, verify_metadata, verify_net_in_out
from monai.engines.utils import IterationEvents
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score

from monai_distill.claims import tier_of
from monai_distill.data import SyntheticDataset
from monai_distill.engines.distillation import Distiller
from monai_distill.export.release import Verification
from monai_distill.privacy.dp.accounting import ledger_epsilon
from tests.bundles.conftest import BUNDLES, NAMES, run, workflow
from tests.configs.command import command

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
REAL = SHARED / "data"
SCHEMA = SHARED / "reference" / "meta_schema_20240725.json"
SCHEMA_SHA256 = "cd64aa8a5904426f6fc6855dabe46af8c742d5bad644b4e9cfb78ebad09ad678"
FULL = [name for name in NAMES if (BUNDLES / name / "models" / "synthetic.safetensors").is_file()]
UNFILLED = [name for name in NAMES if name not in FULL]
DIGITS = "digits_dataset_distillation"
GUARANTEED = {"pneumoniamnist_epsilon8_dataset_distillation": (8.0, 1e-5)}  # epsilon and delta
MHIST, COVID = "mhist_dataset_distillation", "covid_cxr_dataset_distillation"
MAY_NOT = {MHIST: "may not be passed on", COVID: "Expected a source with a known license"}  # the others: CC BY
FILES = {
    "LICENSE",
    "configs/evaluate.json",
    "configs/export.json",
    "configs/inference.json",
    "configs/logging.conf",
    "configs/metadata.json",
    "configs/multi_gpu_train.json",
    "configs/no_data.json",
    "configs/train.json",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.pt",
}
TUTORIAL = {DIGITS: {"docs/tutorial.ipynb"}}
FILLED = {"models/manifest.json", "models/scores.json", "models/synthetic.safetensors"}
RUN_THERE = ("train", "eval", "release")  # what is there where somebody ran a bundle, and models/model.ts


def texts(name: str) -> set[str]:
    """The files of a bundle outside of a filled ``models/``; with a guarantee it runs in one process."""
    return (FILES - ({"configs/multi_gpu_train.json"} if name in GUARANTEED else set())) | TUTORIAL.get(name, set())


def filled(name: str) -> set[str]:
    return FILLED | ({"models/ledger.json"} if name in GUARANTEED else set())


def files(root: Path) -> set[str]:
    own = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {str(path) for path in own if path.parts[0] not in RUN_THERE and path.name != "model.ts"}


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:  # MONAI wraps what went wrong
        error = error.__cause__
    return str(error)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# ---- what lies there


def test_there_are_these_bundles_and_each_is_whole() -> None:
    assert {path.name for path in BUNDLES.iterdir()} == set(NAMES)
    for bundle in NAMES:
        assert files(BUNDLES / bundle) == texts(bundle) | (filled(bundle) if bundle in FULL else set())


def test_it_is_what_the_command_writes_from_configs(name: str, tmp_path: Path) -> None:
    if name in FULL:  # the numbers of its set stand in its inference configuration
        shutil.copytree(BUNDLES / name / "models", tmp_path / name / "models")
    outcome = command("bundle", name, "--to", tmp_path)
    assert outcome.code == 0, outcome.err
    for file in sorted(texts(name) - {"models/model.pt"}):
        assert (BUNDLES / name / file).read_text() == (tmp_path / name / file).read_text(), (
            f"{file} is not in step with configs/. Write it again: monai-distill bundle {name} --to bundles --replace"
        )
    written, shipped = (
        torch.load(root / name / "models" / "model.pt", weights_only=True) for root in (tmp_path, BUNDLES)
    )
    assert {k: v.shape for k, v in written.items()} == {k: v.shape for k, v in shipped.items()}


def test_nothing_of_this_machine_is_written_into_it(name: str) -> None:
    for file in texts(name) | (filled(name) if name in FULL else set()):
        content = (BUNDLES / name / file).read_bytes()
        assert b"/home/" not in content, file
        assert b"/work/" not in content, file
    assert "optional_packages_version" not in json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())


# ---- MONAI's own checks


def test_its_metadata_keeps_to_the_schema(name: str, tmp_path: Path) -> None:
    pytest.importorskip("jsonschema")
    if not SCHEMA.is_file():
        pytest.skip(f"the schema is not here: {SCHEMA}")
    copy = tmp_path / "schema.json"
    copy.write_bytes(SCHEMA.read_bytes())
    meta = BUNDLES / name / "configs" / "metadata.json"
    verify_metadata(meta_file=str(meta), filepath=str(copy), hash_val=SCHEMA_SHA256, hash_type="sha256")
    content = json.loads(meta.read_text())
    assert content["version"] in content["changelog"]


def test_its_network_takes_and_gives_what_the_metadata_say(name: str) -> None:
    configs = BUNDLES / name / "configs"
    about = {"meta_file": str(configs / "metadata.json"), "config_file": str(configs / "inference.json")}
    verify_net_in_out(net_id="network_def", device="cpu", **about)
    with pytest.raises(ValueError, match="output channel number"):  # the check can fail
        verify_net_in_out(
            net_id="network_def", device="cpu", **about, **{"_meta_#network_data_format#outputs#pred#num_channels": 77}
        )


def test_its_model_becomes_torchscript_that_says_the_same(name: str, tmp_path: Path) -> None:
    configs, weights = BUNDLES / name / "configs", BUNDLES / name / "models" / "model.pt"
    config, meta = str(configs / "inference.json"), str(configs / "metadata.json")
    ckpt_export("network_def", str(tmp_path / "model.ts"), str(weights), meta, config)
    made = workflow(BUNDLES / name, "inference", kind="infer", device="cpu")
    made.initialize()
    network = made.network_def.eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    shape = json.loads(Path(meta).read_text())["network_data_format"]["inputs"]["image"]
    image = torch.rand(2, shape["num_channels"], *shape["spatial_shape"])
    with torch.no_grad():
        # to rounding: TorchScript takes torch's own pooling and normalization in the place of ours
        torch.testing.assert_close(torch.jit.load(tmp_path / "model.ts")(image), network(image))


# ---- train, train plus evaluate, inference, export


def test_it_distils_scores_classifies_and_exports(
    name: str, copied: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, (for_train, _) = copied(name), settings(name)
    # a width and a depth of their own, and sides of the images: the trained bundle carries them, nobody repeats them
    afterwards = {key: value for key, value in for_train.items() if key not in ("width", "depth", "image_size")}
    monkeypatch.setattr("monai_distill.export.release.manifest.REFUSE", 1.0)  # made data have few images a class
    trained = run(workflow(root, "train", kind="train", **for_train))
    assert isinstance(trained.trainer, Distiller)
    assert trained.trainer.state.iteration == 4
    synthetic = SyntheticDataset.load(root / "models")
    assert len(synthetic.images) == len(synthetic.class_names)
    weights = torch.load(root / "models" / "model.pt", weights_only=True)
    assert any(bool(value.any()) for value in weights.values())
    assert "trainer" in torch.load(root / "train" / "state.pt", weights_only=True)

    run(workflow(root, "train", "evaluate", kind="train", **for_train))
    scores = json.loads((root / "eval" / "scores.json").read_text())
    assert {"distilled", "random", "full", "prior"} <= set(scores)
    assert len(scores["distilled"]["accuracy"]["values"]) == 2
    next_to_set = json.loads((root / "models" / "scores.json").read_text())
    if name in GUARANTEED:  # scores of networks that were trained on real images stay
        assert next_to_set["distilled"] == scores["distilled"]
        assert {"random", "packed", "full", "prior"}.isdisjoint(next_to_set)
    else:
        assert next_to_set == scores

    inferred = run(workflow(root, "inference", kind="infer", **_places(afterwards)))
    said = rows(root / "eval" / "predictions.csv")
    names = list(synthetic.class_names)
    assert list(said[0]) == ["image", "predicted", *(f"p({c})" for c in names), "label"]
    assert len(said) == len(inferred.dataset)
    for row in said:
        probabilities = [float(row[f"p({c})"]) for c in names]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert row["predicted"] == names[max(range(len(names)), key=lambda c: probabilities[c])]

    if name not in GUARANTEED:
        assert MAY_NOT.get(name, "No claim can be made") in refusal(root, **afterwards, no_claim="false")
    for word in ("no", 1):  # MONAI's command line hands on words; one that is neither must not pass for either
        assert f"Expected true or false, got {word!r}" in refusal(root, **afterwards, no_claim=word)
    if name == MHIST:  # for any number
        assert MAY_NOT[name] in refusal(root, **afterwards, no_claim=True, license=str(root / "LICENSE"))
        return
    license = {"license": str(root / "LICENSE")} if name in MAY_NOT else {}
    exported(root, **afterwards, no_claim=str(name not in GUARANTEED).lower(), **license)
    release_is_whole(root / "release", scores, GUARANTEED.get(name))
    stored = {"inference.json": ""}
    scripted = torch.jit.load(root / "models" / "model.ts", _extra_files=stored).state_dict()
    given = json.loads(stored["inference.json"])  # without names of the owner's table and columns
    assert not any(given.get(key) for key in given if key == "dataset_file" or key.endswith("_column"))
    assert all(torch.equal(scripted[key], value) for key, value in weights.items())


def _places(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key in ("dataset_dir", "device")}


def release_is_whole(release: Path, evaluated: dict[str, Any], budget: tuple[float, float] | None) -> None:
    found = Verification.of(release)
    assert found.problems == ()
    names = {"synthetic.npz", "nifti", "png", "DATA_CARD.md", "croissant.json", "privacy_report.md", "LICENSE"}
    assert names <= {path.name for path in release.iterdir()}
    claim = SyntheticDataset.load(release).manifest["privacy"]
    assert claim["tier"] == ("T0" if budget is None else "T2")
    assert (claim["epsilon"], claim["delta"]) == (budget or (None, None))
    scores = json.loads((release / "scores.json").read_text())
    # the students of evaluate, seeds included, on what the file holds
    assert scores["formats"]["safetensors"]["accuracy"] == evaluated["distilled"]["accuracy"]
    assert scores.get("random") == (evaluated["random"] if budget is None else None)
    assert {"npz", "nifti"} <= scores["formats"].keys()


def exported(root: Path, **settings: Any) -> None:
    exporting = workflow(root, "export", kind=None, **settings)  # type: ignore[arg-type]
    exporting.initialize()
    exporting.run()


def refusal(root: Path, **settings: Any) -> str:
    with pytest.raises(RuntimeError) as caught:
        exported(root, **settings)
    assert not (root / "release").exists()
    assert not (root / "models" / "model.ts").exists()
    return first_cause(caught.value)


@pytest.mark.parametrize("name", UNFILLED)
def test_a_bundle_that_is_not_filled_has_no_opinion_and_says_what_to_do(name: str, copied: Any, settings: Any) -> None:
    root, (_, for_inference) = copied(name), settings(name)
    weights = torch.load(root / "models" / "model.pt", weights_only=True)
    assert not any(bool(value.any()) for value in weights.values())
    assert (root / "models" / "model.pt").stat().st_size < 20_000
    made = workflow(root, "inference", kind="infer", **_places(for_inference))
    made.initialize()
    assert made.check_properties() == []
    with pytest.raises(RuntimeError) as caught:
        made.run()
    assert "holds no distilled set yet" in first_cause(caught.value)
    assert "a bundle's models/ is filled by its train configuration" in refusal(root, no_claim=True)


def test_a_set_that_is_not_scored_or_was_made_again_is_not_exported(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    (root / "models" / "model.ts").write_bytes(b"of the set before")
    run(workflow(root, "train", kind="train", **for_train))
    assert files(root) & FILLED == FILLED - {"models/scores.json"}  # those of the set before are gone
    assert "run train.json with evaluate.json" in refusal(root, **for_train, no_claim=True)


def test_a_bundle_without_a_required_part_does_not_pass(copied: Any) -> None:
    root = copied(DIGITS)
    config = json.loads((root / "configs" / "inference.json").read_text())
    del config["inferer"]
    (root / "configs" / "inference.json").write_text(json.dumps(config))
    made = workflow(root, "inference", kind="infer", device="cpu", evaluator=None)
    made.initialize()
    with pytest.raises(KeyError, match="inferer"):
        made.check_properties()


@pytest.mark.slow
def test_an_interrupted_training_goes_on_to_the_same_set(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    run(workflow(root, "train", kind="train", **for_train, output_dir=str(root / "whole")))
    whole = load_file(root / "models" / "synthetic.safetensors")

    def stop(engine: Any) -> None:
        if engine.state.iteration == 3:
            raise KeyboardInterrupt

    first = workflow(root, "train", kind="train", **for_train)
    first.initialize()
    first.trainer.add_event_handler(IterationEvents.LOSS_COMPLETED, stop)
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        first.run()
    run(workflow(root, "train", kind="train", **for_train, resume=True))
    resumed = load_file(root / "models" / "synthetic.safetensors")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize("configs", [("train",), ("train", "evaluate"), ("inference",)])
def test_create_workflow_makes_it(name: str, configs: tuple[str, ...], copied: Any, settings: Any) -> None:
    root, chosen = copied(name), settings(name)[configs == ("inference",)]
    with pytest.warns(UserWarning, match="parsing config_file"):
        made = create_workflow(
            config_file=[str(root / "configs" / f"{config}.json") for config in configs],
            workflow_type="infer" if configs == ("inference",) else "train",
            logging_file=False,
            bundle_root=str(root),
            **chosen,
        )
    assert isinstance(made, ConfigWorkflow)
    assert made.check_properties() == []
    made.finalize()


def test_create_workflow_makes_the_same_and_takes_properties_of_ones_own(copied: Any, settings: Any) -> None:
    root, (for_train, _) = copied(DIGITS), settings(DIGITS)
    with pytest.warns(UserWarning, match="parsing config_file"):
        made = create_workflow(
            config_file=str(root / "configs" / "train.json"),
            workflow_type="train",
            logging_file=False,
            bundle_root=str(root),
            **for_train,
        )
    made.add_property("synthetic", True, "synthetic", desc="the set that is distilled")
    assert made.check_properties() == []
    before = made.synthetic.images.detach().clone()
    made.run()
    assert not torch.equal(before, made.synthetic.images)
    assert made.version == "0.1.0"


# ---- those that are filled


@pytest.fixture
def real_data(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """``real_data(NAME)``: where the images of a filled bundle lie; skips where they are not here."""

    def found(name: str) -> dict[str, str]:
        files = {"bloodmnist": "bloodmnist_own_split.npz", "pneumoniamnist": "pneumoniamnist.npz"}
        dataset = name.partition("_")[0]
        if dataset not in files:
            return {}
        if not (REAL / files[dataset]).is_file():
            pytest.skip(f"{files[dataset]} is not here")
        (tmp_path / f"{dataset}.npz").symlink_to((REAL / files[dataset]).resolve())
        return {"dataset_dir": str(tmp_path)}

    return found


@pytest.mark.parametrize("full", FULL)
def test_the_shipped_classifier_scores_what_the_metadata_say(full: str, copied: Any, real_data: Any) -> None:
    root, claimed = copied(full), _claimed(full)
    run(workflow(root, "inference", kind="infer", device="cpu", **real_data(full)))
    said = rows(root / "eval" / "predictions.csv")
    measured = accuracy_score([row["label"] for row in said], [row["predicted"] for row in said])
    assert measured == pytest.approx(claimed["model_test_accuracy"], abs=0.006)  # two digits
    assert measured > 0.8


@pytest.mark.parametrize("full", FULL)
def test_the_scores_of_the_metadata_are_those_that_are_shipped(full: str) -> None:
    claimed, scores = _claimed(full), json.loads((BUNDLES / full / "models" / "scores.json").read_text())
    rows_of = {"distilled": "distilled", **({} if full in GUARANTEED else {"random": "random_real_subset"})}
    for row, said in rows_of.items():
        assert scores[row]["accuracy"]["mean"] == pytest.approx(claimed[f"{said}_test_accuracy"], abs=5e-4)
        assert scores[row]["accuracy"]["std"] == pytest.approx(claimed[f"{said}_test_accuracy_std"], abs=5e-4)
    if full in GUARANTEED:
        return
    assert scores["full"]["accuracy"]["mean"] == pytest.approx(claimed["all_training_images_test_accuracy"], abs=5e-4)
    assert scores["prior"]["accuracy"] == pytest.approx(claimed["most_frequent_class_test_accuracy"], abs=5e-4)


@pytest.mark.parametrize("name", GUARANTEED)
def test_the_shipped_set_supports_the_claim_of_its_papers(name: str) -> None:
    models, (epsilon, delta) = BUNDLES / name / "models", GUARANTEED[name]
    ledger, manifest = (json.loads((models / f"{file}.json").read_text()) for file in ("ledger", "manifest"))
    assert tier_of(manifest, None, ledger).name == "T2"
    assert ledger_epsilon(ledger["events"], delta) <= epsilon + 1e-6
    assert (manifest["privacy"]["epsilon"], manifest["privacy"]["delta"]) == (epsilon, delta)
    assert tier_of(manifest, None, {**ledger, "set_sha256": "0" * 64}).name == "T0"  # the check can fail
    for paper in ("docs/README.md", "configs/metadata.json"):
        text = (BUNDLES / name / paper).read_text()
        assert f"epsilon {epsilon:g} and delta {delta:g}" in text
        assert "no privacy guarantee" not in text


def _claimed(name: str) -> dict[str, float]:
    found: dict[str, float] = json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())["eval_metrics"]
    return found
