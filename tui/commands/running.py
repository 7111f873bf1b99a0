"""What the commands without a screen do alike: data on stdout, talk and progress on stderr, one backend for every task.

What is printed for people passes through `visible`, so no byte of a prompt or a model can steer the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from core.backends.backend import Reply
from core.backends.catalogue import open_backend
from core.lab.records import Answer, Question
from core.messages.codec import to_json
from core.messages.protocol import Answered, Ask, Progress, Work
from core.messages.records import Target
from core.models.registry import starters_note
from core.text.visible import visible

EXIT_INTERRUPTED = 130


def target_of(options: argparse.Namespace) -> Target:
    """Take the model from parsed options; one that is not here is refused before any process is started.

    Raises:
        EngineError: as `Backend.check`.
    """
    open_backend().check(options.model, getattr(options, "starter", ""))
    return Target(options.model, options.device, options.dtype)


def print_json(payload: dict[str, Any]) -> None:
    """One line of JSON on stdout, now."""
    print(to_json(payload), flush=True)


def say(text: str) -> None:
    """A line of talk on stderr."""
    print(visible(text), file=sys.stderr, flush=True)


def cut_note(truncated: bool) -> str:
    """What follows the row of a text that may have been cut."""
    return "  (cut to the model's positions)" if truncated else ""


def ask(question: Question, target: Target, take: Callable[[Answer], None], *, as_json: bool) -> int:
    """Ask a question of the lab, hand each answer to `take`, say what starters are, and return the exit code.

    Args:
        question: names its model itself.
        target: where to compute, and how.
        take: prints an answer, or a part of it.
        as_json: whether that is JSON, without talk.
    """

    def take_event(event: object) -> None:
        if isinstance(event, Answered):
            take(event.answer)

    status = converse(Ask(target, question), take_event)
    models = [getattr(question, role) for role in ("model", "teacher", "student") if hasattr(question, role)]
    if status == 0 and not as_json and (note := starters_note(models)):
        say(f"note: {note}")
    return status


Take: TypeAlias = Callable[[object], None]
"""Takes the events of a request as they come, progress aside."""


def converse(request: Work, take: Take) -> int:
    """Send one request, hand its events to `take`, and return the exit code; ctrl+c ends it cleanly."""
    return converse_in_turn([(request, take)])


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
