"""The precisions of a model's weights, the one list of them; `auto` is a word of the options, not one of these."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """How a model's weights are held and multiplied."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"

    @property
    def weight_bytes(self) -> int:
        """What a weight takes in memory."""
        return _WEIGHT_BYTES[self]

    @property
    def note(self) -> str:
        """What it costs and saves, for people."""
        return _NOTES[self]


_WEIGHT_BYTES = {Precision.FLOAT32: 4, Precision.FLOAT16: 2, Precision.BFLOAT16: 2, Precision.INT8: 1}

_NOTES = {
    Precision.FLOAT32: "Exact; the default",
    Precision.FLOAT16: "Half the memory; the status line shows its measured error",
    Precision.BFLOAT16: "Half the memory, coarser; the status line shows its measured error",
    Precision.INT8: "A quarter of the memory; the status line shows its measured error",
}

DTYPES = (Precision.FLOAT32, Precision.FLOAT16, Precision.BFLOAT16)
"""Those that are a dtype of torch, by the same name; `int8` is not."""
