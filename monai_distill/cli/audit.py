"""``monai-distill audit``: attacks on what a run releases."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_distill.configuration.files import config_dir
from monai_distill.configuration.overrides import parsed_overrides

from .execution import distilled, run_bundle

__all__ = ["add_command", "execute"]

# settings of the audit that may be given; no other part of it
SETTINGS = ("at_most", "delta", "mislabelled", "model_steps", "models", "networks", "seed")
VOID = 3  # exit status of an audit without a result, or that refutes the run's claim


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Add the sub-command."""
    command: argparse.ArgumentParser = commands.add_parser(
        "audit", help="attack what a run releases; run again to go on", allow_abbrev=False
    )
    command.add_argument("run", type=Path, help="run folder")
    command.add_argument("--dataset_dir", help="folder with the data, where it is another one now")
    command.add_argument(
        "--shadows", type=int, default=64, help="distillations of random halves; 64 to publish, the default"
    )
    command.epilog = "Further words are settings of the shadows (--iterations 20) or of the audit (--audit#models 4)."
    return command


def execute(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Audit, print the table; status 3 for a void audit or a refuted claim.

    Further words are settings of the shadows (``--iterations 20``), and of the audit itself when they begin with
    ``--audit#``.
    """
    from monai_distill.export.report.writer import save_report
    from monai_distill.privacy.audit.audit import audit_table
    from monai_distill.privacy.audit.shadow_runs import MIN_SHADOWS

    if options.shadows < MIN_SHADOWS:
        raise ValueError(f"Expected at least {MIN_SHADOWS} for --shadows, got {options.shadows}. Publish with 64.")
    given = parsed_overrides(rest)
    audit_settings = {name: value for name, value in given.items() if name.startswith(("audit#", "audit::"))}
    wrong = sorted(name for name in audit_settings if name.replace("::", "#").partition("#")[2] not in SETTINGS)
    if wrong:
        raise ValueError(f"Expected --audit#NAME with a name of {', '.join(SETTINGS)}, got {wrong}.")
    values = (
        distilled(options.run, options.dataset_dir)
        | audit_settings
        | {"run_id": "audit#run", "audit#shadows": options.shadows}
    )
    values["audit#shadow_settings"] = {name: value for name, value in given.items() if name not in audit_settings}
    values["config_file"] = [values["config_file"], str(config_dir() / "audit.yaml")]
    options.log.open(options.run)
    logger = logging.getLogger("monai_distill.privacy")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler := logging.StreamHandler())
    logger.propagate = False  # a library that sets up logging at large would say everything twice
    try:
        run_bundle(values)
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    if (options.run / "report.html").is_file():  # the page would still say that no attack was run
        save_report(options.run)
    audit = json.loads((options.run / "audit.json").read_text())
    print(f"{audit_table(audit)}\nAudit: {options.run / 'audit.json'}")
    return VOID if audit["void"] or audit["claim_refuted"] else 0
