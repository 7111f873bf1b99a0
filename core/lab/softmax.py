"""The course's softmax, in numpy, with the maximum subtracted so that no exponential overflows; also step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import InputError


def softmax(logits: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Turn logits into probabilities.

    Args:
        logits: (..., N) numbers; −inf stands for "impossible".
        axis: the axis that sums to 1.

    Returns:
        (..., N) float64 probabilities.

    Raises:
        ValueError: nothing to normalise (empty axis, NaN, +inf, or every entry −inf).
    """
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim == 0 or values.shape[axis] == 0:
        raise ValueError("softmax needs at least one logit")
    highest = values.max(axis=axis, keepdims=True)
    if not np.isfinite(highest).all():
        raise ValueError("softmax needs a finite largest logit (got nan, inf, or only -inf)")
    exponentials = np.exp(values - highest)
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=axis, keepdims=True)
    return probabilities


@dataclass(frozen=True, slots=True)
class SoftmaxStep:
    """One logit on its way to a probability."""

    logit: float
    scaled: float
    """Divided by the temperature; at temperature 0 its limit, which is infinite unless the logit is 0."""
    shifted: float
    """Minus the largest scaled logit: 0 at most, so that its exponential is 1 at most."""
    exp: float
    """e to the power of `shifted`."""
    prob: float
    """`exp` divided by the sum over all logits, 0-1."""
    naive_exp: float
    """e to the power of `scaled` in float32, where anything above e^88.7 is infinite."""
    naive_prob: float
    """`naive_exp` divided by its sum, in float32; NaN where infinity is divided by infinity, or 0 by 0."""


def parse_logits(text: str) -> list[float]:
    """Read logits from a line: numbers with spaces, commas or semicolons between them; `-inf` is "impossible".

    Raises:
        InputError: there is none, one is no number, or none is finite.
    """
    words = text.replace(",", " ").replace(";", " ").split()
    logits = []
    for word in words:
        try:
            logits.append(float(word))
        except ValueError:
            raise InputError(f"{word!r} is no number", "write logits such as 2.5, 1.0, 0.5") from None
        if logits[-1] != logits[-1] or logits[-1] == float("inf"):
            raise InputError(f"{word!r} has no softmax", "a logit is a finite number, or -inf for what is impossible")
    if not logits:
        raise InputError("there are no logits", "write some, such as 2.5, 1.0, 0.5")
    if max(logits) == float("-inf"):
        raise InputError("every logit is -inf, so nothing is possible", "at least one must be a finite number")
    return logits


def softmax_steps(logits: Sequence[float], temperature: float = 1.0) -> tuple[SoftmaxStep, ...]:
    """Every step of the softmax of logits divided by a temperature.

    Args:
        logits: (N,) numbers; −inf stands for "impossible".
        temperature: 0 up; 0 is the limit: the largest logit gets everything, equal largest ones share it.

    Raises:
        ValueError: the temperature is negative, or as `softmax`.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature must be 0 or more, got {temperature:g}")
    softmax(logits)  # refuses what has no largest logit
    values = np.asarray(logits, dtype=np.float64)
    with np.errstate(over="ignore"):  # what is too far below the largest to be told apart is −inf
        below = values - values.max()
        scaled, shifted = values / (temperature or 1), below / (temperature or 1)
    if not temperature:
        scaled = np.where(values == 0, 0.0, np.copysign(np.inf, values))
        shifted = np.where(below == 0, 0.0, -np.inf)
    naive_exp, naive_prob = _naive_softmax(scaled)
    columns = (values, scaled, shifted, np.exp(shifted), softmax(shifted), naive_exp, naive_prob)
    return tuple(SoftmaxStep(*map(float, row)) for row in zip(*columns, strict=True))


def _naive_softmax(scaled: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The formula as it is written, in float32: the exponentials, and their share of the sum."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exponentials = np.exp(scaled.astype(np.float32))
        return exponentials, exponentials / exponentials.sum()
