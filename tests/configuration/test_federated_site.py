"""The client of federated learning: MONAI's classes go in and out, and only the released set leaves."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from monai.fl.client import ClientAlgo
from monai.fl.utils.constants import ExtraItems, ModelType, WeightType
from monai.fl.utils.exchange_object import ExchangeObject

from monai_distill.configuration.federated_site import SyntheticSetAlgo
from monai_distill.data import SyntheticDataset
from monai_distill.data.received_sets import received_set
from monai_distill.export.release import Verification
from tests.bundles.conftest import BUNDLES, QUICK, SMALL, TRAJECTORY, mhist_root, npz_root

__all__ = ["mhist_root", "npz_root"]

pytestmark = pytest.mark.filterwarnings("ignore:parsing config_file", "ignore:.*trusted source")
DIGITS, MHIST = "digits_dataset_distillation", "mhist_dataset_distillation"
SETTINGS = {**QUICK, **TRAJECTORY, **SMALL}


def site(folder: Path, bundle: str = DIGITS, **settings: Any) -> SyntheticSetAlgo:
    """A client whose FL system has put a bundle into ``folder``."""
    shutil.copytree(BUNDLES / bundle, folder / "bundle")
    client = SyntheticSetAlgo("bundle", train_kwargs={**SETTINGS, **settings}, no_claim=True)
    client.initialize({ExtraItems.CLIENT_NAME: "site-1", ExtraItems.APP_ROOT: str(folder)})
    return client


def test_only_the_released_set_leaves(tmp_path: Path) -> None:
    client = site(tmp_path)
    assert isinstance(client, ClientAlgo)
    with pytest.raises(RuntimeError, match="Call train first"):
        client.get_weights()
    client.train(ExchangeObject(weights={}))
    sent = client.get_weights({ExtraItems.MODEL_TYPE: ModelType.BEST_MODEL})
    assert Verification.of(client.release).problems == ()
    assert sent.is_valid_weights()
    assert sent.weight_type == WeightType.WEIGHTS
    assert (dict(sent), sent.optim, sent.metrics, sent.statistics) == ({}, None, None, {})
    assert sent.weights.keys() == {"images", "labels", "student_lr", "manifest"}
    assert bytes(sent.weights["manifest"].tolist()) == (client.release / "manifest.json").read_bytes()
    released = SyntheticDataset.load(client.release)
    arrived = received_set({name: value.numpy() for name, value in sent.weights.items()})
    assert torch.equal(arrived.images, released.images)
    assert torch.equal(arrived.images, SyntheticDataset.load(tmp_path / "bundle" / "models").images)
    assert client.evaluate(ExchangeObject(weights={"a": torch.ones(1)})).metrics == {}
    with pytest.raises(RuntimeError, match="MonaiAlgoStats"):
        client.get_data_stats()

    before = (client.release / "SHA256SUMS").read_bytes()
    shutil.rmtree(tmp_path / "bundle" / "configs")  # a release alone is sent as it is
    again = SyntheticSetAlgo(str(tmp_path / "bundle"), no_claim=True)
    again.initialize()
    again.train(ExchangeObject())
    assert (again.release / "SHA256SUMS").read_bytes() == before
    assert torch.equal(again.get_weights().weights["images"], released.images)
    (again.release / "synthetic.safetensors").write_bytes(b"another")
    with pytest.raises((ValueError, RuntimeError)):
        again.get_weights()


def test_what_could_not_be_sent_is_refused_before_the_work(tmp_path: Path) -> None:
    shutil.copytree(BUNDLES / DIGITS, tmp_path / "bundle")
    with pytest.raises(ValueError, match="neither"):
        SyntheticSetAlgo(str(tmp_path / "absent"), no_claim=True).initialize()
    with pytest.raises(ValueError, match="bundle --epsilon"):
        SyntheticSetAlgo("bundle").initialize({ExtraItems.APP_ROOT: str(tmp_path)})
    shutil.copytree(BUNDLES / "pneumoniamnist_epsilon8_dataset_distillation", tmp_path / "with_epsilon")
    SyntheticSetAlgo("with_epsilon").initialize({ExtraItems.APP_ROOT: str(tmp_path)})  # its set will have a claim
    with pytest.raises(TypeError, match="'false'"):
        SyntheticSetAlgo("bundle", no_claim="false")  # type: ignore[arg-type]
    client = SyntheticSetAlgo("bundle", no_claim=True)
    client.initialize({ExtraItems.APP_ROOT: str(tmp_path)})
    with pytest.raises(TypeError, match="ExchangeObject"):
        client.train({"weights": {}})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 1"):
        client.train(ExchangeObject(weights={"conv": torch.ones(1)}))
    assert not (tmp_path / "bundle" / "train").exists()


def test_data_that_may_not_be_passed_on_are_not_distilled(tmp_path: Path, mhist_root: Path) -> None:
    client = site(tmp_path, MHIST, dataset_dir=str(mhist_root))
    with pytest.raises(ValueError, match="MHIST may not be passed on"):
        client.train(ExchangeObject())
    assert not (tmp_path / "bundle" / "train").exists()


def first_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def test_an_abort_stops_and_another_train_goes_on(tmp_path: Path) -> None:
    client, signal = site(tmp_path), SimpleNamespace(triggered=True)
    with pytest.raises(RuntimeError) as caught:
        client.train(ExchangeObject(), {ExtraItems.ABORT: signal})
    assert "aborted" in first_cause(caught.value)
    client.abort()
    with pytest.raises(RuntimeError) as caught:
        client.train(ExchangeObject(), {ExtraItems.ABORT: None})
    assert "aborted" in first_cause(caught.value)
    assert not client.release.exists()
    client.initialize({ExtraItems.APP_ROOT: str(tmp_path)})
    client.train(ExchangeObject(), {ExtraItems.ABORT: SimpleNamespace(triggered=False)})
    assert client.get_weights().is_valid_weights()


SERVER = '''
from nvflare.apis.dxo import DXO, DataKind, from_shareable
from nvflare.apis.impl.controller import Controller, Task
from monai_distill.data.received_sets import joined_set, received_set

class Collect(Controller):
    """Asks every site once, and saves the union of what they send."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.sets = folder, {}

    def start_controller(self, fl_ctx):
        pass

    def stop_controller(self, fl_ctx):
        pass

    def control_flow(self, abort_signal, fl_ctx):
        data = DXO(DataKind.WEIGHTS, data={}).to_shareable()
        task = Task("train", data, result_received_cb=self.receive)
        self.broadcast_and_wait(task, fl_ctx, min_responses=2, abort_signal=abort_signal)
        joined_set(self.sets).save(self.folder)

    def receive(self, client_task, fl_ctx):
        self.sets[client_task.client.name] = received_set(from_shareable(client_task.result).data)
