"""What predictions are worth: scores as scikit-learn gives them, some by hand; bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from core.engine.lab.evaluation.metrics import calibrate, exp_of, score_classes


def test_binary_scores_count_the_positive_label() -> None:
    gold, predicted = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    scores = score_classes(gold, predicted, ("no", "yes"), positive=1)
    assert scores.accuracy == pytest.approx(3 / 5)
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert scores.confusion == ((1, 1), (1, 2))
    assert [(one.label, one.support) for one in scores.classes] == [("no", 2), ("yes", 3)]
    assert score_classes(gold, predicted, ("no", "yes"), positive=0).f1 == pytest.approx(1 / 2)


def test_more_labels_are_averaged_and_those_never_seen_count_nothing() -> None:
    scores = score_classes(np.array([0, 1]), np.array([0, 0]), ("a", "b", "c"), positive=1)
    assert scores.average == "macro"
    assert scores.f1 == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert scores.confusion == ((1, 0, 0), (1, 0, 0), (0, 0, 0))


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1), st.integers(0, 1))
@example(2, [(0, 0)], 1)  # the positive label neither stands there nor is predicted
@example(2, [(0, 0)], 0)
@example(2, [(0, 1)], 1)  # no right answer is positive
@example(2, [(1, 0)], 1)  # nothing is predicted positive
@example(3, [(0, 2), (2, 2)], 1)  # one label is missing
def test_scores_are_scikit_learn_s(count: int, drawn: list[tuple[int, int]], positive: int) -> None:
    gold, predicted = (np.array([pair[side] % count for pair in drawn]) for side in (0, 1))
    numbers, names = list(range(count)), tuple(map(str, range(count)))
    how = {"average": "binary", "pos_label": positive} if count == 2 else {"average": "macro", "labels": numbers}
    expected = precision_recall_fscore_support(gold, predicted, zero_division=0, **how)[:3]
    of_each = precision_recall_fscore_support(gold, predicted, labels=numbers, average=None, zero_division=0)
    found = score_classes(gold, predicted, names, positive)
    assert (found.precision, found.recall, found.f1) == expected
    assert found.average == how["average"]
    assert found.accuracy == accuracy_score(gold, predicted)
    assert [(one.label, one.precision, one.recall, one.f1, one.support) for one in found.classes] == list(
        zip(names, *of_each, strict=True)
    )
    assert np.array_equal(found.confusion, confusion_matrix(gold, predicted, labels=numbers))


def test_the_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    confidence = np.array([0.9, 0.95, 0.55, 1.0, 0.6])
    right = np.array([True, False, True, True, False])
    error, bins = calibrate(confidence, right)
    assert [one.n for one in bins] == [0, 0, 0, 0, 0, 2, 0, 0, 1, 2]
    assert bins[9].accuracy == 0.5
    assert bins[9].confidence == pytest.approx(0.975)
    assert error == pytest.approx((2 * abs(0.575 - 0.5) + 1 * abs(0.9 - 1) + 2 * abs(0.975 - 0.5)) / 5)


def test_a_huge_loss_stays_a_number() -> None:
    assert np.isfinite(exp_of(1e6))
    assert exp_of(0.0) == 1
