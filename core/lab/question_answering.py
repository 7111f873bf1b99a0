"""Extractive question answering: the answer to a question is a piece of the text that is read."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SettingError
from core.lab.records import Answer, Question

EXAMPLE_MODEL = "distilbert-base-cased-distilled-squad"


def no_answerer() -> SettingError:
    """The error for a question without a model: no starter answers questions."""
    return SettingError(
        "no starter answers questions: a model fine-tuned on SQuAD (…ForQuestionAnswering) is needed",
        f"name a folder or a cached model, such as {EXAMPLE_MODEL}",
    )


@dataclass(frozen=True, slots=True)
class AnswerQuestion(Question):
    """Which piece of a text answers a question? Answered by one `AnsweredQuestion`."""

    model: str
    """Fine-tuned for extractive question answering."""
    question: str
    context: str
    """The text that holds the answer, of any length."""
    top: int = 3
    """How many spans."""

    def __post_init__(self) -> None:
        if not self.model:
            raise no_answerer()
        if self.top < 1:
            raise SettingError(f"top must be in [1, ∞), got {self.top}", "ask for at least one span")


@dataclass(frozen=True, slots=True)
class AnswerSpan:
    """A piece of the context."""

    rank: int
    """1 is the best."""
    text: str
    start: int
    """In code points of the context; whole words, as far as their window holds them."""
    end: int
    """In code points, exclusive."""
    score: float
    """`start_prob` × `end_prob`, 0-1."""
    start_prob: float
    """That the answer starts with its first token: softmax over its window's context tokens and [CLS]."""
    end_prob: float
    """That it ends with its last token, likewise."""
    window: int
    """Which window it was found in, 0-based."""


@dataclass(frozen=True, slots=True)
class AnsweredQuestion(Answer):
    """The answer to `AnswerQuestion`."""

    model: str
    spans: tuple[AnswerSpan, ...]
    """Best first; no two have the same edges."""
    no_answer: float
    """Start × end probability of [CLS], the least of all windows; models of SQuAD 2 point there for "not here"."""
    windows: int
    """How many overlapping windows were read."""
    window_tokens: int
    """How long a window is at most."""
