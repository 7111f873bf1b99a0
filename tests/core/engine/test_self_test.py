"""The golden values belong to the bundled weights, and the self-test tells right from wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.backends.process import worker_environment
from core.engine.golden import TOP, Golden, read_golden, write_golden
from core.engine.networks.linear import HalfLinear, is_missing
from core.engine.self_test import TOLERANCE, SelfTest, check, combinations
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


def test_every_precision_is_tried_on_the_cpu() -> None:
    assert [dtype for device, dtype in combinations() if device == "cpu"] == list(TOLERANCE)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_each_precision_of_this_processor_is_near_them_however_slow_it_is(
    dtype: str, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.engine.networks.precision._row_time_s", lambda *_: pytest.fail("nothing is timed"))
    result = check("cpu", dtype, golden)
    assert not result.problem
    assert result.missing == is_missing(dtype)
    if not result.missing:
        assert result.used == dtype
        assert 0 <= result.error <= result.tolerance
        assert result.same_best
        assert not result.stale


@pytest.mark.usefixtures("without_bfloat16")
def test_a_precision_that_the_processor_does_not_have_is_missing_and_no_problem(golden: Golden) -> None:
    assert check("cpu", "bfloat16", golden) == SelfTest("cpu", "bfloat16", missing=True)
    assert not check("cpu", "float32", golden).missing


@pytest.mark.usefixtures("without_bfloat16")
def test_a_precision_that_is_computed_wrongly_is_a_problem_and_not_missing(
    golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HalfLinear, "__call__", lambda layer, rows: rows.new_zeros(len(rows), 32))
    result = check("cpu", "float16", golden)
    assert result.problem == "this processor computes wrongly in float16"
    assert not result.missing


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
