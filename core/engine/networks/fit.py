"""Whether a model fits into memory, worked out from its headers before anything is loaded.

Counts what loading takes at its peak: the weights, and the copies that are made of the largest of them meanwhile. What
a run needs for its keys and values is in the reserve.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from core.errors import ModelTooLargeError
from core.memory import RESERVE_BYTES, free_bytes
from core.models.safetensors_header import TensorEntry
from core.precision import Precision

_COPY_BYTES = {Precision.FLOAT32: 4, Precision.FLOAT16: 2, Precision.BFLOAT16: 5, Precision.INT8: 5}
"""Of each number of the largest tensor while it becomes a layer, measured as the peak of a load of GPT-2."""

_WIDENED_COPY_BYTES = 9
"""The same where the file holds another dtype than float32, into which it is copied first."""

_OUT_OF_MEMORY = ("cannot allocate memory", "can't allocate memory", "out of memory", "os error 12")
"""How libraries say that the system refuses memory, in small letters."""


@dataclass(frozen=True, slots=True)
class WeightCount:
    """How many weights a model has."""

    all: int
    largest: int = 0
    """Of its largest tensor."""
    widened: bool = False
    """Whether they are stored in another dtype than float32."""

    @classmethod
    def of(cls, sizes: Iterable[int], *, widened: bool) -> WeightCount:
        """That of tensors, by the number of weights in each."""
        every = list(sizes)
        return cls(sum(every), max(every, default=0), widened)

    def needed_bytes(self, precision: str) -> int:
        """The peak of memory while it is loaded."""
        copies = _WIDENED_COPY_BYTES if self.widened else _COPY_BYTES[Precision(precision)]
        return self.all * Precision(precision).weight_bytes + self.largest * copies


def count_weights(entries: Iterable[TensorEntry]) -> WeightCount:
    """How many weights files hold."""
    weights = [entry for entry in entries if entry.is_weight]
    return WeightCount.of((one.elements for one in weights), widened=any(one.dtype != "F32" for one in weights))


def free_on(device: torch.device) -> int:
    """Memory that is free where a model shall go; 0 when that is not known."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
        return free - torch.cuda.memory_allocated(device)
    if device.type == "xpu":
        return 0
    return free_bytes()


def fits(count: WeightCount, device: torch.device, precision: str, freed_bytes: int = 0) -> bool:
    """Whether a model can be loaded now, as far as the system tells.

    Args:
        count: its weights.
        device: where it shall go.
        precision: a `Precision`.
        freed_bytes: what will be free once the models that make room for it are gone.
    """
    free = free_on(device)
    return not free or count.needed_bytes(precision) <= free + freed_bytes - RESERVE_BYTES


def check_fit(
    name: str, count: WeightCount, device: torch.device, precision: str, choices: Sequence[str], freed_bytes: int = 0
) -> None:
    """Refuse a model that is larger than the memory that is free.

    Args:
        name: the model's.
        count: its weights.
        device: where it shall go.
        precision: as `device.pick_precision` gives it.
        choices: the precisions that can be had for it there.
        freed_bytes: what will be free once the models that make room for it are gone.

    Raises:
        ModelTooLargeError: it does not fit; the message has the numbers and says what would.
    """
    if fits(count, device, precision, freed_bytes):
        return
    room = max(0, free_on(device) + freed_bytes - RESERVE_BYTES)
    fitting = [choice for choice in choices if count.needed_bytes(choice) <= room]
    most = room // min(Precision(choice).weight_bytes for choice in choices)
    way_out = f"a model of up to {most / 1e6:,.0f} million weights would fit, or close other programs"
    raise ModelTooLargeError(
        f"{name} needs {gigabytes(count.needed_bytes(precision))} of memory in {precision}, "
        f"{gigabytes(room)} are free on {device}",
        f"it takes {_sizes(count, choices)}; {f'use --dtype {fitting[0]}' if fitting else way_out}",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the system gave no memory, whichever library says so."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def refused_by_system(
    name: str, count: WeightCount, device: torch.device, precision: str, choices: Sequence[str]
) -> ModelTooLargeError:
    """The error for memory that the system did not give although it seemed free.

    Args:
        name: the model's.
        count: its weights.
        device: where it should have gone.
        precision: wanted.
        choices: the precisions that can be had for it there.
    """
    smaller = [one for one in map(Precision, choices) if one.weight_bytes < Precision(precision).weight_bytes]
    other = f"use --dtype {smaller[-1]}, " if smaller else ""
    return ModelTooLargeError(
        f"{name} needs {gigabytes(count.needed_bytes(precision))} of memory in {precision}, and the system gives no "
        f"more ({gigabytes(free_on(device))} seemed free on {device})",
        f"it takes {_sizes(count, choices)}; {other}close other programs, or raise the limit (ulimit -v)",
    )


def _sizes(count: WeightCount, choices: Sequence[str]) -> str:
    return ", ".join(f"{choice} {gigabytes(count.needed_bytes(choice))}" for choice in choices)


def gigabytes(count: int) -> str:
    """A size in memory, readable."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