'''


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="NVFlare's simulator starts processes")
def test_two_sites_of_nvflare_s_simulator(tmp_path: Path) -> None:
    pytest.importorskip("monai_nvflare")  # pip install nvflare monai-nvflare
    from nvflare.private.fed.app.simulator.simulator_runner import SimulatorRunner

    app = tmp_path / "job" / "app"
    for name in ("config", "custom"):
        (app / name).mkdir(parents=True)
    shutil.copytree(BUNDLES / DIGITS, app / "config" / "bundle")
    client = {
        "format_version": 2,
        "executors": [
            {
                "tasks": ["train"],
                "executor": {
                    "path": "monai_nvflare.client_algo_executor.ClientAlgoExecutor",
                    "args": {"client_algo_id": "client_algo"},
                },
            }
        ],
        "components": [
            {
                "id": "client_algo",
                "path": "monai_distill.configuration.federated_site.SyntheticSetAlgo",
                "args": {"bundle_root": "config/bundle", "train_kwargs": SETTINGS, "no_claim": True},
            }
        ],
    }
    server = {
        "format_version": 2,
        "workflows": [{"id": "collect", "path": "collect.Collect", "args": {"folder": str(tmp_path / "union")}}],
        "components": [],
    }
    (app / "config" / "config_fed_client.json").write_text(json.dumps(client))
    (app / "config" / "config_fed_server.json").write_text(json.dumps(server))
    (app / "custom" / "collect.py").write_text(SERVER)
    meta = {"name": "sets", "resource_spec": {}, "min_clients": 2, "deploy_map": {"app": ["@ALL"]}}
    (tmp_path / "job" / "meta.json").write_text(json.dumps(meta))
    runner = SimulatorRunner(str(tmp_path / "job"), str(tmp_path / "work"), n_clients=2, threads=1)
    assert runner.run() == 0
    union = SyntheticDataset.load(tmp_path / "union")
    assert len(union) == 20
    assert union.manifest["sites"].keys() == {"site-1", "site-2"}
