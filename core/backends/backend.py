"""A backend: a place where a model runs, and the interface's only way to it.

Every request gets a `Reply`, an async iterator of its events that raises an `EngineError` when the request fails or the
backend is lost. `catalogue` opens backends; what a model can do on one, its `ModelInfo` says. Panes see no backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from core.errors import ERROR_KINDS, EngineError
from core.messages.protocol import LAST_EVENTS, Event, Failed, Progress, Work
from core.messages.sampling_params import SamplingParams

CANCEL_PATIENCE_S = 1.0
"""How long a started request may ignore its cancellation before its backend gives up on it."""


class Backend(Protocol):
    """What the interface needs of the place where a model runs."""

    def check(self, model: str, starter: str = "") -> None:
        """Refuse a model that is surely not there, before anything is started.

        Args:
            model: as the user named it.
            starter: the bundled one for the task at hand, for the hint; empty when the task is not known.

        Raises:
            EngineError: it is not there, or cannot be used.
        """

    def tokenizer_folder(self, model: str) -> Path | None:
        """Find a model's tokenizer; None when it is not on this machine, or not yet.

        Raises:
            EngineError: there is no such model.
        """

    async def start(self) -> None:
        """Make it ready to take requests.

        Raises:
            EngineError: it cannot be.
        """

    async def send(self, request: Work) -> Reply:
        """Send a request; its id is replaced by a fresh one.

        Raises:
            EngineError: the backend cannot be reached. What is wrong with the request itself, the reply says.
        """

    def cancel(self, reply: Reply) -> None:
        """See `Reply.cancel`."""

    def retune(self, reply: Reply, params: SamplingParams) -> None:
        """See `Reply.retune`."""

    async def close(self) -> None:
        """End it, and every reply that is still open."""


class Reply:
    """The events of one request, as they come."""

    def __init__(self, backend: Backend, request_id: int, patience_s: float = CANCEL_PATIENCE_S) -> None:
        self._backend = backend
        self.request_id = request_id
        self.patience_s = patience_s
        """How long it may ignore a cancellation once it has started."""
        self.started = False
        """Whether it has begun to answer, loading aside."""
        self.finished = False
        self._events: asyncio.Queue[Event | EngineError | None] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[Event]:
        while (item := await self._events.get()) is not None:
            if isinstance(item, EngineError):
                raise item
            yield item

    async def last(self) -> Event:
        """Wait for the end and return the last event.

        Raises:
            EngineError: the request failed, or was cancelled before it began.
        """
        events = [event async for event in self]
        if not events:
            raise EngineError("cancelled before it began")
        return events[-1]

    def cancel(self) -> None:
        """End the request: within one token when it runs, at once when it still waits."""
        self._backend.cancel(self)

    def retune(self, params: SamplingParams) -> None:
        """Let a run go on with other samplers, from its next token."""
        self._backend.retune(self, params)

    def put(self, event: Event) -> None:
        """Hand in an event (the backend's side)."""
        self.started = self.started or not isinstance(event, Progress)
        if isinstance(event, Failed):
            error = ERROR_KINDS.get(event.kind, EngineError)(event.message, event.hint)
            error.__cause__ = RuntimeError(event.detail) if event.detail else None
            self.fail(error)
            return
        self._events.put_nowait(event)
        if isinstance(event, LAST_EVENTS):
            self.end()

    def fail(self, error: EngineError) -> None:
        """End with an error (the backend's side)."""
        self._events.put_nowait(error)
        self.finished = True

    def end(self) -> None:
        """End without one (the backend's side)."""
        self._events.put_nowait(None)
        self.finished = True
