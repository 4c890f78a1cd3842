"""Measurements of time and memory: ``python -m tests.benchmarks``."""
# SPDX-License-Identifier: Apache-2.0
