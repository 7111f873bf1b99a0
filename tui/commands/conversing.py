"""A conversation with a backend: requests one after the other, their events as they come, ctrl+c heard."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from core.backends.backend import Reply
from core.backends.catalogue import open_backend
from core.messages.protocol import Progress, Work

EXIT_INTERRUPTED = 130

Take: TypeAlias = Callable[[object], None]
"""Takes the events of a request as they come, progress aside."""


def converse_in_turn(exchanges: Iterable[tuple[Work, Take]]) -> int:
    """Send requests one after the other to one backend; the next one is asked for when the last is answered.

    Args:
        exchanges: each request with what takes its events; nothing more is taken from it after a ctrl+c.

    Returns:
        The exit code.
    """

    async def conversation() -> int:
        backend, interrupted = open_backend(), False
        try:
            for request, take in exchanges:
                reply = await backend.send(request)

                def interrupt(reply: Reply = reply) -> None:
                    nonlocal interrupted
                    interrupted = True
                    reply.cancel()

                with contextlib.suppress(NotImplementedError):  # no signal handlers in this kind of event loop
                    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
                await _take_all(reply, take)
                if interrupted:
                    return EXIT_INTERRUPTED
        finally:
            await backend.close()
        return 0

    return _run(conversation())


def _run(conversation: Coroutine[Any, Any, int]) -> int:
    return asyncio.run(conversation)


async def _take_all(reply: Reply, take: Take) -> None:
    shows_progress = sys.stderr.isatty()
    async for event in reply:
        if isinstance(event, Progress):
            if shows_progress:
                sys.stderr.write(f"\r\x1b[K{event.stage} {event.fraction:.0%}" if event.fraction < 1 else "\r\x1b[K")
                sys.stderr.flush()
        else:
            take(event)
