"""The checkpoint of a training: what a later run needs to go on. Only tensors and plain values are read.

Invariant: whatever interrupts a write, the file holds the old checkpoint or the new one.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

NOT_WRITTEN = (OSError, RuntimeError)
"""What a failed write raises: torch's zip writer reports a full disk as a RuntimeError."""

_UNREADABLE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError)
"""What a damaged file makes `torch.load` raise."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that a training writes now and then."""

    path: Path

    def write(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint beside the old one, then put it in its place.

        Raises:
            OSError, RuntimeError: it cannot be written; the old one is still there.
        """
        partial = self.path.with_suffix(".partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(dict(state), partial)
            os.replace(partial, self.path)
        except NOT_WRITTEN:
            partial.unlink(missing_ok=True)
            raise

    def read(self, *parts: str) -> dict[str, Any] | None:
        """Read what `write` wrote.

        Args:
            parts: what it must hold.

        Returns:
            The state on the CPU; None when the file is damaged or lacks a part.
        """
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            return state if state.keys() >= set(parts) else None
        except (OSError, RuntimeError, *_UNREADABLE):
            return None


def reason(error: Exception) -> str:
    """Say in a few words why a write failed."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
