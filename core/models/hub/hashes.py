"""The hashes that a hub knows files by: SHA-256 of large ones, git's own of small ones."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

_BLOCK_BYTES = 2**20
_SHA256, _GIT_SHA1 = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")


def is_hash(text: str) -> bool:
    """Whether a name is a hash that content can be compared with."""
    return bool(_SHA256.fullmatch(text) or _GIT_SHA1.fullmatch(text))


def content_hash(path: Path, like: str, on_read: Callable[[int], None] = lambda count: None) -> str:
    """The hash of a file's content, of the same kind as another one.

    Args:
        path: the file.
        like: 64 hex digits for SHA-256, 40 for what git calls the content.
        on_read: told of every few bytes that were read; what it raises ends the reading.

    Raises:
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    digest = hashlib.sha256() if len(like) == 64 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            on_read(len(block))
    return digest.hexdigest()
