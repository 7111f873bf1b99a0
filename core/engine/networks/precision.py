"""Whether a precision is worth its rounding here, and how wrong it is on the model at hand: both are measured.

CPU only: on other devices a precision is simply the dtype of the weights.
"""

from __future__ import annotations

import time
from statistics import median

import torch
from torch import Tensor

from core.engine.networks.gpt2 import GPT2
from core.engine.networks.linear import Factory, PlainLinear, factories, is_missing, usable
from core.errors import DeviceError
from core.messages.records import PrecisionError

_REPEATS = 7

_CACHE_ENTRIES = 2**24
"""float32 numbers that no cache holds, read between two measurements as a model's other weights are."""

CALIBRATION_TEXT = (
    "Once upon a time there was a little girl who lived near the sea. In the year 2050, scientists found a new way to "
    'store energy. The secret to happiness is not to want everything. He asked: "What is 12 times 7?" and she laughed.'
)
"""What the error of a precision is measured on: a story, facts, dialogue, numbers."""


def choose_layers(precision: str, weight: Tensor, bias: Tensor, *, fall_back: bool = True) -> tuple[str, Factory, str]:
    """How to compute in a precision on this machine: always the same kind, so that runs repeat.

    Args:
        precision: float32, float16, bfloat16 or int8.
        weight: an [in, out] weight of the model's shape, to time it on.
        bias: its (out,) bias.
        fall_back: take float32 when the one wanted is slower here, or not to be had.

    Returns:
        The precision to use, how to make its layers, and why it is not the one wanted, if it is not.

    Raises:
        DeviceError: it is not to be had, and float32 must not be taken.
    """
    exact = next((factory for factory in factories("float32") if usable(factory)), PlainLinear)
    if precision == "float32":
        return "float32", exact, ""
    rounded = next((factory for factory in factories(precision) if usable(factory)), None)
    if rounded is None:
        reason = f"this processor {'cannot compute' if is_missing(precision) else 'computes wrongly'} in {precision}"
        if not fall_back:
            raise DeviceError(reason, "use another --dtype")
        return "float32", exact, f"{reason}, so float32 is used"
    if not fall_back or _row_time_s(rounded, weight, bias) < _row_time_s(exact, weight, bias):
        return precision, rounded, ""
    return "float32", exact, f"{precision} is no quicker than float32 here, so float32 is used"


def measure_error(exact: Tensor, rounded: GPT2, ids: list[int]) -> PrecisionError:
    """How far a rounded model is from the exact one, token by token as decoding runs it.

    Args:
        exact: (T, V) logits after each token, in float32.
        rounded: the model in the precision to be judged.
        ids: a text of at least two tokens.
    """
    with torch.inference_mode():
        cache, divergence, agreed = rounded.new_cache(), 0.0, 0
        for token_id, row in zip(ids, exact, strict=True):
            expected = row.log_softmax(-1)  # (V,)
            found = rounded.forward(torch.tensor([[token_id]]), cache)[0].log_softmax(-1)
            divergence += float((expected.exp() * (expected - found)).sum())
            agreed += int(expected.argmax() == found.argmax())
    return PrecisionError(max(0.0, divergence / len(ids)), agreed / len(ids), len(ids))


def _row_time_s(factory: Factory, weight: Tensor, bias: Tensor) -> float:
    """Seconds for one row, the median of a few after a first; the weights come from memory, as they do in decoding."""
    layer, row = factory(weight, bias, "none"), torch.ones(1, weight.shape[0])
    other_weights = torch.zeros(_CACHE_ENTRIES)
    times = []
    with torch.inference_mode():
        for _ in range(_REPEATS + 1):
            other_weights.add_(1)
            began = time.perf_counter()
            layer(row)
            times.append(time.perf_counter() - began)
    return median(times[1:])
