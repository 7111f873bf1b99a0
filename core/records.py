"""The records that cross the pipe between engine and interface: frozen, typed, validated once.

Probabilities are 0-1, times seconds, entropies bits. `SamplingParams` is the only record a user edits, so it is the
only one that validates: it raises `SettingError` naming the range and the value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Any

from core.errors import SettingError


class FinishReason(StrEnum):
    """Why a sequence ended."""

    EOS = "eos"
    """The model chose its end-of-text token."""
    LENGTH = "length"
    """max_new_tokens or max_length was reached."""
    STOP_STRING = "stop_string"
    """A stop string appeared in the generated text."""
    CONTEXT = "context"
    """All of the model's positions are used."""
    CANCELLED = "cancelled"
    """The user stopped it."""


class CutRule(StrEnum):
    """The sampler that removed a candidate."""

    NOT_CUT = ""
    GREEDY = "greedy"
    NO_REPEAT_NGRAM = "no_repeat_ngram_size"
    TOP_K = "top_k"
    TOP_P = "top_p"
    MIN_P = "min_p"
    TYPICAL_P = "typical_p"
    BEAM_SEARCH = "num_beams"


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
class TokenPiece:
    """One token of a text."""

    index: int
    id: int
    token: str
    """As the vocabulary spells it (`Ġworld`, `##ing`)."""
    text: str
    """What it stands for, readable; bytes that are no whole character appear as `\\xed`."""
    bytes: str
    """Its bytes, in hex."""
    start: int
    """First code point of the text it covers."""
    end: int
    """One past the last code point it covers."""
    special: bool
    """Added by the tokenizer or reserved (`[CLS]`, `<|endoftext|>`)."""
    unknown: bool
    """The vocabulary has no entry for what stands there."""
    part: int = 1
    """Which token of the character this is, when one character takes several (1-based)."""
    parts: int = 1
    """How many tokens that character takes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry of the vocabulary at one step."""

    rank: int
    """1 is the model's most likely token."""
    id: int
    text: str
    logit: float
    prob: float
    """The model's own softmax over the full vocabulary."""
    final_prob: float
    """After all samplers, renormalised; 0 when cut."""
    cumulative: float
    """Sum of `prob` over this rank and all better ones."""
    kept: bool
    cut_by: CutRule
    """The sampler that removed it; empty when kept."""


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """A window of the full table of what may come next."""

    rows: tuple[Candidate, ...]
    """From `offset` on, most likely first."""
    offset: int
    matches: int
    """How many entries the search left; the whole vocabulary without one."""
    kept: int
    """How many tokens the samplers leave to draw from."""
    kept_mass: float
    """The model's own probability of those together."""
    entropy: float
    """Of the model's own distribution, in bits."""
    context_tokens: int
    """How many tokens were read."""


@dataclass(frozen=True, slots=True)
class TokenScore:
    """How a token of a given text stood with the model, from all tokens before it."""

    id: int
    text: str
    bytes: str
    """In hex."""
    logprob: float
    """Natural log of the model's own softmax; 0 for the first token, which nothing predicts."""
    rank: int
    """1 is the model's most likely token; 0 for the first token."""
    entropy: float
    """Of the distribution the token was taken from, in bits; 0 for the first token."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One generated token with everything known about its choice."""

    sequence: int
    """Which of the num_return_sequences it belongs to."""
    index: int
    """Position among the sequence's new tokens."""
    id: int
    text: str
    """The text this token completes: records' texts joined are the sequence's text."""
    bytes: str
    """The token's own bytes, in hex."""
    logit: float
    logprob: float
    """Natural log of `prob`."""
    prob: float
    """The model's own softmax over the full vocabulary (float32)."""
    rank: int
    """1 is the model's most likely token."""
    entropy: float
    """Of the model's own distribution, in bits."""
    final_prob: float
    """Probability it was drawn with, after all samplers."""
    kept: int
    """How many tokens the samplers left to draw from (the nucleus size)."""
    kept_mass: float
    """The model's own probability of those tokens together."""
    elapsed_s: float
    """Since the request arrived."""
    candidates: tuple[Candidate, ...]
    """The model's most likely tokens at this step."""


