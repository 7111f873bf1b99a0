"""The softmax of the course, in numpy, with the maximum subtracted so that no exponential overflows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
