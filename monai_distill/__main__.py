"""``python -m monai_distill`` is ``monai-distill``."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys

from monai_distill.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
