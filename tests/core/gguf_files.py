"""Writes small gguf files by hand, byte by byte as docs/gguf.md of ggml has it, with whatever a test wants wrong."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ALIGNMENT = 32


def text(value: str) -> bytes:
    """A text as the format has it."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


@dataclass(frozen=True, slots=True)
class Tensor:
    """An entry of the table of tensors."""

    name: str = "token_embd.weight"
    shape: Sequence[int] = (32, 4)
    kind: int = 1
    offset: int = 0


@dataclass(slots=True)
class GgufFile:
    """What a file shall hold."""

    magic: bytes = b"GGUF"
    version: int = 3
    architecture: str = "llama"
    more: bytes = b""
    """Further entries of the metadata, as bytes."""
    more_count: int = 0
    tensors: Sequence[Tensor] = field(default_factory=lambda: (Tensor(),))
    tensor_count: int | None = None
    """What is announced, where it is not the truth."""
    data_bytes: int = 256

    def content(self) -> bytes:
        """The whole file."""
        count = len(self.tensors) if self.tensor_count is None else self.tensor_count
        head = self.magic + struct.pack("<IQQ", self.version, count, 1 + self.more_count)
        head += text("general.architecture") + struct.pack("<I", 8) + text(self.architecture) + self.more
        for tensor in self.tensors:
            head += text(tensor.name) + struct.pack("<I", len(tensor.shape))
            head += struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape)
            head += struct.pack("<IQ", tensor.kind, tensor.offset)
        return head + bytes(-len(head) % ALIGNMENT) + bytes(self.data_bytes)

    def write(self, path: Path) -> Path:
        """Write it."""
        path.write_bytes(self.content())
        return path
