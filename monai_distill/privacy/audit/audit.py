"""The audit of a run: attacks on shadows and controls, and ``audit.json``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from monai_distill.claims.audit_evidence import why_void
from monai_distill.data.set_manifest import images_sha256
from monai_distill.data.synthetic_dataset import SyntheticDataset
from monai_distill.runtime.atomic_file import atomic_write

from .copy_check import copy_figures, released_copies, save_copy_pairs
from .evidence import attack_evidence, epsilon_evidence
from .released_attacks import released_attacks
from .shadow_job import shadow_differences
from .shadow_runs import COPIES, RELEASES, ShadowRuns
from .verdict import statement

__all__ = ["Audit", "audit_table"]

HEAD = ("attack", "area", "TPR at 0.1% FPR", "TPR at 1% FPR", "positive control", "negative control", "verdict")


def audit_table(audit: Mapping[str, Any]) -> str:
    """Markdown table of the attacks, followed by the statement.

    Each attack has a row, followed by rows of the groups in which it found members beyond chance; of the classes only
    the one with the largest area (``audit.json`` has all). Cells of controls hold the area and whether it was caught.

    Example:
        >>> control = {"auc": 0.5, "tpr_at_fpr": {}, "seen": False}
        >>> attack = {**control, "positive_control": {**control, "seen": True}, "negative_control": control}
        >>> attack |= {"caught": False, "void": False}
        >>> print(audit_table({"attacks": {"pixels": attack}, "void": False, "statement": "No."}).splitlines()[2])
        | pixels | 0.500 | -               | -             | 0.500 caught     | 0.500 unseen     | failed  |
    """
    lines = [list(HEAD)]
    for name, attack in audit["attacks"].items():
        verdict = "void" if attack["void"] else "caught" if attack["caught"] else "failed"
        controls = [_control(attack[f"{kind}_control"]) for kind in ("positive", "negative")]
        lines.append([name, *_figures(attack), *controls, verdict])
        groups = {} if attack["void"] else _shown(attack.get("groups", {}))
        lines += [[f"  {group}", *_figures(figures), "", "", ""] for group, figures in groups.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    if audit["void"]:
        text.insert(0, "VOID. These figures prove nothing about the released set.")
    return "\n".join([*text, "", audit["statement"]])


def _shown(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    caught = {name: figures for name, figures in groups.items() if figures["seen"]}
    classes = sorted((name for name in caught if name.startswith("class ")), key=lambda name: -caught[name]["auc"])
    return {name: figures for name, figures in caught.items() if name not in classes[1:]}


def _figures(figures: Mapping[str, Any]) -> list[str]:
    return [_share(figures["auc"]), *(_rate(figures["tpr_at_fpr"].get(rate)) for rate in ("0.001", "0.01"))]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _rate(rate: Mapping[str, float] | None) -> str:
    return "-" if rate is None else f"{rate['value']:.2%} ({rate['low']:.2%} to {rate['high']:.2%})"


def _control(figures: Mapping[str, Any]) -> str:
    return f"{_share(figures['auc'])} {'caught' if figures['seen'] else 'unseen'}"


class Audit:
    """Attacks shadows of a run's job and the released set itself, and reports the result.

    Threat model: the attacker has the whole release, the code, the architecture, all settings, public images of the
    same kind and the image in question. The attacker does not have the experts, the optimizer's state or the other
    members.

    Args:
        runs: shadows.
        release: released set of the run.
        folder: run folder, which gets ``audit.json``; files that identify training images stay in its ``audit/``.
        shadow_settings: settings of the shadows that differ from the run.
        outside: the membership attacks on images that the run did not use, by name; the released set is attacked with
            those that the shadows have too.
        delta: of the bound on epsilon if the run has no ledger.
        attribute_inference: which metadata were attacked, in words.
    """

    def __init__(
        self,
        runs: ShadowRuns,
        release: SyntheticDataset,
        folder: str | Path,
        *,
        shadow_settings: Mapping[str, Any],
        outside: Mapping[str, Callable[[SyntheticDataset], torch.Tensor]] = MappingProxyType({}),
        delta: float = 1e-5,
        attribute_inference: str = "",
    ) -> None:
        self.runs = runs
        self.release = release
        self.folder = Path(folder)
        self.shadow_settings = dict(shadow_settings)
        self.outside = outside
        self.delta = delta
        self.attribute_inference = attribute_inference

    def run(self) -> dict[str, Any]:
        """Make the missing shadows, write ``audit.json`` and return its content."""
        shadows = self.runs.run()
        candidates = self.runs.candidates
        sides = {name: bool(getattr(attack, "one_sided", False)) for name, attack in self.runs.attacks.items()}
        attacks = {name: attack_evidence(shadows, candidates, name, side) for name, side in sides.items()}
        attacks[COPIES] = self._copies(shadows)
        ledger = self._ledger()
        epsilon = epsilon_evidence(shadows, candidates, sides, float(ledger.get("delta") or self.delta))
        claimed = ledger.get("epsilon")
        if epsilon is not None:
            epsilon["claimed"] = claimed
        released, pairs = released_copies(self.release, candidates.bank, self.runs.public, self.runs.seed)
        released["attacks"] = released_attacks(
            self.release, candidates, self.runs.attacks, self.outside, self.runs.public
        )
        reason = why_void(attacks)
        content: dict[str, Any] = {
            "format": 1,
            "void": reason is not None,
            "why_void": reason,
            "shadows": len(shadows),
            "unit": candidates.unit,
            "candidates": self._counts(),
            "set_sha256": self.release.manifest.get("sha256"),
            "images_sha256": images_sha256(self.release.images),
            "shadow_settings": self._shadow_settings(),
            "attacks": attacks,
            "released_set": released,
            "attribute_inference": self.attribute_inference,
            "epsilon_lower_bound": None if epsilon is None else epsilon["value"],
            "epsilon": epsilon,
            "claim_refuted": epsilon is not None and claimed is not None and epsilon["value"] > claimed,
        }
        content["statement"] = statement(content, self.release.manifest, ledger)
        atomic_write(self.runs.folder / "copies.json", json.dumps(pairs, indent=2).encode())
        pixels = self.release.pixels()
        save_copy_pairs(pairs, pixels, candidates.bank.images, self.runs.folder / "copies.png")
        atomic_write(self.folder / "audit.json", json.dumps(content, indent=2).encode())
        return content

    def _copies(self, shadows: list[dict[str, torch.Tensor]]) -> dict[str, Any]:
        figures = {name: copy_figures(torch.cat([s[f"{name}.{COPIES}"] for s in shadows])) for name in RELEASES}
        return {
            **figures["release"],
            "positive_control": figures["positive"],
            "negative_control": figures["negative"],
            "void": not (figures["release"]["seen"] or figures["positive"]["seen"]),
            "caught": figures["release"]["seen"],
        }

    def _counts(self) -> dict[str, Any]:
        candidates = self.runs.candidates
        return {
            "images": len(candidates.bank),
            "units": len(set(candidates.units.tolist())),
            "audited": len(candidates.audited),
            "mislabelled": int(candidates.mislabelled.sum()),
            "outliers": int(candidates.outliers.sum()),
        }

    def _shadow_settings(self) -> dict[str, Any]:
        """Settings in which the jobs that ran differ from the run, and the given ones that no job describes."""
        different: dict[str, Any] = {}
        for shadow in self.runs.reproduced():
            different |= shadow_differences(self.release.manifest, shadow)
        described = {path.rsplit(".", 1)[-1] for path in different}
        return {**different, **{name: v for name, v in self.shadow_settings.items() if name not in described}}

    def _ledger(self) -> dict[str, Any]:
        file = self.folder / "ledger.json"
        ledger: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        return ledger
