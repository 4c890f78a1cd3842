"""Tests of monai_distill.runtime.processes: several of them against one."""
