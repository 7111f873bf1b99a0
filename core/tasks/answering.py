"""Which task answers which question of the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from core.encoder_models import Head
from core.lab.catalogue import Answer, Question
from core.lab.masked_lm import FillMasks, PlayMasking
from core.shelf import Shelf
from core.tasks.desk import Desk
from core.tasks.masked_lm import fill_masks, play_masking


@dataclass(frozen=True, slots=True)
class _Task:
    run: Callable[[Desk, Any], Iterator[Answer]]
    short_with: Head | None = None
    """The head of the one model it needs, when it is short enough to be answered between two tokens of a run."""


_TASKS: dict[type[Any], _Task] = {
    FillMasks: _Task(fill_masks, Head.MASKED_LM),
    PlayMasking: _Task(play_masking, Head.MASKED_LM),
}


def answer(desk: Desk, question: Question) -> Iterator[Answer]:
    """Answer a question, in one piece or as it comes.

    Raises:
        EngineError: it cannot be answered.
    """
    return _TASKS[type(question)].run(desk, question)


def is_short(question: Question, shelf: Shelf, device_name: str, dtype: str) -> bool:
    """Whether a question can be answered between two tokens of a run: its model is there and it reads little."""
    head = _TASKS[type(question)].short_with
    return head is not None and shelf.holds_encoder(head, question.model, device_name, dtype)
