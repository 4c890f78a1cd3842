"""DP-SGD: clipped gradients against a loop and Opacus, noise, and independence of the number of records."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data import ClassBank, TrajectoryStore
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.privacy.dp import DPSGD, DPExpertTrainer, PrivacyLedger
from monai_distill.privacy.dp.record_gradients import RecordGradients
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment


def network_of() -> FlatNetwork:
    return FlatNetwork(lambda: ConvNet(2, 1, 3, 8, width=4, depth=1))


def bank_of(count: int, patients: list[int] | None = None) -> ClassBank:
    images = torch.randn(count, 1, 8, 8, generator=seeded_generator(0, "images"))
    codes = None if patients is None else torch.tensor(patients)
    return ClassBank(images, torch.arange(count) % 3, ["a", "b", "c"], codes)


def clipped(gradient: Tensor, clip: float) -> Tensor:
    return gradient * min(1.0, clip / float(gradient.norm()))


def gradient_of(network: FlatNetwork, parameters: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    vector = parameters.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(network(vector, images), labels), vector)[0]


@pytest.mark.parametrize("chunk", [1, 4, 64])
@pytest.mark.parametrize("clip", [0.5, 1e3])
def test_sum_equals_a_loop(chunk: int, clip: float) -> None:
    network, bank = network_of(), bank_of(9)
    parameters, sampled = network.initial(0), torch.tensor([True, False, True, True, True, False, True, True, True])
    ours = RecordGradients(network, bank, unit="image", clip=clip, chunk=chunk)(parameters, sampled)
    loop = [
        clipped(gradient_of(network, parameters, bank.images[i : i + 1], bank.labels[i : i + 1]), clip)
        for i in torch.nonzero(sampled).flatten().tolist()
    ]
    assert torch.allclose(ours, torch.stack(loop).sum(dim=0), atol=1e-5)


def test_sum_equals_opacus() -> None:
    opacus = pytest.importorskip("opacus", reason="Opacus is not installed")
    network, bank = network_of(), bank_of(9)
    module = network.load_into(ConvNet(2, 1, 3, 8, width=4, depth=1), network.initial(0))
    wrapped = opacus.GradSampleModule(module)
    plain = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    optimizer = opacus.optimizers.DPOptimizer(
        plain, noise_multiplier=0.0, max_grad_norm=0.5, expected_batch_size=1, loss_reduction="sum"
    )
    F.cross_entropy(wrapped(bank.images), bank.labels, reduction="sum").backward()
    optimizer.clip_and_accumulate()
    theirs = torch.cat([p.summed_grad.flatten() for p in module.parameters()])
    ours = RecordGradients(network, bank, unit="image", clip=0.5)(network.initial(0), torch.ones(9, dtype=torch.bool))
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_patient_moves_the_sum_by_at_most_the_clip_and_uses_at_most_two_images() -> None:
    network, bank = network_of(), bank_of(8, [0, 0, 0, 0, 0, 1, 1, 2])
    parameters = network.initial(0)
    gradients = RecordGradients(network, bank, unit="patient", clip=0.5, images_per_record=2, chunk=3)
    all_records = torch.ones(3, dtype=torch.bool)
    total = gradients(parameters, all_records)
    for record, positions in enumerate(([0, 1], [5, 6], [7])):
        sampled = all_records.clone()
        sampled[record] = False
        moved = total - gradients(parameters, sampled)
        # the gradient of the mean loss over the two images that are used
        expected = clipped(gradient_of(network, parameters, bank.images[positions], bank.labels[positions]), 0.5)
        assert torch.allclose(moved, expected, atol=1e-5)
        assert float(moved.norm()) <= 0.5 + 1e-5


def trainer_of(folder: Path, gradients: Any, *, experts: int = 1, epochs: int = 2, **settings: Any) -> DPExpertTrainer:
    network = network_of()
    store = TrajectoryStore(folder, {}, experts=experts, snapshots=epochs + 1, parameters=network.size)
    ledger = PrivacyLedger(None, epsilon=1e6, delta=1e-5, unit="image")
    values = {"noise_multiplier": 2.0, "rate": 0.5, "public_records": 100, "lr": 0.3, "epochs": epochs, **settings}
    return DPExpertTrainer(
        network=network,
        gradients=gradients,
        store=store,
        augment=SiameseAugment(("crop",)),
        ledger=ledger,
        settings=DPSGD(**values),
    )


class NoGradients(types.SimpleNamespace):
    """The gradient of an empty sample; records the parameters of each call."""

    def __call__(self, parameters: Tensor, sampled: Tensor, augment: Any) -> Tensor:
        self.calls.append(parameters)
        return torch.zeros_like(parameters)


def empty_sample() -> NoGradients:
    return NoGradients(unit="image", clip=0.25, records=3, bank=bank_of(3), calls=[])


def test_an_empty_sample_gets_the_noise(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, empty_sample(), epochs=20)
    trainer.run()
    steps = torch.stack([trainer.store.snapshot(0, e) for e in range(21)]).diff(dim=0)
    std = 0.3 * 2.0 * 0.25 / 50  # learning rate, noise multiplier, clip, divisor
    assert float(steps.std()) == pytest.approx(std * 2**0.5, rel=0.03)  # two steps an epoch


def test_flat_radius_moves_along_the_previous_noisy_gradient(tmp_path: Path) -> None:
    gradients = empty_sample()
    trainer = trainer_of(tmp_path, gradients, rate=1.0, flat_radius=0.7)
    trainer.run()
    first, second = trainer.store.snapshot(0, 0), trainer.store.snapshot(0, 1)
    ascent = gradients.calls[1] - second
    noisy = (first - second) / 0.3
    assert torch.allclose(gradients.calls[0], first)
    assert torch.allclose(ascent, 0.7 * noisy / noisy.norm(), atol=1e-4)


def test_smoothing_averages_the_stored_parameters(tmp_path: Path) -> None:
    gradients = empty_sample()
    trainer = trainer_of(tmp_path, gradients, rate=1.0, smoothing=0.9, epochs=3)
    trainer.run()
    expected = gradients.calls[0]
    for number, point in enumerate(gradients.calls[1:], start=1):
        expected = 0.9 * expected + 0.1 * point
        assert torch.allclose(trainer.store.snapshot(0, number), expected, atol=1e-5)


def test_one_record_more_changes_neither_rate_nor_divisor_nor_steps(tmp_path: Path) -> None:
    constants = set()
    for count in (60, 61):
        gradients = RecordGradients(network_of(), bank_of(count), unit="image", clip=1.0)
        trainer = trainer_of(tmp_path / str(count), gradients)
        constants.add((trainer.settings, trainer.divisor, trainer.event(0)))
    assert len(constants) == 1


def test_two_runs_with_one_seed_start_alike_and_differ_afterwards(tmp_path: Path) -> None:
    trainers = [
        trainer_of(tmp_path / n, RecordGradients(network_of(), bank_of(9), unit="image", clip=1.0), epochs=1)
        for n in "ab"
    ]
    for trainer in trainers:
        trainer.run()
    assert torch.equal(*(trainer.store.snapshot(0, 0) for trainer in trainers))
    assert not torch.equal(*(trainer.store.snapshot(0, 1) for trainer in trainers))


def test_every_expert_is_paid_for_and_a_finished_one_is_not_trained_again(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, empty_sample(), experts=2, epochs=1)
    trainer.run()
    one = trainer_of(tmp_path / "one", empty_sample(), epochs=1)
    one.run()
    assert trainer.ledger.spent() > one.ledger.spent()
    stored, gradients = trainer.store.snapshot(1, 1), empty_sample()
    again = trainer_of(tmp_path, gradients, experts=2, epochs=1)
    again.run()
    assert gradients.calls == []
    assert torch.equal(again.store.snapshot(1, 1), stored)
    assert again.ledger.events == trainer.ledger.events


def test_a_lost_expert_is_not_trained_again(tmp_path: Path) -> None:
    trainer, again = (
        trainer_of(tmp_path / "a", empty_sample(), epochs=1),
        trainer_of(tmp_path / "b", empty_sample(), epochs=1),
    )
    trainer.run()
    again.ledger = trainer.ledger
    with pytest.raises(RuntimeError, match="released before"):
        again.run()
    assert again.gradients.calls == []


def test_a_diverged_expert_counts_as_released(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, empty_sample(), epochs=1, lr=1e300)
    for reason in ("diverged", "released before"):
        with pytest.raises((ValueError, RuntimeError), match=reason):
            trainer.run()


def test_beyond_the_budget_no_expert_is_trained(tmp_path: Path) -> None:
    trainer, gradients = trainer_of(tmp_path, empty_sample()), empty_sample()
    trainer.gradients, trainer.ledger.epsilon = gradients, 0.01
    with pytest.raises(RuntimeError, match="beyond the budget"):
        trainer.run()
    assert gradients.calls == []


def test_no_loss_on_training_images_is_stored(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, empty_sample(), epochs=1)
    trainer.run()
    assert trainer.store.history == {0: [{"epoch": 1}]}


def test_a_small_data_set_is_refused_with_the_minimum(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, empty_sample(), rate=0.1, public_records=20, noise_multiplier=5.0)
    with pytest.raises(ValueError, match=r"at least (\d+) images") as refusal:
        trainer.check()
    minimum = int(str(refusal.value).split("at least ")[1].split()[0])
    trainer_of(tmp_path / "enough", empty_sample(), rate=0.1, public_records=minimum, noise_multiplier=5.0).check()


def test_without_a_public_number_of_records_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--public_records N"):
        trainer_of(tmp_path, empty_sample(), public_records=None).run()


def test_gradients_of_another_unit_than_the_ledger_are_refused(tmp_path: Path) -> None:
    gradients = empty_sample()
    gradients.unit = "patient"
    with pytest.raises(ValueError, match="got patient and image"):
        trainer_of(tmp_path, gradients)
