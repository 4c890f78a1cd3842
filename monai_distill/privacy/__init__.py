"""What can be said of a release: guarantees that were accounted for, and attacks that were run."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations
