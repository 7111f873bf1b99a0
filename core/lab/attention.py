"""Attention: what each token of a text looks at, in one layer and head of a model."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SettingError
from core.lab.records import Answer, Question

MEAN_OF_HEADS = 0
"""The head that stands for the mean of all of them."""


@dataclass(frozen=True, slots=True)
class Attend(Question):
    """Where does each token look? Answered by one `Attention`."""

    model: str
    """An encoder or a causal model."""
    text: str
    layer: int = 1
    """1 is the one next to the embeddings."""
    head: int = MEAN_OF_HEADS
    """From 1; 0 is the mean of the layer's heads."""
    most_tokens: int = 48
    """A longer text is cut to this many tokens, special tokens included: as many as a narrow terminal has room for."""

    def __post_init__(self) -> None:
        for name, lowest in (("layer", 1), ("head", 0), ("most_tokens", 1)):
            if getattr(self, name) < lowest:
                meaning = "0 is the mean of the heads" if name == "head" else "it is counted from 1"
                raise SettingError(f"{name} must be in [{lowest}, ∞), got {getattr(self, name)}", meaning)


@dataclass(frozen=True, slots=True)
class CompareAttention(Question):
    """One text under several models. Answered by an `Attention` for each, in their order."""

    views: tuple[Attend, ...]
    """At least one."""

    @property
    def model(self) -> str:
        """The first of the models."""
        return self.views[0].model


@dataclass(frozen=True, slots=True)
class AttendedToken:
    """One token of the text."""

    token: str
    """As the vocabulary spells it."""
    text: str
    """For people: `##ing`, ` cat`, `한 1/3` for a part of a character, `[UNK] 🙂` for what is unknown."""


@dataclass(frozen=True, slots=True)
class Attention(Answer):
    """The attention of one layer and head."""

    view: int
    """Which of the views asked for, 0-based."""
    model: str
    layer: int
    layers: int
    head: int
    """0 is the mean of the heads."""
    heads: int
    causal: bool
    """Whether no token sees those after it, by the model's own configuration."""
    tokens: tuple[AttendedToken, ...]
    """T of them, special tokens included."""
    weights: tuple[tuple[float, ...], ...]
    """(T, T): row t says where token t looks, 0-1, and sums to 1."""
    text_tokens: int
    """How many tokens the whole text has."""
    kept: int
    """How many of these are here."""
