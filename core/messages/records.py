"""The records that cross the pipe between engine and interface: frozen and typed.

Probabilities are 0-1, times seconds, entropies bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    cut_by: str
    """The setting that removed it, or `greedy`; empty when kept."""


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


class Ability(StrEnum):
    """What a model can do where it runs, beside writing; the value ends the sentence "it cannot …"."""

    PLACEMENT = "choose a device or a precision"
    EXACT_TOKENS = "go on from given tokens, only from a text"
    RETUNING = "change its settings while it writes"
    DISTRIBUTION = "show how likely each token of the vocabulary is"
    SCORES = "score the tokens of a given text"
    COMPARISON = "compare two sentences"
    LAB = "answer questions of the lab"


@dataclass(frozen=True, slots=True)
class Target:
    """Which model runs where, and in which precision, as asked for."""

    model: str = ""
    """As the user named it; empty where a question of the lab names its models itself."""
    device: str = "auto"
    """auto, cuda, mps, xpu or cpu."""
    dtype: str = "auto"
    """auto, or a `Precision`."""


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
    """The `Precision` in use."""
    load_s: float
    error: PrecisionError = PrecisionError()
    note: str = ""
    """What the user should know of how it was loaded, such as a precision that was not used."""
    chat: bool = False
    """Whether it has a chat template: it answers in turns; else it continues text."""
    can: tuple[Ability, ...] = tuple(Ability)
    """What its backend can do with it; runs on disk do not keep it."""


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


def describe_precision(model: ModelInfo) -> str:
    """A model's precision, with its measured error when it rounds."""
    if not model.error.positions:
        return model.dtype
    return f"{model.dtype} (KL {model.error.kl:.0e}, top-1 {model.error.top1_agreement:.0%})"
