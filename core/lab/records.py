"""What the records of the lab have in common: which may be asked, and which may be answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """Asks the engine something about the models that it names; travels in `Ask`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers a question, or is a part of the answer; travels in `Answered`."""
