"""A sampler is a setting and a function, in two files: a copy of the program with a toy one has it everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy.sampler import copy_with_sampler


@pytest.mark.slow
def test_a_sampler_takes_its_setting_and_its_function_alone(tmp_path: Path) -> None:
    copy_with_sampler(tmp_path)
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/tui/added_sampler.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
