"""The settings that choose the next token: their ranges, their validation, and presets. "Off" is a value.

They are the only record a user edits, so the only one that validates: `SettingError` names the range and the value.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any

from core.errors import SettingError


@dataclass(frozen=True, slots=True)
class Range:
    """The values a setting may take, and the one that switches it off."""

    low: float
    high: float
    off: float | None
    """The value that means "off"; None when the setting cannot be switched off."""
    low_open: bool = False
    """Whether `low` itself is excluded."""

    def __str__(self) -> str:
        low, high = f"{self.low:g}", "∞" if self.high == float("inf") else f"{self.high:g}"
        return f"{'(' if self.low_open else '['}{low}, {high}{')' if high == '∞' else ']'}"

    def holds(self, value: float) -> bool:
        """Whether `value` is inside."""
        above = value > self.low if self.low_open else value >= self.low
        return isfinite(value) and above and value <= self.high


_INFINITY = float("inf")


RANGES: dict[str, Range] = {
    "max_new_tokens": Range(1, _INFINITY, None),
    "max_length": Range(0, _INFINITY, 0),
    "temperature": Range(0, 100, 0),
    "top_k": Range(0, _INFINITY, 0),
    "top_p": Range(0, 1, 1, low_open=True),
    "min_p": Range(0, 1, 0),
    "typical_p": Range(0, 1, 1, low_open=True),
    "repetition_penalty": Range(0, 100, 1, low_open=True),
    "no_repeat_ngram_size": Range(0, _INFINITY, 0),
    "num_return_sequences": Range(1, 64, 1),
    "num_beams": Range(1, 64, 1),
    "candidates": Range(0, 1000, 0),
}
"""The range of every number in `SamplingParams`, for its validation and for the fields that edit it."""


INTEGERS = frozenset(
    ("max_new_tokens", "max_length", "top_k", "no_repeat_ngram_size", "num_return_sequences", "num_beams", "candidates")
)
"""The settings that take whole numbers."""


def check_setting(name: str, value: float) -> None:
    """Refuse a setting outside its range.

    Args:
        name: a key of `RANGES`.
        value: the value to check.

    Raises:
        SettingError: the value is outside; the message gives both.
    """
    span = RANGES[name]
    if not span.holds(value):
        off = f"; {span.off:g} switches it off" if span.off is not None else ""
        raise SettingError(f"{name} must be in {span}, got {value:g}", f"give a value in {span}{off}")
    if name in INTEGERS and value != int(value):
        raise SettingError(f"{name} must be a whole number, got {value:g}", "leave out the decimals")


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen. Names are those of transformers' `GenerationConfig`; "off" is a value."""

    max_new_tokens: int = 50
    """How many tokens to add at most, per sequence."""
    max_length: int = 0
    """Prompt and new tokens together; replaces max_new_tokens when above 0."""
    do_sample: bool = True
    """False takes the most likely token each time (greedy)."""
    temperature: float = 0.8
    """Divides the logits; 0 is greedy, 1 is off."""
    top_k: int = 50
    """Keeps the k most likely tokens (ties with the k-th too); 0 is off."""
    top_p: float = 0.95
    """Keeps the smallest set of tokens whose probabilities reach this mass; 1 is off."""
    min_p: float = 0.0
    """Keeps tokens at least this fraction as likely as the most likely one; 0 is off."""
    typical_p: float = 1.0
    """Keeps the tokens whose surprise is nearest the expected one, up to this mass; 1 is off."""
    repetition_penalty: float = 1.0
    """Above 1 makes tokens seen before less likely (positive logits divided, negative ones multiplied); 1 is off."""
    no_repeat_ngram_size: int = 0
    """No n-gram of this size occurs twice; 0 is off."""
    num_return_sequences: int = 1
    """How many continuations are written side by side."""
    num_beams: int = 1
    """Above 1 searches for the likeliest continuations with this many beams instead of drawing; 1 is off."""
    seed: int = 0
    """Seeds a private generator; sequence i uses seed + i."""
    stop_strings: tuple[str, ...] = ()
    """Generation ends once the new text holds one of them; the text keeps it, as in transformers."""
    candidates: int = 10
    """How many of the model's most likely tokens each record lists."""

    def __post_init__(self) -> None:
        for name in RANGES:
            check_setting(name, getattr(self, name))
        if not 0 <= self.seed < 2**63:
            raise SettingError(f"seed must be in [0, 2^63), got {self.seed}", "any whole number from 0 up will do")
        if 1 < self.num_beams < self.num_return_sequences:
            raise SettingError(
                f"num_return_sequences must be at most num_beams ({self.num_beams}), got {self.num_return_sequences}",
                "raise num_beams or ask for fewer sequences",
            )
        if any(not stop for stop in self.stop_strings):
            raise SettingError("a stop string is empty", "give at least one character")

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is taken each time."""
        return not self.do_sample or self.temperature == 0

    def new_token_limit(self, prompt_tokens: int) -> int:
        """How many tokens may be added after a prompt of `prompt_tokens` tokens; may be 0 or less."""
        return self.max_length - prompt_tokens if self.max_length else self.max_new_tokens

    @property
    def acting(self) -> SamplingParams:
        """The settings without those that do nothing because a beam search draws nothing."""
        if self.num_beams == 1:
            return self
        return replace(self, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, typical_p=1.0)

    def changed(self, **values: Any) -> SamplingParams:
        """A copy with some fields replaced, validated again."""
        return replace(self, **values)


PRESETS: dict[str, SamplingParams] = {
    "greedy": SamplingParams(do_sample=False),
    "balanced": SamplingParams(),
    "creative": SamplingParams(temperature=1.2, top_k=0, top_p=0.98),
}
"""Named starting points; "balanced" holds the defaults."""


@dataclass(frozen=True, slots=True)
class ScheduledParams:
    """Settings that a run shall go on with from a token on."""

    index: int
    """The first new token they choose."""
    params: SamplingParams


_DRAWING = ("do_sample", "temperature", "top_k", "top_p", "min_p", "typical_p", "seed")
"""The settings that a beam search, which draws nothing, does without."""

_INERT_WHEN_GREEDY = ("temperature", "top_k", "top_p", "min_p", "typical_p", "seed", "num_return_sequences")


def inert_reason(name: str, params: SamplingParams) -> str:
    """Why a setting does nothing beside the others; empty when it acts.

    Args:
        name: a field of `SamplingParams`.
        params: all settings.
    """
    if params.num_beams > 1:
        return "beams: no effect" if name in _DRAWING else ""
    if params.greedy and name in _INERT_WHEN_GREEDY and not (name == "temperature" and params.temperature == 0):
        return "greedy: no effect"
    return ""


def describe_change(before: SamplingParams, after: SamplingParams) -> str:
    """Which settings differ, and how: `temperature 0.8 → 1, top_k 50 → 20`."""
    names = (one.name for one in fields(SamplingParams))
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in names)
    return ", ".join(f"{name} {_told(old)} → {_told(new)}" for name, old, new in pairs if old != new)


def _told(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_way(params: SamplingParams) -> str:
    """How a run chooses its tokens, in a word or two."""
    if params.num_beams > 1:
        return f"{params.num_beams} beams"
    return "greedy" if params.greedy else f"seed {params.seed}"
