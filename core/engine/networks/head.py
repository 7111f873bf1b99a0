"""What an encoder answers: the head that stands on it."""

from __future__ import annotations

from enum import StrEnum


class Head(StrEnum):
    """What stands on an encoder: the task it answers."""

    MASKED_LM = "masked-LM"
    NEXT_SENTENCE = "next-sentence"
    CLASSIFIER = "classification"
    ANSWERS = "question-answering"
    STATES = "attention"
    """None: hidden states and attention weights, of encoders and of GPT-2 alike."""
