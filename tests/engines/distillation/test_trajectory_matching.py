"""The trajectory matching objective against a naive unroll of the whole student, and against finite differences."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_distill.data import SyntheticDataset
from monai_distill.data.segment_sampler import Segment
from monai_distill.engines.distillation import InnerLoop, TrajectoryMatching, UnrollMemory
from monai_distill.losses import AnglePenalty, GrowingMaskLoss, MaskedTrajectoryLoss, NearestStepLoss
from monai_distill.losses.pad_loss import deep_layers, largest_errors
from monai_distill.networks import FlatNetwork
from monai_distill.networks.nets import ConvNet
from monai_distill.runtime.randomness import seeded_generator
from monai_distill.transforms import SiameseAugment

STEPS = 6
KINDS = (InnerLoop, UnrollMemory)
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def make(
    dtype: torch.dtype = torch.float64, *, soft: bool = True, dims: int = 2, activation: str = "relu"
) -> tuple[Callable[[], ConvNet], SyntheticDataset, Segment]:
    def module() -> ConvNet:
        return ConvNet(dims, 1, 3, 8, width=4, depth=1, activation=activation)

    network = FlatNetwork(module)
    generator = seeded_generator(0, "synthetic")
    labels = torch.tensor([0, 1, 2, 2, 0])
    images = torch.randn(5, 1, *(8,) * dims, generator=generator)
    logits = torch.randn(5, 3, generator=generator) if soft else None
    synthetic = SyntheticDataset(images, labels, ["a", "b", "c"], student_lr=0.05, label_logits=logits).to(dtype)
    start = network.initial(0).to(dtype)
    target = start + 0.05 * torch.randn(len(start), generator=generator).to(dtype)
    return module, synthetic, Segment(4, 0, 0, start, target)


def objective(module: Callable[[], ConvNet] | FlatNetwork, **settings: Any) -> TrajectoryMatching:
    """An objective of ``STEPS`` steps; settings of the inner loop and of the memory are given by their own names."""
    network = module if isinstance(module, FlatNetwork) else FlatNetwork(module)
    parts = {kind: {f.name: settings.pop(f.name) for f in fields(kind) if f.name in settings} for kind in KINDS}
    inner = InnerLoop(**{"steps": STEPS, **parts[InnerLoop]})
    return TrajectoryMatching(
        network, SiameseAugment(), inner=inner, memory=UnrollMemory(**parts[UnrollMemory]), **settings
    )


def _reference(
    module: Callable[[], ConvNet],
    synthetic: SyntheticDataset,
    segment: Segment,
    loss: Callable[[list[Tensor]], Tensor],
    batch_size: int,
    seed: int = 0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """MTT (https://arxiv.org/abs/2203.11932, algorithm 1): one torch.func graph over a module's named parameters.

    Batches and augmentations are rebuilt from the seed.
    """
    count, shape, augment, skeleton = len(synthetic), synthetic.images.shape[2:], SiameseAugment(), module()
    generator = seeded_generator(seed, "student steps", segment.iteration)
    rows: list[Tensor] = []
    while len(rows) < STEPS:
        order = torch.randperm(count, generator=generator)
        rows += [order[i : i + batch_size] for i in range(0, count, batch_size)]
    augmentations = [augment.draw(len(row), shape, generator) for row in rows[:STEPS]]
    sizes = {name: p.shape for name, p in skeleton.named_parameters()}
    pieces = segment.start.split([shape.numel() for shape in sizes.values()])
    first = {name: piece.reshape(sizes[name]) for name, piece in zip(sizes, pieces, strict=True)}

    def student_loss(weights: dict[str, Tensor], images: Tensor, targets: Tensor) -> Tensor:
        logits = torch.func.functional_call(skeleton, weights, (images,))
        if targets.is_floating_point():
            return -(targets.softmax(1) * logits.log_softmax(1)).sum(1).mean()
        return -logits.log_softmax(1).gather(1, targets[:, None]).mean()

    def outer(leaves: dict[str, Tensor]) -> Tensor:
        weights, states = first, [segment.start]
        for row, augmentation in zip(rows, augmentations, strict=False):
            targets = leaves["label_logits"][row] if "label_logits" in leaves else synthetic.labels[row]
            images = augment.apply(leaves["images"][row], augmentation)
            grads = torch.func.grad(student_loss)(weights, images, targets)
            weights = {name: weights[name] - leaves["student_lr"] * grads[name] for name in weights}
            states.append(torch.cat([value.reshape(-1) for value in weights.values()]))
        return loss(states)

    leaves = {name: p.detach().clone() for name, p in synthetic.named_parameters()}
    return outer(leaves).detach(), torch.func.grad(outer)(leaves)


def _ratio(state: Tensor, segment: Segment) -> Tensor:
    return ((state - segment.target) ** 2).sum() / ((segment.start - segment.target) ** 2).sum()


LOSSES: dict[str, Callable[[Sequence[Tensor], Segment], Tensor]] = {
    "last": lambda states, segment: _ratio(states[-1], segment),
    "earlier": lambda states, segment: _ratio(states[2], segment),
    "with intermediate": lambda states, segment: (
        _ratio(states[-1], segment) + 0.5 * _ratio(states[STEPS // 2], segment) * states[1].square().mean()
    ),
}


def assert_same(actual: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert actual.keys() == expected.keys()
    for name, gradient in actual.items():
        assert float(expected[name].norm()) > 0, name
        assert float((gradient - expected[name]).norm() / expected[name].norm()) < tolerance, name


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("which", LOSSES)
def test_every_chunk_equals_the_naive_unroll(which: str, batch_size: int | None, dtype: torch.dtype) -> None:
    module, synthetic, segment = make(dtype)
    expected_value, expected = _reference(
        module, synthetic, segment, lambda states: LOSSES[which](states, segment), batch_size or 5
    )
    for chunk in (1, 3, STEPS):
        match = objective(module, chunk=chunk, batch_size=batch_size)
        if which != "last":  # the default loss is the last state's
            match.loss = lambda states, segment: LOSSES[which](states, segment)
        value, gradients = match(synthetic, segment)
        assert float(value) == pytest.approx(float(expected_value), rel=TOLERANCE[dtype])
        assert_same(gradients, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("images_at_once", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_images_held_a_few_at_a_time_give_the_gradient_of_all(
    batch_size: int | None, images_at_once: int, soft: bool
) -> None:
    module, synthetic, segment = make(soft=soft)
    value, gradients = objective(module, chunk=1, images_at_once=images_at_once, batch_size=batch_size)(
        synthetic, segment
    )
    expected_value, expected = _reference(
        module, synthetic, segment, lambda states: LOSSES["last"](states, segment), batch_size or 5
    )
    torch.testing.assert_close(value, expected_value)
    assert_same(gradients, expected, 1e-10)


@pytest.mark.parametrize(("images_at_once", "soft"), [(None, True), (3, False)])  # compiling takes seconds
def test_compiled_steps_give_the_same_gradient(
    images_at_once: int | None, soft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    module, synthetic, segment = make(soft=soft)
    compiled = objective(module, compiled=True, images_at_once=images_at_once, batch_size=4)
    actual = compiled(synthetic, segment)
    value, expected = objective(module, chunk=STEPS, batch_size=4)(synthetic, segment)
    assert compiled.memory.chunk == 1
    torch.testing.assert_close(actual[0], value)
    assert_same(actual[1], expected, 1e-10)


def test_compiled_steps_are_refused_where_they_could_not_be_exact() -> None:
    with pytest.raises(ValueError, match="chunk of 1 for compiled steps, got 2"):
        objective(make()[0], compiled=True, chunk=2)
    with_dropout = lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 3))  # noqa: E731
    with pytest.raises(ValueError, match="network without dropout for compiled steps"):
        objective(FlatNetwork(with_dropout), steps=1, compiled=True)


@pytest.mark.parametrize(
    ("budget", "chunk", "images"), [(1e6, STEPS, 5), (0.11, 2, 5), (0.06, 1, 5), (0.025, 1, 2), (1e-6, 1, 1)]
)
def test_a_budget_decides_over_steps_and_then_over_images_and_not_over_the_gradient(
    budget: float, chunk: int, images: int
) -> None:
    module, synthetic, segment = make()
    match = objective(module, budget=budget)
    actual = match(synthetic, segment)
    assert (match.memory.chunk, match.memory.images_at_once) == (chunk, images)
    assert_same(actual[1], objective(module, chunk=STEPS)(synthetic, segment)[1], 1e-10)


def test_a_network_that_mixes_the_images_of_a_batch_holds_all_of_them() -> None:
    def module() -> torch.nn.Module:
        norm = torch.nn.BatchNorm1d(64, track_running_stats=False)
        return torch.nn.Sequential(torch.nn.Flatten(), norm, torch.nn.Linear(64, 3), torch.nn.SiLU())

    network, (_, synthetic, segment) = FlatNetwork(module), make()
    start = network.initial(0).double()
    segment = segment._replace(start=start, target=start + 0.1)
    actual, whole = (objective(network, budget=budget) for budget in (1e-6, 1e6))
    assert_same(actual(synthetic, segment)[1], whole(synthetic, segment)[1], 1e-10)
    assert (actual.memory.chunk, actual.memory.images_at_once, whole.memory.chunk) == (1, 5, STEPS)


def test_fixed_labels_give_gradients_of_images_and_learning_rate_only() -> None:
    module, synthetic, segment = make(soft=False)
    value, gradients = objective(module, chunk=2)(synthetic, segment)
    expected_value, expected = _reference(module, synthetic, segment, lambda s: _ratio(s[-1], segment), 5)
    assert sorted(gradients) == ["images", "student_lr"]
    torch.testing.assert_close(value, expected_value)
    assert_same(gradients, expected, 1e-10)


@pytest.mark.parametrize("chunk", [1, STEPS])
def test_it_works_in_3d(chunk: int) -> None:
    module, synthetic, segment = make(dims=3)
    _, gradients = objective(module, chunk=chunk)(synthetic, segment)
    _, expected = _reference(module, synthetic, segment, lambda s: _ratio(s[-1], segment), 5)
    assert gradients["images"].shape == (5, 1, 8, 8, 8)
    assert_same(gradients, expected, 1e-10)


@pytest.mark.parametrize("chunk", [1, STEPS])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_loss_is_exactly_one_at_learning_rate_zero(dtype: torch.dtype, chunk: int) -> None:
    module, synthetic, segment = make(dtype)
    synthetic.student_lr.data.zero_()
    value, gradients = objective(module, chunk=chunk)(synthetic, segment)
    assert float(value) == 1.0
    assert float(gradients["images"].abs().max()) == 0.0
    assert float(gradients["student_lr"]) != 0.0


@pytest.mark.parametrize(
    ("name", "place"),
    [("images", (1, 0, 3, 4)), ("images", (4, 0, 0, 7)), ("label_logits", (2, 1)), ("student_lr", ())],
)
def test_gradients_equal_central_differences(name: str, place: tuple[int, ...]) -> None:
    module, synthetic, segment = make(activation="silu")  # smooth, so that no kink lies within the difference
    match = objective(module, chunk=2)
    analytic = float(match(synthetic, segment)[1][name][place])
    parameter, width, values = dict(synthetic.named_parameters())[name], 1e-5, []
    middle = float(parameter.data[place])
    for offset in (width, -width):
        parameter.data[place] = middle + offset
        values.append(float(match(synthetic, segment)[0]))
    assert abs(analytic) > 1e-9
    assert analytic == pytest.approx((values[0] - values[1]) / (2 * width), rel=1e-5)


def test_gradients_reach_every_pixel_and_logit() -> None:
    module, synthetic, segment = make()
    _, gradients = objective(module, steps=20, chunk=5)(synthetic, segment)
    assert bool((gradients["images"] != 0).all())
    assert bool((gradients["label_logits"] != 0).all())


@pytest.mark.parametrize("chunk", [1, STEPS])
def test_the_set_and_the_segment_are_left_untouched(chunk: int) -> None:
    module, synthetic, segment = make()
    tensors = [*synthetic.state_dict().values(), segment.start, segment.target]
    before = [tensor.clone() for tensor in tensors]
    objective(module, chunk=chunk)(synthetic, segment)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))
    assert not segment.start.requires_grad
    assert not segment.target.requires_grad
    assert all(parameter.grad is None for parameter in synthetic.parameters())


def test_the_same_iteration_repeats_bit_by_bit_and_another_draws_otherwise(
    random_states_kept: Callable[..., object],
) -> None:
    module, synthetic, segment = make(torch.float32)
    match = objective(module, batch_size=2)
    with random_states_kept():  # type: ignore[attr-defined]
        first, again = match(synthetic, segment), objective(module, batch_size=2)(synthetic, segment)
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(first[1][name], again[1][name]) for name in first[1])
    for other in (
        match(synthetic, segment._replace(iteration=5)),
        objective(module, batch_size=2, seed=1)(synthetic, segment),
    ):
        assert not torch.equal(first[1]["images"], other[1]["images"])


def test_target_equal_to_start_is_refused() -> None:
    module, synthetic, segment = make()
    with pytest.raises(ValueError, match="did not move"):
        objective(module)(synthetic, segment._replace(target=segment.start.clone()))


@pytest.mark.parametrize("settings", [{"steps": 0}, {"batch_size": 0}, {"images_at_once": 0}])
def test_no_steps_or_an_empty_batch_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        objective(make()[0], **settings)


def test_the_first_step_is_plain_sgd_on_the_whole_set() -> None:
    module, synthetic, segment = make(torch.float64, soft=False)
    seen: list[Tensor] = []

    def keep(states: Sequence[Tensor], segment: Segment) -> Tensor:
        seen.extend(state.detach() for state in states)
        return _ratio(states[-1], segment)

    TrajectoryMatching(FlatNetwork(module), SiameseAugment(()), inner=InnerLoop(1), loss=keep)(synthetic, segment)
    net = FlatNetwork(module).load_into(module().double(), segment.start)
    optimizer = torch.optim.SGD(net.parameters(), lr=synthetic.student_lr.item())
    F.cross_entropy(net(synthetic.images.detach()), synthetic.labels).backward()
    optimizer.step()
    torch.testing.assert_close(seen[1], torch.cat([p.detach().reshape(-1) for p in net.parameters()]))


def test_a_network_with_dropout_has_one_gradient_for_every_chunk() -> None:
    def module() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 3), torch.nn.SiLU())

    network, (_, synthetic, segment) = FlatNetwork(module), make()
    start = network.initial(0).double()
    segment = segment._replace(start=start, target=start + 0.1)
    gradients = [objective(network, chunk=chunk)(synthetic, segment)[1] for chunk in (1, STEPS)]
    assert_same(*gradients, 1e-10)


def cosine(one: Tensor, other: Tensor) -> float:
    return float(F.cosine_similarity(one.flatten(), other.flatten(), dim=0))


@pytest.mark.parametrize(("steps", "low", "high"), [(1, 1 - 1e-12, 1.0 + 1e-12), (20, 0.1, 0.9995)])
def test_the_truncated_gradient_is_exact_for_one_step_and_an_estimate_for_twenty(
    steps: int, low: float, high: float
) -> None:
    module, synthetic, segment = make()
    synthetic.student_lr.data.fill_(0.5)
    exact, truncated = (objective(module, steps=steps, truncated=t)(synthetic, segment) for t in (False, True))
    torch.testing.assert_close(exact[0], truncated[0])
    assert low < cosine(exact[1]["images"], truncated[1]["images"]) <= high


def test_the_truncated_learning_rate_gradient_is_the_one_at_fixed_directions() -> None:
    """TESLA (https://arxiv.org/abs/2211.10586), with the sum G of the gradients constant:

    |theta_0 - alpha G - theta*|^2 / |theta_0 - theta*|^2.
    """
    module, synthetic, segment = make()
    seen: list[Tensor] = []

    def keep(states: Sequence[Tensor], segment: Segment) -> Tensor:
        seen[:] = [state.detach() for state in states]
        return _ratio(states[-1], segment)

    gradient = objective(module, truncated=True, loss=keep)(synthetic, segment)[1]["student_lr"]
    alpha = synthetic.student_lr.detach().clone().requires_grad_()
    total = (seen[0] - seen[-1]) / alpha.detach()
    (expected,) = torch.autograd.grad(_ratio(segment.start - alpha * total, segment), alpha)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("chunk", [1, STEPS])
def test_teacher_labels_are_the_target_s_predictions_of_the_images_as_they_are(chunk: int) -> None:
    module, synthetic, segment = make(soft=False)
    actual = objective(module, teacher_labels=True, chunk=chunk)(synthetic, segment)
    with torch.no_grad():
        predicted = FlatNetwork(module)(segment.target, synthetic.images)
    given = SyntheticDataset(
        synthetic.images.detach(), synthetic.labels, ["a", "b", "c"], student_lr=0.05, label_logits=predicted
    ).to(torch.float64)
    given.label_logits.data = predicted
    expected = objective(module, chunk=chunk)(given, segment)
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-6, atol=0)
    for name in ("images", "student_lr"):
        torch.testing.assert_close(actual[1][name], expected[1][name], rtol=1e-5, atol=1e-10)


def test_with_teacher_labels_the_set_s_own_get_no_gradient() -> None:
    module, synthetic, segment = make(soft=True)
    gradients = objective(module, teacher_labels=True)(synthetic, segment)[1]
    assert float(gradients["label_logits"].abs().max()) == 0.0
    assert float(gradients["images"].abs().max()) > 0.0


@pytest.mark.parametrize("soft", [False, True])
def test_the_temperature_divides_the_students_logits_and_those_of_the_labels(soft: bool) -> None:
    module, synthetic, segment = make(soft=soft)
    actual = objective(module, temperature=4.0)(synthetic, segment)

    def cooler() -> torch.nn.Module:
        return torch.nn.Sequential(module(), Scaled(0.25))

    if soft:
        synthetic.label_logits.data /= 4
    match = objective(cooler)
    expected = match(synthetic, segment)
    torch.testing.assert_close(actual[0], expected[0])
    torch.testing.assert_close(actual[1]["images"], expected[1]["images"])
    if soft:
        torch.testing.assert_close(actual[1]["label_logits"], expected[1]["label_logits"] / 4)


class Scaled(torch.nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


@pytest.mark.parametrize("norm", [1, 2])
def test_the_nearest_step_has_the_gradient_of_an_unroll_that_ends_there(norm: int) -> None:
    module, synthetic, segment = make()
    synthetic.student_lr.data.fill_(0.3)
    seen: list[Tensor] = []

    def keep(states: Sequence[Tensor], segment: Segment) -> Tensor:
        seen[:] = [state.detach() for state in states]
        return _ratio(states[-1], segment)

    objective(module, loss=keep)(synthetic, segment)
    segment = segment._replace(target=seen[3] + 0.01 * segment.target)  # so that step 3 comes nearest
    nearest = NearestStepLoss(norm)
    assert nearest.chosen(seen, segment.target) == 3
    expected = objective(module, loss=lambda states, segment: _ratio(states[3], segment))(synthetic, segment)
    for chunk in (1, 2, STEPS):
        actual = objective(module, loss=nearest, chunk=chunk)(synthetic, segment)
        torch.testing.assert_close(actual[0], expected[0])
        assert_same(actual[1], expected[1], 1e-10)


@pytest.mark.parametrize("chunk", [1, 2])
def test_masks_and_the_angle_penalty_have_one_gradient_for_every_chunk(chunk: int) -> None:
    module, synthetic, segment = make()
    network = FlatNetwork(module)
    segment = segment._replace(middle=segment.start + 0.03)
    losses: list[Callable[[], object]] = [
        lambda: MaskedTrajectoryLoss(largest_errors(0.5)),
        lambda: MaskedTrajectoryLoss(deep_layers(0.5, network.shapes)),
        lambda: GrowingMaskLoss(base=1e-3, growth=1.5, penalty=AnglePenalty(0.5)),
    ]
    for make_loss in losses:
        actual, whole = (objective(module, loss=make_loss(), chunk=c)(synthetic, segment) for c in (chunk, STEPS))
        torch.testing.assert_close(actual[0], whole[0])
        assert_same(actual[1], whole[1], 1e-10)


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        objective(make()[0], temperature=0.0)


def several(module: Callable[[], ConvNet]) -> list[Segment]:
    """Three segments of one iteration."""
    network = FlatNetwork(module)
    starts = [network.initial(place).double() for place in range(6)]
    return [Segment(7, 0, 0, starts[place], starts[place + 3], None, place) for place in range(3)]


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("settings", [{"chunk": 1}, {"chunk": 2}, {"chunk": 1, "images_at_once": 3}, {}], ids=str)
def test_several_segments_have_the_mean_of_their_losses_and_gradients_in_one_call_or_one_after_another(
    settings: dict[str, int], soft: bool
) -> None:
    module, synthetic, _ = make(soft=soft)
    segments = several(module)
    alone = [objective(module, chunk=STEPS, batch_size=2)(synthetic, segment) for segment in segments]
    expected = {name: torch.stack([gradients[name] for _, gradients in alone]).mean(dim=0) for name in alone[0][1]}
    for vmap in (False, True):
        value, gradients = objective(module, batch_size=2, vmap=vmap, **settings)(synthetic, segments)
        torch.testing.assert_close(value, torch.stack([value for value, _ in alone]).mean())
        assert_same(gradients, expected, 1e-10)


@pytest.mark.parametrize(
    "settings", [{"teacher_labels": True}, {"truncated": True}, {"loss": NearestStepLoss()}], ids=str
)
def test_variants_of_the_method_work_for_several_segments_in_one_call(settings: dict[str, object]) -> None:
    module, synthetic, _ = make(soft=False)
    actual, expected = (objective(module, vmap=vmap, **settings)(synthetic, several(module)) for vmap in (True, False))
    torch.testing.assert_close(actual[0], expected[0])
    assert_same(actual[1], expected[1], 1e-10)


def test_compiled_steps_take_several_segments_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    module, synthetic, _ = make()
    actual = objective(module, vmap=True, compiled=True)(synthetic, several(module))
    expected = objective(module, vmap=False)(synthetic, several(module))
    torch.testing.assert_close(actual[0], expected[0])
    assert_same(actual[1], expected[1], 1e-10)


def test_students_with_dropout_run_one_after_another() -> None:
    def module() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 3), torch.nn.SiLU())

    network, (_, synthetic, segment) = FlatNetwork(module), make()
    start = network.initial(0).double()
    segments = [segment._replace(start=start, target=start + 0.1, place=place) for place in range(2)]
    match = objective(network, vmap=True)
    losses = [float(match(synthetic, segment)[0]) for segment in segments]
    assert losses[0] != losses[1]
    assert float(match(synthetic, segments)[0]) == pytest.approx(sum(losses) / 2, rel=1e-12)


def test_the_budget_is_shared_by_the_students_of_one_call() -> None:
    module, synthetic, _ = make()
    match = objective(module, budget=0.11, vmap=True)
    match(synthetic, several(module))
    assert (match.memory.chunk, match.memory.images_at_once) == (1, 2)  # two steps of all five for a single one


def test_no_segment_is_refused() -> None:
    module, synthetic, _ = make()
    with pytest.raises(ValueError, match="at least one segment"):
        objective(module)(synthetic, [])
