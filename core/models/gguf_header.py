"""What a gguf file says it holds, read and checked before anything of it is converted.

Reads headers only and needs nothing but the standard library. Layout: ggml-org/ggml, docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from core.errors import ModelFormatError
from core.precision import Precision

VERSIONS = (2, 3)
MOST_TENSORS = 1_000_000
MOST_DIMENSIONS = 8

_BLOCKS = (
    {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40)}
    | {10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)}
    | {16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82)}
    | {23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)}
    | {34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18)}
)
"""Numbers in a block and its bytes, by ggml's number of the type."""

_FLOAT32, _BFLOAT16 = 0, 30

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""Formats of the metadata's plain values, by their number."""

_STRING, _ARRAY = 8, 9

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor of a file."""

    name: str
    shape: tuple[int, ...]
    """As ggml writes it: the reverse of torch's."""
    kind: int
    """ggml's number of its type."""

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """A file's metadata and tensors."""

    metadata: dict[str, Scalar]
    """Plain values; of an array, how many entries it has."""
    tensors: tuple[GgufTensor, ...]

    @property
    def architecture(self) -> str:
        """The model's, as llama.cpp calls it."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def dtype(self) -> Precision:
        """The dtype that holds its matrices without loss worth speaking of: blocks are scaled in float16 anyway."""
        kinds = {tensor.kind for tensor in self.tensors if len(tensor.shape) > 1}
        if _FLOAT32 in kinds:
            return Precision.FLOAT32
        return Precision.BFLOAT16 if _BFLOAT16 in kinds else Precision.FLOAT16


class _Reader:
    """Values one after the other, none beyond the end of the file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self.size = path.stat().st_size

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > self.size - self._file.tell():
            raise broken(self._path, f"it ends in the middle of its header ({self.size:,} bytes)")
        return self._file.read(count)

    def number(self, layout: str) -> Scalar:
        """A plain value."""
        value: Scalar = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def count(self, layout: str, most: int, what: str) -> int:
        """A whole number that must not be absurd."""
        value = int(self.number(layout))
        if value > most:
            raise broken(self._path, f"it announces {value:,} {what}")
        return value

    def string(self) -> str:
        """A text with its length before it."""
        return self.take(self.count("<Q", self.size, "bytes of text")).decode("utf-8", "backslashreplace")

    def value(self, kind: int) -> Scalar:
        """A value of the metadata; of an array its length."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise broken(self._path, f"its metadata has a value of unknown kind {kind}")
        inner = int(self.number("<I"))
        entries = self.count("<Q", self.size, "entries in a list")
        if inner in _SCALARS:
            self.take(entries * struct.calcsize(_SCALARS[inner]))
        elif inner == _STRING:
            for _ in range(entries):
                self.take(self.count("<Q", self.size, "bytes of text"))
        else:
            raise broken(self._path, f"its metadata has a list of unknown kind {inner}")
        return entries

    def tensor(self) -> tuple[GgufTensor, int]:
        """An entry of the table of tensors, and where its data begin."""
        name = self.string()
        dimensions = self.count("<I", MOST_DIMENSIONS, f"dimensions for {name!r}")
        shape = tuple(int(self.number("<Q")) for _ in range(dimensions))
        return GgufTensor(name, shape, int(self.number("<I"))), int(self.number("<Q"))

    def place(self) -> int:
        """How far it has read."""
        return self._file.tell()


def read_gguf(path: Path) -> GgufHeader:
    """Read and check a file's header.

    Raises:
        ModelFormatError: it is no gguf file, or does not describe itself rightly.
    """
    try:
        with path.open("rb") as file:
            return _read(path, _Reader(path, file))
    except OSError as error:
        raise ModelFormatError(f"{path} cannot be read: {error.strerror}", "check its permissions") from None


def _read(path: Path, reader: _Reader) -> GgufHeader:
    if reader.size < 4 or reader.take(4) != b"GGUF":
        raise broken(path, "it does not begin with GGUF")
    version = int(reader.number("<I"))
    if version not in VERSIONS:
        raise broken(path, f"it is of version {version}; versions {' and '.join(map(str, VERSIONS))} are read")
    tensor_count = reader.count("<Q", MOST_TENSORS, "tensors")
    entry_count = reader.count("<Q", MOST_TENSORS, "entries of metadata")
    metadata: dict[str, Scalar] = {}
    for _ in range(entry_count):
        key = reader.string()
        metadata[key] = reader.value(int(reader.number("<I")))
    table = [reader.tensor() for _ in range(tensor_count)]
    if not table or not metadata.get("general.architecture"):
        raise broken(path, "it holds no model")
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 2**20:
        raise broken(path, f"its alignment is {alignment}")
    data_start = -(-reader.place() // alignment) * alignment
    for tensor, offset in table:
        _check_place(path, tensor, data_start + offset, reader.size)
    return GgufHeader(metadata, tuple(tensor for tensor, _ in table))


def _check_place(path: Path, tensor: GgufTensor, start: int, size: int) -> None:
    if tensor.kind not in _BLOCKS:
        raise broken(path, f"{tensor.name!r} is of an unknown type, {tensor.kind}")
    numbers, block_bytes = _BLOCKS[tensor.kind]
    if tensor.elements % numbers:
        raise broken(path, f"{tensor.name!r} has {tensor.elements:,} numbers, which are no whole blocks of {numbers}")
    end = start + tensor.elements // numbers * block_bytes
    if end > size:
        raise broken(path, f"{tensor.name!r} ends at byte {end:,} of {size:,}: the file is cut short")


def broken(path: Path, reason: str) -> ModelFormatError:
    """The error for a file that cannot be used."""
    return ModelFormatError(f"{path.name} is no usable gguf file: {reason}", "download it again")
