"""Empirical lower bounds on epsilon with worst-case canaries: below the claim, and above it for half the noise."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from monai_distill.privacy.dp import noise_multiplier_for

from .epsilon_bounds import CONFIDENCE, Errors, Scores, chosen_threshold, noise_bound, plain_bound
from .epsilon_mechanisms import MECHANISMS, Mechanism, scaled_noise
from .results import commit, hardware, rendered, write_record

DELTA = 1e-5
BROKEN = 0.5  # of the noise that is claimed


def bounds(mechanism: type[Mechanism], epsilon: float, draws: int, choosing: int, factor: float) -> dict[str, Any]:
    """Lower bounds on epsilon of a mechanism whose noise is ``factor`` times the claimed one.

    Args:
        mechanism: which one.
        epsilon: claimed, at DELTA; decides the noise.
        draws: releases with the canary, and as many without, that decide the bound.
        choosing: further releases of each side, on which the thresholds are chosen.
        factor: 1 for the real mechanism.
    """
    claimed_noise = noise_multiplier_for(mechanism.events, epsilon, DELTA)
    subject = mechanism(claimed_noise)
    with scaled_noise(factor):
        absent, present = (_scores(subject, canary, draws + choosing) for canary in (False, True))
    plain = chosen_threshold(absent[:choosing], present[:choosing], lambda errors: plain_bound(errors, DELTA))
    middle = float(np.median(absent[:choosing]) + np.median(present[:choosing])) / 2
    at_plain, at_middle = (Errors.at(t, absent[choosing:], present[choosing:]) for t in (plain, middle))
    return {
        "mechanism": mechanism.name,
        "epsilon": epsilon,
        "delta": DELTA,
        "noise_multiplier": claimed_noise,
        "noise_factor": factor,
        "draws_per_side": draws,
        "confidence": CONFIDENCE,
        "plain_bound": plain_bound(at_plain, DELTA),
        "noise_bound": noise_bound(at_middle, mechanism.events, claimed_noise, DELTA),
        "errors_at_middle": at_middle._asdict(),
    }


def _scores(subject: Mechanism, canary: bool, count: int) -> Scores:
    words = f"{subject.name} {'with' if canary else 'without'} the canary"
    return np.array([subject.score(canary) for _ in tqdm(range(count), desc=words, disable=None)])


def failures(rows: list[dict[str, Any]]) -> list[str]:
    """Rows that should not be: a bound above a claim that holds, or a broken build that passes."""
    said = []
    for row in rows:
        highest = max(row["plain_bound"], row["noise_bound"])
        broken, refuted = row["noise_factor"] < 1, highest > row["epsilon"]
        if broken != refuted:
            said.append(
                f"{row['mechanism']} at epsilon {row['epsilon']:g}, noise x {row['noise_factor']:g}: {highest:.2f}"
            )
    return said


def record(rows: list[dict[str, Any]], measured: str) -> dict[str, Any]:
    """The table of RESULTS.md: a row per mechanism and claim, the bounds of the real and of the broken build.

    Args:
        rows: from :func:`bounds`; a claim without its broken build is left out.
        measured: commit.
    """
    cells = {(row["mechanism"], row["epsilon"], row["noise_factor"]): row for row in rows}
    lines = []
    for name, epsilon, factor in cells:
        if factor == 1 and (name, epsilon, BROKEN) in cells:
            real, broken = cells[name, epsilon, 1.0], cells[name, epsilon, BROKEN]
            lines.append([name, f"{epsilon:g}", real["plain_bound"], real["noise_bound"], broken["noise_bound"]])
    draws = rows[0]["draws_per_side"]
    return {
        "columns": ["mechanism", "claimed epsilon", "at least", "at least, form known", "half the noise: at least"],
        "rows": lines,
        "format": dict.fromkeys(("at least", "at least, form known", "half the noise: at least"), ".2f"),
        "command": f"python -m tests.benchmarks epsilon --draws {draws}",
        "commit": measured,
        "hardware": hardware(1),
        "seeds": "none, the noise comes from the system",
    }


def resumed(file: Path, measured: str, draws: int) -> tuple[list[dict[str, Any]], int]:
    """Rows of an interrupted run at the same commit with as many draws, and its CPU seconds; none without the file."""
    written = json.loads(file.read_text()) if file.exists() else {}
    same = written.get("commit") == measured and all(row["draws_per_side"] == draws for row in written["rows"])
    return (written["rows"], written["cpu_seconds"]) if same else ([], 0)


def main(words: list[str]) -> int:
    """Print the table, write the rows as JSON, which a second call continues; 1 when a bound and its claim disagree."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks epsilon", description=__doc__)
    parser.add_argument("--draws", type=int, default=2000, help="releases per side that decide a bound")
    parser.add_argument(
        "--choosing", type=int, default=500, help="further releases per side that choose the thresholds"
    )
    parser.add_argument("--epsilons", type=float, nargs="+", default=[1.0, 3.0, 8.0])
    parser.add_argument("--out", type=Path, default=Path("epsilon.json"))
    options = parser.parse_args(words)
    rows, before = resumed(options.out, commit(), options.draws)
    done = {(row["mechanism"], row["epsilon"], row["noise_factor"]) for row in rows}
    start = time.process_time()
    for epsilon, mechanism, factor in itertools.product(options.epsilons, MECHANISMS, (1.0, BROKEN)):
        if (mechanism.name, epsilon, factor) not in done:
            rows.append(bounds(mechanism, epsilon, options.draws, options.choosing, factor))
            seconds = before + round(time.process_time() - start)
            content = {"commit": commit(), "words": words, "cpu_seconds": seconds, "rows": rows}
            options.out.write_text(json.dumps(content, indent=2))
    table = record(rows, commit())
    write_record("epsilon", table)
    print(rendered(table))
    wrong = failures(rows)
    print("\n".join(wrong) or "Every bound is below its claim, and half the noise exceeds it everywhere.")
    return int(bool(wrong))
