"""What is asked and answered: would be `core/lab/reversal.py`."""

from __future__ import annotations

from dataclasses import dataclass

from core.lab.records import Answer, Question


@dataclass(frozen=True, slots=True)
class Reverse(Question):
    """How does a text read backwards? Answered by one `Reversed`."""

    text: str


@dataclass(frozen=True, slots=True)
class Reversed(Answer):
    """The answer to `Reverse`."""

    text: str
