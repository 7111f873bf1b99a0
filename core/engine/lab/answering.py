"""Which task answers which question of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

from core.engine.lab.desk import Desk, Tasks
from core.engine.shelf import Shelf
from core.lab.records import Answer, Question
from core.messages.records import Target

_TOPICS = (
    "attention",
    "distillation.task",
    "evaluation.task",
    "few_shot",
    "finetuning.task",
    "masked_lm",
    "question_answering",
    "sentence_pairs",
    "sentiment",
    "students",
)
"""Each is a module here, with its `TASKS`."""

TASKS: Tasks = {
    question: task for topic in _TOPICS for question, task in import_module(f"core.engine.lab.{topic}").TASKS.items()
}
"""Every task, by the question."""


def answer(desk: Desk, question: Question) -> Iterator[Answer]:
    """Answer a question, in one piece or as it comes.

    Raises:
        EngineError: it cannot be answered.
    """
    return TASKS[type(question)].run(desk, question)


def is_short(question: Question, shelf: Shelf, target: Target) -> bool:
    """Whether a question can be answered between two tokens of a run: its model is there and it reads little."""
    head = TASKS[type(question)].short_with
    model: str | None = getattr(question, "model", None)  # a question about two models names neither so
    return head is not None and model is not None and shelf.holds_encoder(head, replace(target, model=model))
