"""Sentiment, or whatever else a classifier of texts was trained for; and which words the answer hangs on."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.lab.records import Answer, Question

_PAIR_LABELS = frozenset(("equivalent", "paraphrase", "duplicate", "entailment"))
"""Labels, in lower case, that only say something about two texts."""


@dataclass(frozen=True, slots=True)
class ReadSentiment(Question):
    """What does a classifier make of each text? Answered by one `Sentiment` a text, in their order."""

    model: str
    """A classifier of any number of labels, such as a BERT fine-tuned on SST-2."""
    texts: tuple[str, ...]
    contributions: bool = False
    """Leave out each word in turn and read again."""

    def __post_init__(self) -> None:
        if not self.texts:
            raise InputError("there is no text to read", "give at least one")


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How likely a label is."""

    label: str
    prob: float
    """0-1; softmax over the labels (each label's own sigmoid where the model was trained for several at once)."""


@dataclass(frozen=True, slots=True)
class LeftOutWord:
    """What becomes of the answer without one word."""

    word: str
    """What stands between white space."""
    start: int
    """Its first code point in the text."""
    end: int
    without: float
    """Probability of the text's label when this word is left out, 0-1."""
    contribution: float
    """The label's probability with the word less that without it: above 0 the word speaks for the label."""


@dataclass(frozen=True, slots=True)
class Sentiment(Answer):
    """The answer for one text."""

    model: str
    index: int
    """The text's place in the question, 0-based."""
    text: str
    label: str
    """The likeliest."""
    scores: tuple[LabelScore, ...]
    """Of every label, in the model's order."""
    words: tuple[LeftOutWord, ...]
    """Those the model read, in their order; empty when they were not asked for."""
    truncated: bool
    """Whether the text was cut to the model's positions."""

    @property
    def pair_note(self) -> str:
        """What is wrong with the answer when its labels speak of two texts; else empty."""
        if not any(score.label.lower() in _PAIR_LABELS for score in self.scores):
            return ""
        return f"{self.model} judges pairs of texts, so its labels say nothing about one; for pairs use similar or rank"
