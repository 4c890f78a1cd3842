"""The files of ``configs/`` fit together: every combination, every preset, and MONAI's own contract."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import pydoc
import re
from typing import Any

import medmnist
import pytest
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow, ReferenceResolver
from monai.bundle.config_item import ConfigComponent
from monai.bundle.properties import TrainProperties

import monai_distill.engines
from monai_distill.configuration.composition import composed
from monai_distill.configuration.files import available, config_dir, dataset_entry, run_files
from monai_distill.transforms import SiameseAugment
from tests.configs.command import FAST
from tests.configs.presets import own_settings, tables

ROOT = config_dir()
DATASETS, METHODS, NETWORKS = available("datasets"), available("methods"), available("networks")
OWN_FILES = {"folder", "npz", "table", "digits", "mhist", "covid", "mnist", "cifar10"}


def files(dataset: str, network: str = "convnet", method: str = "mtt") -> list[str]:
    return [str(file) for file in run_files(dataset, network, method).all]


def parsed(dataset: str, network: str = "convnet", method: str = "mtt") -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(files(dataset, network, method))
    parser.update(dataset_entry(dataset)[1])
    parser.parse()
    return parser


def dangling(parser: ConfigParser) -> list[str]:
    """References to ids that no file has."""
    items = parser.ref_resolver.items
    missing = []
    for where, item in items.items():
        value = item.get_config()
        if isinstance(value, str):
            names = [name.removeprefix("@") for name in ReferenceResolver.match_refs_pattern(value)]
            missing += [f"{where} -> {name}" for name in names if name not in items]
    return missing


@pytest.mark.parametrize(
    ("dataset", "method"), [*((dataset, "mtt") for dataset in DATASETS), *(("digits", method) for method in METHODS)]
)
def test_every_combination_parses_without_data_and_refers_to_nothing_that_is_not_there(
    dataset: str, method: str
) -> None:
    for network in NETWORKS:
        parser = parsed(dataset, network, method)
        assert dangling(parser) == []
        assert parser.get_parsed_content("dataset_name") == dataset
        assert parser.get("method") == method


def test_the_rule_on_references_finds_what_is_not_there() -> None:
    parser = ConfigParser({"a": 1, "b": "@a", "c": "$@a + @nowhere", "d": {"e": "@a#x"}})
    parser.parse()
    assert dangling(parser) == ["c -> nowhere", "d::e -> a::x"]


@pytest.mark.parametrize(
    "dataset", ["digits", "npz", "table", "folder", "mhist", "covid", "pathmnist", "mnist", "cifar10"]
)
def test_every_target_names_a_callable(dataset: str) -> None:
    parser = parsed(dataset)
    components = {k: item for k, item in parser.ref_resolver.items.items() if isinstance(item, ConfigComponent)}
    assert len(components) > 15
    for where, component in components.items():
        target = component.resolve_module_name()
        assert callable(pydoc.locate(target) if isinstance(target, str) else target), where


def settings(dataset: str) -> dict[str, Any]:
    """The settings of a data set's file and its entry."""
    file, entry = dataset_entry(dataset)
    return {**yaml.safe_load(file.read_text()), **entry}


@pytest.mark.parametrize("flag", sorted(medmnist.INFO))
def test_every_flag_of_medmnist_has_a_data_set_of_its_own_rank(flag: str) -> None:
    config = settings(flag)
    assert (config["flag"], config["dataset_name"], config["dataset"]["flag"]) == (flag, "@flag", "@flag")
    assert config["spatial_dims"] == (3 if flag.endswith("3d") else 2)
    left_and_right = {"organamnist", "organcmnist", "organsmnist", "organmnist3d", "chestmnist", "pneumoniamnist"}
    assert not (flag in left_and_right and "flip" in config["allowed_operations"])


