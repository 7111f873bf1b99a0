"""Sentences in pairs: does one follow the other, and how alike are they, one against many or all against all."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.lab.records import Answer, Question

MOST_SENTENCES = 200
"""Of a matrix: 40,000 pairs are read for it."""


@dataclass(frozen=True, slots=True)
class Follows(Question):
    """Does the second sentence follow the first? Answered by one `NextSentence`."""

    model: str
    """With BERT's next-sentence head."""
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class NextSentence(Answer):
    """The answer to `Follows`. Field order and names are part of the command-line contract."""

    model: str
    is_next: float
    """Probability that B follows A, 0-1: the softmax over the head's two labels, of which 0 is "is next"."""
    not_next: float
    swapped_is_next: float
    """The same with the order swapped: that A follows B."""
    swapped_not_next: float
    truncated: bool
    """Whether the pair was cut to the model's positions."""


@dataclass(frozen=True, slots=True)
class CompareAll(Question):
    """How alike is each sentence to each other? Answered by one `SimilarityMatrix`, by none when it is cancelled."""

    model: str
    """A classifier with two labels, such as a BERT fine-tuned on MRPC; of any other encoder there is the cosine."""
    sentences: tuple[str, ...]
    """2 to 200."""

    def __post_init__(self) -> None:
        if not 2 <= len(self.sentences) <= MOST_SENTENCES:
            raise InputError(
                f"a matrix takes 2 to {MOST_SENTENCES} sentences, got {len(self.sentences)}",
                "write one sentence a line"
                if len(self.sentences) < 2
                else "rank one sentence against the list instead",
            )


@dataclass(frozen=True, slots=True)
class SimilarityMatrix(Answer):
    """The answer to `CompareAll`."""

    model: str
    method: str
    """What `similar` is: the label and the order it was read in."""
    sentences: tuple[str, ...]
    similar: tuple[tuple[float, ...], ...]
    """(N, N) probabilities of the paraphrase label, 0-1: the row's sentence before the column's."""
    cosine: tuple[tuple[float, ...], ...]
    """(N, N) of the mean-pooled last hidden states, each sentence read alone; −1 to 1, symmetric."""
    truncated: int
    """How many of the pairs were cut to the model's positions."""
    by_cosine: bool = False
    """Whether the model has no head that says "similar": then `similar` is the cosine, no less than 0."""


@dataclass(frozen=True, slots=True)
class RankSentences(Question):
    """Which of many sentences is most like one? Answered by one `RankedSentences`, by none when it is cancelled."""

    model: str
    """As for `CompareAll`."""
    sentence: str
    others: tuple[str, ...]
    """At least one."""

    def __post_init__(self) -> None:
        if not self.others:
            raise InputError("there is no sentence to compare with", "write one sentence a line")


@dataclass(frozen=True, slots=True)
class RankedSentence:
    """One sentence beside the one all are compared with."""

    rank: int
    """1 is the most alike, by `mean`."""
    index: int
    """Its place in the list, 0-based."""
    text: str
    mean: float
    """Of both orders."""
    a_to_b: float
    """Probability of the paraphrase label, 0-1, with the one sentence first."""
    b_to_a: float
    """The same with the one sentence second."""
    spread: float
    """|A→B − B→A|: how little the model cares for symmetry."""
    cosine: float
    """Of the two mean-pooled last hidden states, −1 to 1."""
    truncated: bool
    """Whether the pair was cut to the model's positions."""


@dataclass(frozen=True, slots=True)
class RankedSentences(Answer):
    """The answer to `RankSentences`."""

    model: str
    method: str
    """What the probabilities are."""
    sentence: str
    ranked: tuple[RankedSentence, ...]
    """By rank; equals keep their order."""
    by_cosine: bool = False
    """Whether the model has no head that says "similar": then the cosine stands for every probability."""
