"""What predictions are worth: accuracy, F1 and confusion matrix, equal to scikit-learn's; calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.lab.evaluation import CalibrationBin, ClassScores

BINS = 10


@dataclass(frozen=True, slots=True)
class ClassificationScores:
    """A classifier's predictions, judged."""

    accuracy: float
    f1: float
    precision: float
    recall: float
    average: str
    """binary, for two labels; macro for more."""
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: the right label; columns: the predicted one."""


def score_classes(
    gold: NDArray[np.int64], predicted: NDArray[np.int64], labels: tuple[str, ...], positive: int
) -> ClassificationScores:
    """Judge predictions as scikit-learn does; what is not defined counts 0.

    Args:
        gold: (N,) right classes.
        predicted: (N,) classes.
        labels: their names.
        positive: the class whose F1, precision and recall are wanted when there are two.
    """
    count, two = len(labels), len(labels) == 2
    confusion = np.bincount(count * gold + predicted, minlength=count**2).reshape(count, count)
    hits, named, support = confusion.diagonal(), confusion.sum(0), confusion.sum(1)
    # (3, C): precision, recall and F1 of each class
    scores = np.stack((hits, hits, 2 * hits)) / np.maximum(1, (named, support, named + support))
    precision, recall, f1 = map(float, scores[:, positive] if two else scores.mean(1))
    return ClassificationScores(
        accuracy=float(hits.sum() / len(gold)),
        f1=f1,
        precision=precision,
        recall=recall,
        average="binary" if two else "macro",
        classes=tuple(map(ClassScores, labels, *scores.tolist(), support.tolist())),
        confusion=tuple(map(tuple, confusion.tolist())),
    )


def calibrate(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, tuple[CalibrationBin, ...]]:
    """The expected calibration error, and the ten bins it is made of (Guo et al. 2017, equation 3).

    Args:
        confidence: (N,) probabilities of the predicted labels.
        right: (N,) whether they are right.

    Returns:
        The mean distance of confidence and accuracy, bins weighted by their size; bins (0, 0.1] … (0.9, 1].
    """
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for place in range(BINS):
        inside = places == place
        n = int(inside.sum())
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if n else (0.0, 0.0)
        bins.append(CalibrationBin(place / BINS, (place + 1) / BINS, n, *means))
    error = sum(one.n * abs(one.confidence - one.accuracy) for one in bins) / max(len(confidence), 1)
    return error, tuple(bins)


def exp_of(loss: float) -> float:
    """exp(loss), at most e^700, so that it stays a number in JSON."""
    return math.exp(min(loss, 700.0))