def test_there_is_no_data_set_that_no_loader_reads() -> None:
    assert set(DATASETS) == set(medmnist.INFO) | OWN_FILES


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_data_set_says_which_augmentations_keep_its_labels(dataset: str) -> None:
    operations = settings(dataset)["allowed_operations"]
    assert tuple(SiameseAugment(operations).operations) == tuple(operations)
    assert "flip" not in operations or dataset not in {"digits", "mnist", "covid", "npz", "table", "folder"}


@pytest.mark.parametrize("method", METHODS)
def test_presets_set_only_known_names_for_known_data_sets(method: str) -> None:
    presets, shared = tables(method)
    assert set(presets) | set(shared) <= set(DATASETS)
    for dataset in DATASETS:
        for count in (1, 2, 10, 50):
            own_settings(method, dataset, count)  # raises for an unknown name


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> ConfigWorkflow:
    values = {name.removeprefix("--"): yaml.safe_load(value) for name, value in zip(FAST[::2], FAST[1::2], strict=True)}
    folder = tmp_path_factory.mktemp("workflow")
    versions = dict.fromkeys(["version", "monai_version", "pytorch_version", "numpy_version"], "1")
    (folder / "metadata.json").write_text(json.dumps(versions))  # configs/ is no bundle: MONAI wants it of one
    made = ConfigWorkflow(
        config_file=files("digits"),
        meta_file=str(folder / "metadata.json"),
        workflow_type="train",
        output_dir=str(folder / "run"),
        **values,
    )
    made.initialize()
    return made


def test_it_is_a_training_workflow_with_every_property_that_monai_requires(workflow: ConfigWorkflow) -> None:
    assert workflow.check_properties() == []
    required = [name for name, about in TrainProperties.items() if about["required"]]
    assert {"trainer", "max_epochs", "train_dataset", "train_inferer"} <= set(required)
    for name in [name for name in required if name != "dataset_dir"]:
        assert getattr(workflow, name) is not None, name
    assert workflow.dataset_dir is None  # the digits need none


def test_its_properties_are_the_objects_of_the_job(workflow: ConfigWorkflow) -> None:
    assert isinstance(workflow.trainer, monai_distill.engines.distillation.Distiller)
    assert isinstance(workflow.evaluator, monai_distill.engines.students.StudentEvaluator)
    assert workflow.max_epochs == workflow.trainer.state.max_epochs == 2
    assert len(workflow.train_dataset) == 1078
    assert workflow.network_def.parameters is not None
    assert [type(handler).__name__ for handler in workflow.train_handlers] == [
        "HandlerGroup",
        "ProgressBar",
        "TensorBoardStatsHandler",
        "ValidationHandler",
        "HandlerGroup",
    ]
    last = workflow.train_handlers[-1].handlers
    assert [type(handler).__name__ for handler in last] == ["History", "ResumableState"]


def test_no_target_is_also_the_name_of_a_module() -> None:
    """Which of the two ``_target_`` finds would then depend on what was imported before."""
    text = "\n".join(file.read_text() for file in ROOT.rglob("*.yaml"))
    targets = sorted(set(re.findall(r"_target_: '?\$?(monai_distill(?:\.\w+)+)", text)))
    assert len(targets) > 30
    assert [t for t in targets if (ROOT.parent / f"{t.replace('.', '/')}.py").exists()] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_the_presets_width_is_the_convnets_and_a_given_one_is_every_networks(network: str) -> None:
    def widths(**given: int) -> tuple[int, int]:
        arguments = composed("digits", network, "mtt", given)
        parser = ConfigParser()
        parser.read_config([*arguments.pop("config_file"), str(ROOT / "protocols.yaml")])
        parser.update(arguments)
        return parser.get_parsed_content("network_factory#width"), parser.get_parsed_content("cross_widths#convnet")

    own = {"alexnet": 128, "vgg11": 64, "resnet18": 64, "vit": 96, "convnet": 32}
    assert widths() == (own[network], 32)
    assert widths(width=12) == (12, 12 if network == "convnet" else 32)
