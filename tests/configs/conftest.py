"""The made data of tests/data, for whole runs on it."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.data.conftest import cifar_root, covid_root, folder_root, mhist_root, mnist_root, npz_root, table_root

__all__ = ["cifar_root", "covid_root", "folder_root", "mhist_root", "mnist_root", "npz_root", "table_root"]
