"""Whether a model fits into memory, worked out from its headers before anything is loaded.

Counts weights alone, which is what a model cannot do without; a run needs some more for its keys and values.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.errors import ModelTooLargeError
from core.memory import RESERVE_BYTES, free_bytes
from core.model_files.headers import TensorEntry

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Of one weight in memory, by precision."""


def needed_bytes(parameters: int) -> dict[str, int]:
    """What a model's weights take in memory, by precision."""
    return {precision: parameters * size for precision, size in BYTES.items()}


def count_parameters(entries: Sequence[TensorEntry]) -> int:
    """How many weights files hold."""
    return sum(entry.elements for entry in entries if entry.is_weight)


def free_on(device: torch.device) -> int:
    """Memory that is free where a model shall go; 0 when that is not known."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
        return free - torch.cuda.memory_allocated(device)
    if device.type == "xpu":
        return 0
    return free_bytes()


def check_fit(
    name: str, parameters: int, device: torch.device, precision: str, choices: Sequence[str], freed_bytes: int = 0
) -> None:
    """Refuse a model that is larger than the memory that is free.

    Args:
        name: the model's.
        parameters: how many weights it has.
        device: where it shall go.
        precision: as `device.pick_precision` gives it.
        choices: the precisions that can be had for it there.
        freed_bytes: what will be free once the models that make room for it are gone.

    Raises:
        ModelTooLargeError: it does not fit; the message has the numbers and says what would.
    """
    free = free_on(device)
    if not free:
        return
    room = free + freed_bytes - RESERVE_BYTES
    needed = needed_bytes(parameters)
    if needed[precision] <= room:
        return
    fitting = [choice for choice in choices if needed[choice] <= room]
    sizes = ", ".join(f"{choice} {gigabytes(needed[choice])}" for choice in choices)
    most = max(0, room) // min(BYTES[choice] for choice in choices)
    raise ModelTooLargeError(
        f"{name} needs {gigabytes(needed[precision])} of memory in {precision}, "
        f"{gigabytes(max(0, room))} are free on {device}",
        f"it takes {sizes}; "
        + (
            f"use --dtype {fitting[0]}"
            if fitting
            else f"a model of up to {most / 1e6:,.0f} million weights would fit, or close other programs"
        ),
    )


def gigabytes(count: int) -> str:
    """A size in memory, readable."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
