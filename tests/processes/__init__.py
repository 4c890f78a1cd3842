"""Tests of monai_distill.processes: several of them against one."""
