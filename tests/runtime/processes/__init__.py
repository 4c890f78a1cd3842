"""Tests of monai_distill.runtime.processes: several of them against one."""

# SPDX-License-Identifier: Apache-2.0
