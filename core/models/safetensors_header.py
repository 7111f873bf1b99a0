"""What a safetensors file says it holds, read and checked before anything of it is loaded.

Reads headers only, never weights, and needs neither torch nor safetensors. A header that passes describes a file that
can be mapped as it says: every tensor inside it, none over another, nothing left over.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from core.errors import ModelFormatError

MOST_HEADER_BYTES = 100_000_000
"""As in the safetensors library: a header larger than this is an attack or a mistake."""

BITS = (
    {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32}
    | {"F16": 16, "BF16": 16, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8}
    | {"F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
)
"""Every dtype that safetensors files may have, with its size."""

FLOATS = ("F64", "F32", "F16", "BF16")
"""The dtypes that weights are computed with."""

_COUNTERS = ("position_ids", "token_type_ids", ".attn.bias", ".attn.masked_bias", "num_batches_tracked")
"""How the names of tensors end that are no weights, in old checkpoints."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    """First byte, after the header."""
    end: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)

    @property
    def is_weight(self) -> bool:
        """Whether it is computed with; a few names are those of counters and masks."""
        return not self.name.endswith(_COUNTERS)


def read_header(path: Path) -> tuple[TensorEntry, ...]:
    """Every tensor of a safetensors file, in the order of the data.

    Raises:
        ModelFormatError: the header is broken, or does not describe the file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = _header_length(path, file.read(8), size)
            raw = file.read(length)
    except OSError as error:
        raise ModelFormatError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
    header = _parse(path, raw)
    header.pop("__metadata__", None)
    entries = sorted(
        (_entry(path, name, value) for name, value in header.items()), key=lambda one: (one.start, one.end)
    )
    _check_layout(path, entries, size - 8 - length)
    return tuple(entries)


def check_weights(name: str, entries: Iterable[TensorEntry]) -> None:
    """Make sure that what is computed with are floating-point numbers.

    Args:
        name: the model's, for the error.
        entries: of all its files.

    Raises:
        ModelFormatError: a weight is of another kind, as in quantised checkpoints.
    """
    for entry in entries:
        if entry.is_weight and entry.dtype not in FLOATS:
            raise ModelFormatError(
                f"{entry.name} of {name} is {entry.dtype}, not one of {', '.join(FLOATS)}: a quantised checkpoint",
                "use the model as it was before, or its .gguf file",
            )


def _header_length(path: Path, prefix: bytes, size: int) -> int:
    if len(prefix) < 8:
        raise _broken(path, f"it has {size} bytes, too few for a header")
    length: int = struct.unpack("<Q", prefix)[0]
    if length > MOST_HEADER_BYTES or 8 + length > size:
        raise _broken(path, f"it announces a header of {length:,} bytes in a file of {size:,}")
    return length


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name stands there twice")
        return found

    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"its header is not JSON ({_first_line(error)})") from None
    if not isinstance(header, dict):
        raise _broken(path, "its header is no JSON object")
    return header


def _entry(path: Path, name: str, value: object) -> TensorEntry:
    """One entry of the header, with values of the right kinds that belong together."""
    if not isinstance(value, dict) or not {"dtype", "shape", "data_offsets"} <= value.keys():
        raise _broken(path, f"the header's entry {name!r} lacks dtype, shape or data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _broken(path, f"{name!r} is of an unknown dtype, {dtype!r}")
    if not _are_counts(shape):
        raise _broken(path, f"{name!r} has an impossible shape, {_short(shape)}")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _broken(path, f"{name!r} has impossible offsets, {_short(offsets)}")
    needed, given = -(-prod(shape) * BITS[dtype] // 8), offsets[1] - offsets[0]
    if needed != given:
        raise _broken(path, f"{name!r} of {dtype} {_short(shape)} takes {needed:,} bytes, its offsets give {given:,}")
    return TensorEntry(name, dtype, tuple(shape), *offsets)


def _check_layout(path: Path, entries: list[TensorEntry], data_bytes: int) -> None:
    """Tensors lie side by side from the first byte to the last."""
    place, before = 0, "the header"
    for entry in entries:
        if entry.end > data_bytes:
            raise _broken(path, f"{entry.name!r} ends at byte {entry.end:,} of {data_bytes:,}: the file is cut short")
        if entry.start < place:
            raise _broken(path, f"{entry.name!r} overlaps {before!r}")
        if entry.start > place:
            raise _broken(path, f"{entry.start - place:,} bytes before {entry.name!r} belong to no tensor")
        place, before = entry.end, entry.name
    if place < data_bytes:
        raise _broken(path, f"its last {data_bytes - place:,} bytes belong to no tensor")


def _are_counts(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 2**63 for one in value)


def _short(value: object) -> str:
    return repr(value)[:60]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:80] or type(error).__name__


def _broken(path: Path, reason: str) -> ModelFormatError:
    return ModelFormatError(f"{path.name} is no usable safetensors file: {reason}", "download it again")
