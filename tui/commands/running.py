"""What the commands without a screen do alike: data on stdout, talk and progress on stderr, one backend for every task.

What is printed for people passes through `visible`, so no byte of a prompt or a model can steer the terminal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.backends.catalogue import open_backend
from core.models.registry import starters_note
from core.text.visible import to_json, visible

if TYPE_CHECKING:
    from core.lab.records import Answer, Question
    from core.messages.protocol import Work
    from core.messages.records import Target
    from tui.commands.conversing import Take


def target_of(options: argparse.Namespace) -> Target:
    """Take the model from parsed options; one that is not here is refused before any process is started.

    Raises:
        EngineError: as `Backend.check`.
    """
    open_backend().check(options.model, getattr(options, "starter", ""))
    from core.messages.records import Target  # with dozens of records, which --help does without

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

    from core.messages.protocol import Answered, Ask  # see target_of

    def take_event(event: object) -> None:
        if isinstance(event, Answered):
            take(event.answer)

    status = converse(Ask(target, question), take_event)
    models = [getattr(question, role) for role in ("model", "teacher", "student") if hasattr(question, role)]
    if status == 0 and not as_json and (note := starters_note(models)):
        say(f"note: {note}")
    return status


def converse(request: Work, take: Take) -> int:
    """Send one request, hand its events to `take`, and return the exit code; ctrl+c ends it cleanly."""
    from tui.commands.conversing import converse_in_turn  # asyncio, which --help does without

    return converse_in_turn([(request, take)])
