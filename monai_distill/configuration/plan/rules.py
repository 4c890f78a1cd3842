"""The rules by which settings follow from the properties of the data, the machine and the method: all in this file."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from monai_distill.configuration.files import RunFiles
from monai_distill.configuration.presets import preset_settings

from .facts import DataFacts, MachineFacts

__all__ = [
    "EFFORTS",
    "TUNED",
    "USEFUL",
    "Choice",
    "Effort",
    "base_settings",
    "effort_settings",
    "family_of",
    "following_settings",
]

TUNED = ("digits", "mnist", "pneumoniamnist", "bloodmnist", "cifar10")  # data sets whose presets were tuned on them
EPOCH_STEPS = 16  # least number of SGD steps in an expert's epoch, where there are enough images
BASE_STEPS = {"pneumoniamnist": 18, "bloodmnist": 47, "digits": 22, "organmnist3d": 16}  # of the presets' own data
BASE_PIXELS = {"pneumoniamnist": 784, "bloodmnist": 784, "digits": 64, "organmnist3d": 21952}


@dataclasses.dataclass(frozen=True)
class Choice:
    """A setting, and why it has its value.

    Example:
        >>> Choice(3, "images of 28 pixels").value
        3
    """

    value: Any
    reason: str


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much a run may do at most; a plan does less where the time is short.

    Attributes:
        minutes: wall time that a run aims at.
        width: of the network on a CPU and on a GPU.
        experts: trained networks, on a CPU and on a GPU.
        iterations: of trajectory matching, distribution matching and gradient matching, on a CPU.
        validation_students: networks per selection.
        students: networks per row of the score table.
        full_students: networks on all training images.
        full_steps: their SGD steps.
    """

    minutes: float
    width: tuple[int, int]
    experts: tuple[int, int]
    iterations: Mapping[str, int]
    validation_students: int
    students: int
    full_students: int
    full_steps: int


GPU = 4  # times as many iterations on a GPU
USEFUL = {"trajectory": 50, "distribution": 100, "gradient": 25}  # iterations; for fewer a narrower network is taken
PASSES, FULL_BATCH = 100, 256  # of a network over all training images, at most; its images per step
SATURATED = 1000  # iterations of distribution matching at one image per class: more change nothing (see RESULTS.md)
# a shorter run validates after two, four or eight times as many: a longer one selects among all that a shorter one saw
VALIDATE_EVERY = {"trajectory": 50, "distribution": 100, "gradient": 25}
EFFORTS = {
    "trial": Effort(3, (32, 64), (4, 10), {"trajectory": 100, "distribution": 200, "gradient": 50}, 2, 3, 1, 500),
    "standard": Effort(
        15, (32, 128), (8, 20), {"trajectory": 300, "distribution": 500, "gradient": 200}, 3, 5, 3, 1000
    ),
    "thorough": Effort(
        60, (64, 128), (20, 50), {"trajectory": 1500, "distribution": 2000, "gradient": 1000}, 5, 5, 3, 2000
    ),
}


def family_of(files: RunFiles) -> str:
    """``trajectory``, ``distribution`` or ``gradient``, by what the files of a run define.

    Example:
        >>> from monai_distill.configuration.files import run_files
        >>> [family_of(run_files("digits", "convnet", name)) for name in ("mtt", "dm", "dc")]
        ['trajectory', 'distribution', 'gradient']
    """
    names = {name for content in files.contents for name in content}
    if "expert_trainer" in names and "student_steps" in names:
        return "trajectory"
    return "gradient" if "network_loops" in names else "distribution"


def _similar(facts: DataFacts) -> tuple[str, str]:
    """The tuned data set whose preset is the start, and why."""
    if len(facts.shape) == 4:
        return "organmnist3d", "volumes"
    if min(facts.shape[1:]) < 16:
        return "digits", "images below 16 pixels"
    if len(facts.counts) <= 3 or facts.shape[0] == 1:
        return "pneumoniamnist", "gray images" if facts.shape[0] == 1 else "few classes"
    return "bloodmnist", "color images of several classes"


def base_settings(files: RunFiles, facts: DataFacts, images_per_class: int) -> dict[str, Choice]:
    """Settings that no effort changes: those of a similar tuned set, adapted to size, number and classes of the images.

    A tuned set keeps its own preset as it is.
    """
    name = facts.name
    if name in TUNED:
        preset = preset_settings(files, name, images_per_class)
        return _of_network(files, {key: Choice(value, f"preset of {name}") for key, value in preset.items()})
    name, why = _similar(facts)
    preset = preset_settings(files, name, images_per_class)
    settings = {key: Choice(value, f"as tuned on {name} ({why})") for key, value in preset.items()}
    depth = _depth(min(facts.shape[1:]))
    settings["depth"] = Choice(depth, f"the last feature map of {min(facts.shape[1:])} pixels has 3 to 7")
    settings = _of_network(files, settings)
    if family_of(files) == "trajectory":
        settings |= _trajectory(settings, facts, name)
    return settings


