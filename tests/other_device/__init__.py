"""The program on a device that is not the CPU, where no GPU is at hand."""
# SPDX-License-Identifier: Apache-2.0
