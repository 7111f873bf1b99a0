"""The course's softmax."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.softmax import softmax

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
