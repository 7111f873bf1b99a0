"""The golden values belong to the bundled weights, and the self-test tells right from wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from core.backends.process import worker_environment
from core.engine.golden import TOP, Golden, read_golden, write_golden
from core.engine.self_test import TOLERANCE, check, combinations
from core.errors import ModelFormatError
from core.models.provenance import sha256
from core.models.registry import DEFAULT_GENERATOR, resolve, weight_files
from tests.cli.process import PATIENCE_S, REPOSITORY

pytestmark = pytest.mark.starter


@pytest.fixture(scope="module")
def golden() -> Golden:
    return read_golden()


def test_the_golden_values_belong_to_the_bundled_weights(golden: Golden) -> None:
    assert golden.weights == sha256(weight_files(resolve(DEFAULT_GENERATOR))), "run python -m training.golden"


def test_they_are_those_of_transformers_in_float64(golden: Golden) -> None:
    from training.golden import compute_golden  # imports transformers

    fresh = compute_golden()
    assert (fresh.prompt_ids, fresh.ids) == (golden.prompt_ids, golden.ids)
    assert fresh.logprobs == pytest.approx(golden.logprobs, abs=1e-6)
    assert len(golden.ids) == TOP


def test_every_precision_of_this_processor_is_near_them(golden: Golden) -> None:
    assert [dtype for device, dtype in combinations() if device == "cpu"] == list(TOLERANCE)
    for dtype in TOLERANCE:
        result = check("cpu", dtype, golden)
        assert not result.problem
        assert 0 <= result.error <= result.tolerance
        assert result.same_best
        assert not result.stale


def test_each_precision_is_tried_itself_however_slow_it_is(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    times = count(100, -1)  # the first one timed, the rounded one, is the slower
    monkeypatch.setattr("core.engine.networks.precision._row_time_s", lambda *_: next(times))
    assert [check("cpu", dtype, golden).used for dtype in TOLERANCE] == list(TOLERANCE)


def test_other_values_are_told_apart(golden: Golden) -> None:
    wrong = replace(golden, logprobs=tuple(value - 1 for value in golden.logprobs), weights="other")
    result = check("cpu", "float32", wrong)
    assert result.error == pytest.approx(1, abs=1e-3)
    assert result.stale
    assert not check("cpu", "float32", replace(golden, ids=(golden.ids[1], *golden.ids[1:]))).same_best


def test_a_device_that_is_not_there_is_a_problem_and_no_traceback(golden: Golden) -> None:
    result = check("cuda:99", "float32", golden)
    assert result.error < 0
    assert "not available" in result.problem


def test_golden_values_come_back_as_they_were_written(golden: Golden, tmp_path: Path) -> None:
    write_golden(golden, tmp_path / "golden.json")
    assert read_golden(tmp_path / "golden.json") == golden
    (tmp_path / "golden.json").write_text("{}")
    with pytest.raises(ModelFormatError, match="cannot be read"):
        read_golden(tmp_path / "golden.json")


def test_the_process_prints_a_line_for_each_try_and_nothing_else(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "core.engine.self_test"],
        env={**worker_environment(), "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    first, *results = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [[result["device"], result["dtype"]] for result in results] == first["todo"]