@dataclass(frozen=True, slots=True)
class Beam:
    """One of the continuations a beam search follows."""

    score: float
    """Sum of the log-probabilities of its new tokens, after the penalties."""
    parent: int
    """Which beam of the step before it grew from."""
    id: int
    """Its newest token."""
    text: str
    """All it has written so far."""


@dataclass(frozen=True, slots=True)
class RunStats:
    """Speed and fit of one finished sequence."""

    ttft_s: float
    """Request to first non-empty token, tokenising included."""
    itl_p50_s: float
    """Median gap between tokens; 0 with fewer than two tokens."""
    itl_p99_s: float
    tokens_per_s: float
    """Decode speed: tokens after the first over the time they took, all sequences of the run together."""
    prompt_tokens_per_s: float
    perplexity: float
    """exp(mean −ln p) of the new tokens under the model's own softmax."""
    prompt_tokens: int
    new_tokens: int
    context_used: int
    n_positions: int


@dataclass(frozen=True, slots=True)
class PrecisionError:
    """How far a model's rounded weights take it from float32, measured on this model and machine."""

    kl: float = 0.0
    """Mean KL divergence of the next-token distributions from float32's, nats."""
    top1_agreement: float = 1.0
    """Share of positions at which the most likely token is the same."""
    positions: int = 0
    """How many positions were compared; 0 when nothing is rounded or nothing was measured."""


class ChatMode(StrEnum):
    """Whether a prompt is a turn of a chat or a text to continue."""

    AUTO = "auto"
    """A chat with a model that has a template for it."""
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A turn of a chat."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that is loaded."""

    name: str
    source: str
    """starter, folder, cache or gguf."""
    path: str
    architecture: str
    parameters: int
    n_positions: int
    vocab_size: int
    device: str
    dtype: str
    """The precision in use: float32, float16, bfloat16 or int8."""
    load_s: float
    error: PrecisionError = PrecisionError()
    note: str = ""
    """What the user should know of how it was loaded, such as a precision that was not used."""
    chat: bool = False
    """Whether it has a chat template: it answers in turns; else it continues text."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run must be told apart by, beside its settings."""

    weights: str = ""
    """SHA-256 of the weight files; empty when it was not looked up."""
    tokenizer: str = ""
    """SHA-256 of the tokenizer's files."""
    versions: tuple[str, ...] = ()
    """Programs with their versions, such as `torch 2.13.0`."""


NOT_TRACED = Provenance()
"""Nothing is known."""


@dataclass(frozen=True, slots=True)
class ScheduledParams:
    """Settings that a run shall go on with from a token on."""

    index: int
    """The first new token they choose."""
    params: SamplingParams


@dataclass(frozen=True, slots=True)
class Similarity:
    """Two sentences compared. Field order and names are part of the command-line contract."""

    model: str
    method: str
    """What `similar` is: the label and the order it was read in."""
    similar: float
    """Probability of the paraphrase label, A before B."""
    not_similar: float
    cosine: float
    """Of the two mean-pooled last hidden states, −1 to 1."""
    a_to_b: float
    b_to_a: float
    truncated: bool = False
    """Whether the pair was cut to the model's positions."""
    by_cosine: bool = False
    """Whether the model has no head that says "similar": then there is the cosine alone, and it stands for the rest."""


def describe_way(params: SamplingParams) -> str:
    """How a run chooses its tokens, in a word or two."""
    if params.num_beams > 1:
        return f"{params.num_beams} beams"
    return "greedy" if params.greedy else f"seed {params.seed}"


def describe_precision(model: ModelInfo) -> str:
    """A model's precision, with its measured error when it rounds."""
    if not model.error.positions:
        return model.dtype
    return f"{model.dtype} (KL {model.error.kl:.0e}, top-1 {model.error.top1_agreement:.0%})"
