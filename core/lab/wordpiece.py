"""WordPiece step by step: the greedy walk that cuts a word into the longest pieces a vocabulary has, try by try.

It cuts one word at a time; `TextTokenizer.words` splits a text into words and lower-cases them before.
Source: Devlin et al. 2019, "BERT", section 3; `WordpieceTokenizer` in the tokenization.py of google-research/bert.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

UNKNOWN = "[UNK]"
CONTINUES = "##"
"""Marks a piece that continues a word."""

MAX_CHARACTERS = 100
"""A longer word is not looked at: it becomes `[UNK]`."""


@dataclass(frozen=True, slots=True)
class Try:
    """One look into the vocabulary."""

    word: str
    """The word that is being cut."""
    piece: str
    """What was looked up, with `##` where it continues the word."""
    start: int
    """Where it starts in the word, code points."""
    end: int
    """Where it ends, exclusive."""
    found: bool
    """Whether the vocabulary has it."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How a word was cut."""

    word: str
    tries: tuple[Try, ...]
    """In order; none for a word that is too long."""
    tokens: tuple[str, ...]
    """The pieces found, or `[UNK]` alone when they do not make up the whole word."""

    @property
    def too_long(self) -> bool:
        """Whether the word was not looked at because of its length."""
        return len(self.word) > MAX_CHARACTERS


def walk(word: str, vocabulary: Container[str]) -> Walk:
    """Cut a word: try the whole rest, drop characters from its end until a piece is found, go on behind it.

    Args:
        word: without spaces, as the tokenizer's normalizer leaves it.
        vocabulary: the pieces there are; those that continue a word start with `##`.
    """
    tries: list[Try] = []
    if len(word) > MAX_CHARACTERS:
        return Walk(word, (), (UNKNOWN,))
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = (CONTINUES if start else "") + word[start:end]
            tries.append(Try(word, piece, start, end, piece in vocabulary))
            if tries[-1].found:
                start = end
                break
        else:
            return Walk(word, tuple(tries), (UNKNOWN,))
    return Walk(word, tuple(tries), tuple(one.piece for one in tries if one.found))
