"""What predictions are worth: hand-computed scores and bins."""

from __future__ import annotations

import numpy as np
import pytest

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