def _of_network(files: RunFiles, settings: dict[str, Choice]) -> dict[str, Choice]:
    """Only the ConvNet has a depth."""
    has_depth = "network_factory::depth" in files.contents[2]
    return {name: choice for name, choice in settings.items() if has_depth or name != "depth"}


def _depth(side: int) -> int:
    """Halvings that leave a map of at least 3 pixels: as in the field 3 for 28 and 32 pixels, 4 for 64, 5 from 128."""
    return max(2, min(5, int(math.log2(side / 3))))


def _trajectory(settings: Mapping[str, Choice], facts: DataFacts, base: str) -> dict[str, Choice]:
    """Segments span as many SGD steps as on the tuned set; the images' learning rate grows with the pixels."""
    batch = 256
    while batch > 8 and facts.training < EPOCH_STEPS * batch:
        batch //= 2
    steps = -(-facts.training // batch)
    ratio = BASE_STEPS[base] / steps
    length = max(1, round(int(settings["expert_epochs"].value) * ratio))
    window = max(2, round(int(settings["max_start_epoch"].value) * ratio))
    image_lr = float(settings["image_lr"].value) * facts.pixels / BASE_PIXELS[base]
    chosen = {
        "expert_batch_size": Choice(batch, f"{steps} steps an epoch with {facts.training} images"),
        "expert_epochs": Choice(length, f"a segment has about {length * steps} expert steps, as on {base}"),
        "max_start_epoch": Choice(window, f"segments start within {window * steps} expert steps, as on {base}"),
        "image_lr": Choice(float(f"{image_lr:.2g}"), f"in proportion to {facts.pixels} pixels"),
    }
    if settings.get("first_max_start_epoch") is not None:
        chosen["first_max_start_epoch"] = Choice(max(1, window // 3), "a third of the window")
    return chosen


def effort_settings(
    effort: Effort, files: RunFiles, machine: MachineFacts, images_per_class: int, training: int
) -> dict[str, Any]:
    """The settings by which an effort bounds a run, at ``training`` images.

    A network on all of them takes at most a hundred passes over them.

    Example:
        >>> from monai_distill.configuration.files import run_files
        >>> here = MachineFacts("cpu", "x86_64", 2**34, 2, 2**40)
        >>> effort_settings(EFFORTS["trial"], run_files("digits", "convnet", "dm"), here, 1, 1000)["iterations"]
        200
    """
    family, gpu = family_of(files), machine.device != "cpu"
    iterations = effort.iterations[family] * (GPU if gpu else 1)
    if family == "distribution" and images_per_class == 1:
        iterations = min(iterations, SATURATED)
    settings: dict[str, Any] = {
        "width": effort.width[gpu],
        "validate_every": VALIDATE_EVERY[family],
        "validation_students": effort.validation_students,
        "students": effort.students,
        "full_students": effort.full_students,
        "full_steps": min(effort.full_steps, max(200, 50 * math.ceil(PASSES * training / FULL_BATCH / 50))),
    }
    if family == "trajectory":
        settings |= {"experts": effort.experts[gpu], "iterations": iterations}
    elif family == "distribution":
        settings |= {"iterations": iterations}
    else:  # a network serves several image steps at ten images per class
        settings |= {"networks": max(5, iterations // min(10, images_per_class))}
    return settings


def following_settings(files: RunFiles, settings: Mapping[str, Any], iterations: int) -> dict[str, Choice]:
    """Settings that follow from the number of iterations, where the method has them.

    Example:
        >>> from monai_distill.configuration.files import run_files
        >>> following_settings(run_files("digits", "convnet", "att"), {}, 400)["average_decay"].value
        0.99
    """
    known = {name for content in files.contents for name in content}
    chosen = {}
    if "average_decay" in known:
        decay = float(f"{max(0.9, 1 - 4 / iterations):.4g}")
        chosen["average_decay"] = Choice(decay, "the average has nearly forgotten its start at the end")
    if settings.get("first_max_start_epoch") is not None:
        chosen["ramp_iterations"] = Choice(max(1, iterations // 2), "the window is open after half of the iterations")
    return chosen
