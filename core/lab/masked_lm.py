"""Masked language models: filling masks, and the game BERT was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import SettingError
from core.lab.records import Answer, Question


@dataclass(frozen=True, slots=True)
class FillMasks(Question):
    """What stands behind each [MASK] of a text? Answered by one `FilledMasks`."""

    model: str
    text: str
    """Holds the model's mask token at least once; `[MASK]` stands for it whatever its spelling."""
    top: int = 5
    """How many candidates a mask."""
    targets: tuple[str, ...] = ()
    """Words whose probabilities are wanted, wherever they rank."""
    one_by_one: bool = False
    """Fill the surest mask first and read again, instead of judging all masks at once."""

    def __post_init__(self) -> None:
        if self.top < 1:
            raise SettingError(f"top must be in [1, ∞), got {self.top}", "ask for at least one candidate")


@dataclass(frozen=True, slots=True)
class MaskCandidate:
    """One entry of the vocabulary behind one mask."""

    mask: int
    """Which mask, 0-based, from the left."""
    rank: int
    """1 is the model's most likely entry."""
    id: int
    token: str
    """As the vocabulary spells it."""
    prob: float
    """Softmax over the full vocabulary; one by one: given the masks filled before."""
    text: str
    """The whole text with this candidate in this mask's place, the other masks left."""


@dataclass(frozen=True, slots=True)
class FilledMasks(Answer):
    """The answer to `FillMasks`."""

    model: str
    method: str
    """Jointly or one by one, in words."""
    candidates: tuple[MaskCandidate, ...]
    """By mask, then by rank."""
    targets: tuple[MaskCandidate, ...]
    """The wanted words, by mask, most likely first."""
    unknown_targets: tuple[str, ...]
    """Wanted words that are no single entry of the vocabulary."""
    best: str
    """The text with every mask filled by its most likely candidate."""
    order: tuple[int, ...]
    """The masks in the order they were filled."""


class Disguise(StrEnum):
    """What the masking game did to a token."""

    NONE = ""
    MASK = "mask"
    RANDOM = "random"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class PlayMasking(Question):
    """Hide tokens of a text as in BERT's training and let the model guess. Answered by one `MaskingGame`."""

    model: str
    text: str
    rate: float = 0.15
    """Share of the tokens that are chosen, 0-1; of these 80 % are masked, 10 % replaced at random, 10 % kept."""
    seed: int = 0
    top: int = 3
    """How many guesses for each chosen token."""

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise SettingError(f"rate must be in (0, 1], got {self.rate:g}", "BERT was trained with 0.15")


@dataclass(frozen=True, slots=True)
class Guess:
    """What the model thinks stands in a place."""

    token: str
    prob: float


@dataclass(frozen=True, slots=True)
class PlayedToken:
    """One token of the game."""

    token: str
    """What stands there in truth."""
    shown: str
    """What the model saw."""
    disguise: Disguise
    """Empty when it was not chosen."""
    prob: float
    """The model's probability of the true token; 0 when it was not chosen."""
    loss: float
    """−ln prob; 0 when it was not chosen."""
    rank: int
    """Of the true token, 1 is best; 0 when it was not chosen."""
    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class MaskingGame(Answer):
    """The answer to `PlayMasking`."""

    model: str
    tokens: tuple[PlayedToken, ...]
    """Special tokens included."""
    chosen: int
    right: int
    """How many chosen tokens the model guessed first."""
    loss: float
    """Mean over the chosen tokens, nats: what training would lower."""
    truncated: bool
    """Whether the text was cut to the model's positions."""
