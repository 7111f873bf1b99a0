"""The settings that choose the next token: what each may be and what is said of it, and presets. "Off" is a value.

They are the only record a user edits, so the only one that validates: `SettingError` names the range and the value.
Options, panes, exports and samplers read `SETTINGS`: a new setting is a row there and a field.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from math import inf, isfinite
from typing import Any

from core.errors import SettingError


class Way(StrEnum):
    """A way to choose tokens that draws none."""

    GREEDY = "greedy"
    BEAMS = "beams"


_DRAWLESS = (Way.GREEDY, Way.BEAMS)


@dataclass(frozen=True, slots=True)
class Setting:
    """A number of `SamplingParams`: the values it may take, when it acts, and what the program says of it."""

    low: float
    high: float
    off: float | None
    """The value that means "off"; None when the setting cannot be switched off."""
    help: str
    """What its option does, in a few words."""
    low_open: bool = False
    """Whether `low` itself is excluded."""
    whole: bool = False
    """Whether it takes whole numbers only."""
    neutral: float | None = None
    """The value that changes nothing, where that is not `off`."""
    inert: tuple[Way, ...] = ()
    """The ways of choosing in which it does nothing."""
    step: float = 0
    """What a key adds to it in the sampling pane; 0 leaves it out there."""
    hint: str = ""
    """What stands beside it there; empty for its value that means "off"."""
    note: str = ""
    """What the help of that pane adds in brackets."""
    label: str = ""
    """What the candidates pane calls it; empty for a setting that does not change the distribution."""
    cuts: str = ""
    """What the column of fates calls it, in 7 characters; empty for its name."""

    @property
    def span(self) -> str:
        """The range, as text."""
        low, high = f"{self.low:g}", "∞" if self.high == inf else f"{self.high:g}"
        return f"{'(' if self.low_open else '['}{low}, {high}{')' if high == '∞' else ']'}"

    @property
    def idle(self) -> float | None:
        """The value that changes nothing."""
        return self.off if self.neutral is None else self.neutral

    def holds(self, value: float) -> bool:
        """Whether `value` is inside."""
        above = value > self.low if self.low_open else value >= self.low
        return isfinite(value) and above and value <= self.high


SETTINGS: dict[str, Setting] = {
    "max_new_tokens": Setting(
        low=1,
        high=inf,
        off=None,
        whole=True,
        step=10,
        help="tokens to add at most",
        hint="1 or more",
    ),
    "max_length": Setting(
        low=0,
        high=inf,
        off=0,
        whole=True,
        help="prompt and new tokens together, instead of --max-new-tokens",
    ),
    "temperature": Setting(
        low=0,
        high=100,
        off=0,
        neutral=1,
        step=0.1,
        inert=_DRAWLESS,
        label="temperature",
        help="divides the logits; 0 is greedy",
        hint="0 is greedy",
        note="low is bold, high is wild",
    ),
    "top_k": Setting(
        low=0,
        high=inf,
        off=0,
        whole=True,
        step=5,
        inert=_DRAWLESS,
        label="top_k",
        help="keep the k most likely tokens; 0 is off",
        note="the k likeliest",
    ),
    "top_p": Setting(
        low=0,
        low_open=True,
        high=1,
        off=1,
        step=0.05,
        inert=_DRAWLESS,
        label="top_p",
        help="keep the likeliest tokens up to this mass; 1 is off",
        note="the smallest set with that mass",
    ),
    "min_p": Setting(
        low=0,
        high=1,
        off=0,
        step=0.01,
        inert=_DRAWLESS,
        label="min_p",
        help="keep tokens this likely relative to the best; 0 is off",
        note="at least that fraction of the best",
    ),
    "typical_p": Setting(
        low=0,
        low_open=True,
        high=1,
        off=1,
        step=0.05,
        inert=_DRAWLESS,
        label="typical_p",
        cuts="typical",
        help="keep the most typical tokens up to this mass; 1 is off",
    ),
    "repetition_penalty": Setting(
        low=0,
        low_open=True,
        high=100,
        off=1,
        step=0.1,
        label="penalty",
        help="above 1 makes seen tokens less likely; 1 is off",
    ),
    "no_repeat_ngram_size": Setting(
        low=0,
        high=inf,
        off=0,
        whole=True,
        step=1,
        label="no_repeat",
        cuts="n-gram",
        help="no n-gram of this size twice; 0 is off",
    ),
    "num_return_sequences": Setting(
        low=1,
        high=64,
        off=1,
        whole=True,
        step=1,
        inert=(Way.GREEDY,),
        help="continuations written side by side",
        hint="side by side",
    ),
    "num_beams": Setting(
        low=1,
        high=64,
        off=1,
        whole=True,
        step=1,
        cuts="beams",
        help="search with this many beams instead of drawing; 1 is off",
    ),
    "candidates": Setting(
        low=0,
        high=1000,
        off=0,
        whole=True,
        help="most likely tokens listed in each record",
    ),
}
"""Every number in `SamplingParams`, in its order."""

SAMPLERS = tuple(
    sorted((name for name in SETTINGS if SETTINGS[name].label), key=lambda name: bool(SETTINGS[name].inert))
)
"""The settings that shape the distribution, in the order in which they act: first those that look at the text."""

CUT_RULES = ("", Way.GREEDY.value, *SAMPLERS, "num_beams")
"""What may become of a token, as `Candidate.cut_by` says it: "" is kept, the others cut it."""


def check_setting(name: str, value: float) -> float:
    """Refuse a setting outside its range.

    Args:
        name: a key of `SETTINGS`.
        value: the value to check.

    Returns:
        The value, as an int where it must be whole.

    Raises:
        SettingError: the value is outside; the message gives both.
    """
    setting = SETTINGS[name]
    if not setting.holds(value):
        off = f"; {setting.off:g} switches it off" if setting.off is not None else ""
        raise SettingError(f"{name} must be in {setting.span}, got {value:g}", f"give a value in {setting.span}{off}")
    if not setting.whole:
        return value
    if value != int(value):
        raise SettingError(f"{name} must be a whole number, got {value:g}", "leave out the decimals")
    return int(value)


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
        for name in SETTINGS:
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
    def way(self) -> Way | None:
        """How tokens are chosen without a draw; None where they are drawn."""
        return Way.BEAMS if self.num_beams > 1 else Way.GREEDY if self.greedy else None

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
        drawing = {name: SETTINGS[name].idle for name in SAMPLERS if SETTINGS[name].inert}
        return self.changed(do_sample=True, **drawing)

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


_INERT = {"seed": _DRAWLESS, **{name: setting.inert for name, setting in SETTINGS.items()}}


def inert_reason(name: str, params: SamplingParams) -> str:
    """Why a setting does nothing beside the others; empty when it acts.

    Args:
        name: a key of `SETTINGS`, or `seed`.
        params: all settings.
    """
    way = params.way
    decides = way is Way.GREEDY and name == "temperature" and params.temperature == 0
    return f"{way}: no effect" if way in _INERT[name] and not decides else ""


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
