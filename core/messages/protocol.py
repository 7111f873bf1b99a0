"""The messages between interface and engine.

A message is a frozen dataclass. Every request has an `id`; every event carries the id of the request it answers.
Values are plain: dataclasses, tuples, enums and scalars, nothing else, so that `codec` can write them as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from core.lab.records import Answer, Question
from core.messages.records import (
    NOT_TRACED,
    Beam,
    Candidate,
    CandidateTable,
    ChatMode,
    Exchange,
    FinishReason,
    ModelInfo,
    Provenance,
    RunStats,
    Similarity,
    StepRecord,
    Target,
    TokenScore,
)
from core.messages.sampling_params import SamplingParams, ScheduledParams

# -- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _OfTarget:
    """A request that is answered with work."""

    id: int = field(default=0, kw_only=True)
    """Given by the backend that it is sent to."""
    target: Target


@dataclass(frozen=True, slots=True)
class Load(_OfTarget):
    """Have a model ready. Answered by `Progress`, then `Loaded`."""


@dataclass(frozen=True, slots=True)
class Generate(_OfTarget):
    """Continue a prompt. Answered by `RunStarted`, `TokenGenerated`…, one `SequenceDone` each, then `Done`."""

    prompt: str
    params: SamplingParams
    truncate: bool = False
    """Keep the end of a prompt that is too long, instead of refusing it."""
    prompt_ids: tuple[int, ...] = ()
    """Read exactly these tokens instead of tokenising the prompt: a branch, or a run to be repeated."""
    schedule: tuple[ScheduledParams, ...] = ()
    """Settings to change on the way, as a run that is repeated had them changed."""
    trace: bool = False
    """Let `SequenceDone` carry hashes and versions."""
    chat: ChatMode = ChatMode.AUTO
    """Whether the prompt is put into the model's chat template; not when `prompt_ids` are given."""
    earlier: tuple[Exchange, ...] = ()
    """The chat so far, oldest first; a model that continues text does not read it."""
    begun_ids: tuple[int, ...] = ()
    """Tokens that stand after the prompt already: the answer's first ones, given."""


@dataclass(frozen=True, slots=True)
class Next(_OfTarget):
    """The distribution of the token after a prompt. Answered by `Candidates`, in chunks, then `Done`."""

    prompt: str
    params: SamplingParams
    top: int
    """How many candidates; 0 is the whole vocabulary."""
    truncate: bool = False
    chat: ChatMode = ChatMode.AUTO


@dataclass(frozen=True, slots=True)
class Inspect(_OfTarget):
    """A window of the full table of what may come after a context. Answered by `Inspected`."""

    prompt: str
    params: SamplingParams
    context_ids: tuple[int, ...] = ()
    """Read exactly these tokens instead of tokenising the prompt."""
    offset: int = 0
    limit: int = 50
    search: str = ""
    """Only entries whose text holds this, whatever its case; `#123` is the entry with this id."""
    chat: ChatMode = ChatMode.AUTO
    earlier: tuple[Exchange, ...] = ()
    """As of `Generate`."""


@dataclass(frozen=True, slots=True)
class ScoreTokens(_OfTarget):
    """How likely the model holds each token of a given sequence. Answered by `Scored`, in chunks, then `Done`."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Compare(_OfTarget):
    """How similar two sentences are. Answered by `Compared`."""

    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Ask(_OfTarget):
    """A question of the lab, which names its models itself. Answered by `Answered`, once or more, then `Done`."""

    question: Question


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop request `target` after the token in hand. Not answered itself: the target's own last event is."""

    id: int
    target: int


@dataclass(frozen=True, slots=True)
class Retune:
    """Go on with other samplers in run `target`, from the next token. Not answered itself: the run says `Retuned`."""

    id: int
    target: int
    params: SamplingParams


Work: TypeAlias = Load | Generate | Next | Inspect | ScoreTokens | Compare | Ask
"""The requests that are answered with work."""

Request: TypeAlias = Work | Cancel | Retune

# -- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The worker runs and reads requests; sent once, with id 0."""

    id: int
    pid: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Something slow moves on."""

    id: int
    stage: str
    fraction: float
    """0-1 of the whole request."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model is ready."""

    id: int
    info: ModelInfo


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: everything needed to repeat it."""

    id: int
    info: ModelInfo
    prompt: str
    """The prompt as used (its end only, when it was truncated)."""
    prompt_ids: tuple[int, ...]
    params: SamplingParams
    chat: bool = False
    """Whether the prompt was put into the model's chat template."""
    earlier_read: int = 0
    """How many of the chat's earlier turns the model read: all, or the latest that left room."""


@dataclass(frozen=True, slots=True)
class TokenGenerated:
    """One token was chosen."""

    id: int
    step: StepRecord


@dataclass(frozen=True, slots=True)
class Retuned:
    """From here on a run uses other samplers."""

    id: int
    index: int
    """The first new token they choose, in each sequence that still runs."""
    params: SamplingParams


@dataclass(frozen=True, slots=True)
class BeamsAdvanced:
    """One step of a beam search: the continuations it follows now, best first."""

    id: int
    index: int
    """How many tokens each has, less one."""
    beams: tuple[Beam, ...]


@dataclass(frozen=True, slots=True)
class SequenceDone:
    """One sequence of a run ended."""

    id: int
    sequence: int
    finish_reason: FinishReason
    text: str
    ids: tuple[int, ...]
    stats: RunStats
    provenance: Provenance = NOT_TRACED
    """Empty unless the request asked for a trace."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Some entries of a distribution, best first."""

    id: int
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Inspected:
    """The answer to `Inspect`."""

    id: int
    table: CandidateTable


@dataclass(frozen=True, slots=True)
class Scored:
    """Some tokens of `ScoreTokens`, in order."""

    id: int
    scores: tuple[TokenScore, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """The answer to `Compare`."""

    id: int
    similarity: Similarity


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to `Ask`, or a part of it."""

    id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Done:
    """The request is answered in full."""

    id: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The request failed; nothing more comes for it."""

    id: int
    kind: str
    """Name of an `EngineError` class."""
    message: str
    hint: str
    detail: str = ""
    """The traceback of an unexpected failure, for `--debug`."""


Event: TypeAlias = (
    Hello
    | Progress
    | Loaded
    | RunStarted
    | TokenGenerated
    | Retuned
    | BeamsAdvanced
    | SequenceDone
    | Candidates
    | Inspected
    | Scored
    | Compared
    | Answered
    | Done
    | Failed
)

LAST_EVENTS = (Loaded, Inspected, Compared, Done, Failed)
"""The events after which nothing more comes for a request."""
