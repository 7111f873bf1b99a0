"""A journal of work done batch by batch, so that work killed halfway goes on from there.

One JSON line a batch, written at once and flushed; a half-written last line is cut off when the journal is opened
again. A journal that cannot be kept does not stop the work: it says so in `problem`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, TypeAlias

from core.messages.codec import to_line

Values: TypeAlias = list[list[float]]
"""What was computed for a batch: numbers for each of its items."""

KEPT_S = 30 * 24 * 3600
"""Journals that nobody came back to go after this time."""


def digest(*parts: str) -> str:
    """A name for a piece of work, from everything that decides its result."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """What is known of the batches of one piece of work."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """Open a journal, or begin one.

        Args:
            path: its file; journals beside it that are old are removed.
            fresh: forget what it holds.
        """
        self.path = path
        self.problem = ""
        """Why the journal cannot be kept; empty while it can."""
        self.batches: dict[int, Values] = {}
        """What earlier runs computed, by batch."""
        self._file: BinaryIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_old(path.parent.glob("*.jsonl"))
            self._file = path.open("wb" if fresh else "ab+", buffering=0)
            self._file.seek(0)
            self._file.truncate(0 if fresh else self._read(self._file.read()))
        except OSError as error:
            self._give_up(error)

    def add(self, batch: int, values: Values) -> None:
        """Keep what was computed for a batch."""
        if self._file is None:
            return
        try:
            self._file.write(to_line({"batch": batch, "values": values}))
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """The work is complete: the journal is not needed any more."""
        self.close()
        with contextlib.suppress(OSError):  # one that stays is found complete by the next run, or goes when it is old
            self.path.unlink(missing_ok=True)

    def _read(self, content: bytes) -> int:
        """Take in what is there; returns the length of its whole lines."""
        end = content.rfind(b"\n") + 1
        for line in content[:end].splitlines():
            try:
                entry = json.loads(line)
                self.batches[int(entry["batch"])] = [[float(value) for value in item] for item in entry["values"]]
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line costs its batch
        return end

    def _give_up(self, error: OSError) -> None:
        self.close()
        self.problem = f"no journal in {self.path.parent}: {error.strerror or error}; if killed, it must start over"


def _remove_old(journals: Iterable[Path]) -> None:
    for journal in journals:
        with contextlib.suppress(OSError):  # another run may have removed it
            if journal.stat().st_mtime < time.time() - KEPT_S:
                journal.unlink()
