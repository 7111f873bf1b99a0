"""What a key changes at once and what the engine answers to it, painted in one frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

FRAME_PATIENCE_S = 0.025
"""How long the screen waits for an answer before it paints what there is; too short to be felt."""


class SharedFrame:
    """Holds painting back. A hold is never prolonged, so that a key held down cannot stop it for good."""

    def __init__(self, batch_update: Callable[[], AbstractContextManager[None]]) -> None:
        """Make one.

        Args:
            batch_update: nothing is painted until what it gives is left.
        """
        self._batch_update = batch_update
        self._batch = ExitStack()
        self._limit: asyncio.TimerHandle | None = None

    def hold(self) -> None:
        """Paint nothing until `release`, for a moment at most."""
        if self._limit is None:
            self._batch.enter_context(self._batch_update())
            self._limit = asyncio.get_running_loop().call_later(FRAME_PATIENCE_S, self.release)

    def release(self) -> None:
        """Everything is there; does nothing when nothing is held back."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
            self._batch.close()
