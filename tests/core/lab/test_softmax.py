"""The course's softmax."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.lab.softmax import parse_logits, softmax, softmax_steps

FINITE = st.floats(-1e300, 1e300)


def test_the_courses_logits_give_the_courses_probabilities() -> None:
    np.testing.assert_allclose(softmax([2.5, 1.0, 0.5]), [0.73612472, 0.16425163, 0.09962365], atol=5e-9)


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_probabilities_are_never_negative_and_sum_to_one(logits: list[float]) -> None:
    probabilities = softmax(logits)
    assert (probabilities >= 0).all()
    assert probabilities.sum() == pytest.approx(1)


def test_large_logits_do_not_overflow() -> None:
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(softmax([1000.0, 1000.0, -1000.0]), [0.5, 0.5, 0.0])


def test_minus_infinity_stands_for_impossible() -> None:
    np.testing.assert_allclose(softmax([0.0, float("-inf"), 0.0]), [0.5, 0.0, 0.5])


def test_the_axis_asked_for_sums_to_one() -> None:
    logits = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(softmax(logits, axis=0).sum(axis=0), np.ones(4))
    np.testing.assert_allclose(softmax(logits).sum(axis=1), np.ones(3))


def test_the_argument_stays_as_it_was() -> None:
    logits = np.array([1.0, 2.0, 3.0])
    softmax(logits)
    np.testing.assert_array_equal(logits, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "logits",
    [[], 3.0, [float("nan"), 1.0], [float("inf"), 1.0], [float("-inf"), float("-inf")]],
    ids=["empty", "scalar", "nan", "infinity", "only minus infinity"],
)
def test_what_cannot_be_normalised_is_refused(logits: object) -> None:
    with pytest.raises(ValueError, match="softmax needs"):
        softmax(logits)  # type: ignore[arg-type]


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(0.01, 100))
def test_the_steps_are_the_softmax_of_the_logits_over_the_temperature(logits: list[float], temperature: float) -> None:
    steps = softmax_steps(logits, temperature)
    np.testing.assert_allclose([s.prob for s in steps], softmax(np.array(logits) / temperature), atol=1e-12)
    assert [s.logit for s in steps] == logits
    assert max(s.shifted for s in steps) == 0
    for step in steps:
        assert step.scaled == pytest.approx(step.logit / temperature)
        assert step.exp == pytest.approx(np.exp(step.shifted))
        assert step.prob == pytest.approx(step.exp / sum(s.exp for s in steps))


def test_the_steps_equal_torch_s_softmax() -> None:
    logits = [2.5, 1.0, 0.5, -3.0]
    expected = torch.tensor(logits).div(0.7).softmax(-1).tolist()
    assert [step.prob for step in softmax_steps(logits, 0.7)] == pytest.approx(expected, abs=1e-6)
    assert [step.naive_prob for step in softmax_steps(logits, 0.7)] == pytest.approx(expected, abs=1e-6)


def test_without_subtracting_the_maximum_float32_overflows_and_with_it_nothing_does() -> None:
    assert [step.naive_exp for step in softmax_steps([88.0, 89.0])] == [pytest.approx(1.6516e38, rel=1e-3), math.inf]
    steps = softmax_steps([1000.0, 1001.0, 1002.0])
    assert [step.naive_exp for step in steps] == [math.inf] * 3
    assert all(math.isnan(step.naive_prob) for step in steps)
    assert [step.prob for step in steps] == pytest.approx([0.09003057, 0.24472847, 0.66524096])


def test_far_below_zero_the_naive_formula_divides_nothing_by_nothing() -> None:
    steps = softmax_steps([-1000.0, -1001.0])
    assert [step.naive_exp for step in steps] == [0, 0]
    assert all(math.isnan(step.naive_prob) for step in steps)
    assert steps[0].prob == pytest.approx(1 / (1 + math.exp(-1)))


def test_temperature_0_is_the_limit_and_equal_largest_logits_share() -> None:
    assert [step.prob for step in softmax_steps([2.5, 1.0, 0.5], 0)] == [1, 0, 0]
    assert [step.prob for step in softmax_steps([2.0, 0.0, 2.0], 0)] == [0.5, 0, 0.5]
    assert [step.scaled for step in softmax_steps([2.0, 0.0, -2.0], 0)] == [math.inf, 0, -math.inf]
    nearly = [step.prob for step in softmax_steps([2.5, 1.0, 0.5], 1e-300)]
    assert nearly == [1, 0, 0]


def test_a_negative_temperature_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature"):
        softmax_steps([1.0], -0.1)


def test_logits_are_read_with_any_separator() -> None:
    assert parse_logits(" 2.5, 1;-3\t-1e3 -inf") == [2.5, 1.0, -3.0, -1000.0, -math.inf]


@pytest.mark.parametrize("text", ["", " , ", "1, two", "가", "nan", "inf 1", "-inf", "[bold]"])
def test_what_is_no_logit_is_refused_with_one_line(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_logits(text)
    assert refusal.value.hint
    assert "\n" not in str(refusal.value)
