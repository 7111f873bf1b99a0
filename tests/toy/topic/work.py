"""The work: would be `core/engine/lab/reversal.py`."""

from __future__ import annotations

from collections.abc import Iterator

from core.engine.lab.desk import Desk, LabTask, Tasks
from tests.toy.topic.reversal import Reverse, Reversed


def reverse(desk: Desk, question: Reverse) -> Iterator[Reversed]:
    """Read a text backwards."""
    yield Reversed(question.text[::-1])


TASKS: Tasks = {Reverse: LabTask(reverse)}
