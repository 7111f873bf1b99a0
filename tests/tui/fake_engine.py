"""A scripted engine: answers requests as a test tells it to, in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.backends.backend import Reply
from core.errors import EngineError
from core.messages.protocol import (
    Cancel,
    Compare,
    Compared,
    Done,
    Event,
    Failed,
    Generate,
    Load,
    Loaded,
    Request,
    Retune,
    RunStarted,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import FinishReason, ModelInfo, RunStats, Similarity, StepRecord
from core.messages.sampling_params import SamplingParams
from core.models.registry import is_converted, resolve

INFO = ModelInfo("starter/gpt2", "starter", "/models/gpt2", "GPT2LMHeadModel", 10, 512, 50257, "cpu", "float32", 0.1)


class FakeEngine:
    """Keeps every request; loads at once, and leaves runs to the test unless `script` answers them."""

    def __init__(self, *, loads: bool = True) -> None:
        self.requests: list[Request] = []
        self.replies: dict[int, Reply] = {}
        self.starts = 0
        self.closed = False
        self.loads = loads
        self.load_error: EngineError | None = None
        self.script: Callable[[Work], list[Event]] | None = None

    def check(self, model: str, starter: str = "") -> None:
        resolve(model, starter)

    def tokenizer_folder(self, model: str) -> Path | None:
        return resolve(model).folder if is_converted(model) else None

    async def start(self) -> None:
        self.starts += 1

    async def send(self, request: Work) -> Reply:
        request = replace(request, id=len(self.requests) + 1)
        self.requests.append(request)
        reply = self.replies[request.id] = Reply(self, request.id)
        if isinstance(request, Load) and self.load_error is not None:
            reply.fail(self.load_error)
        elif isinstance(request, Load) and self.loads:
            reply.put(Loaded(request.id, replace(INFO, name=request.target.model)))
        elif self.script is not None:
            for event in self.script(request):
                reply.put(event)
        return reply

    def cancel(self, reply: Reply) -> None:
        self.requests.append(Cancel(len(self.requests) + 1, reply.request_id))
        if not reply.started:
            reply.end()

    def retune(self, reply: Reply, params: SamplingParams) -> None:
        self.requests.append(Retune(len(self.requests) + 1, reply.request_id, params))

    async def close(self) -> None:
        self.closed = True

    def of(self, kind: type[Request]) -> list[Request]:
        """The requests of one kind, in order."""
        return [request for request in self.requests if isinstance(request, kind)]

    def last_run(self) -> tuple[Generate, Reply]:
        """The newest run asked for and its reply."""
        request = next(request for request in reversed(self.requests) if isinstance(request, Generate))
        return request, self.replies[request.id]

    def begin(self, prompt_ids: tuple[int, ...] = (1, 2)) -> Reply:
        """Start the newest run."""
        request, reply = self.last_run()
        reply.put(RunStarted(request.id, INFO, request.prompt, prompt_ids, request.params))
        return reply

    def write(self, text: str, sequence: int = 0) -> None:
        """One token of the newest run."""
        _, reply = self.last_run()
        reply.put(TokenGenerated(reply.request_id, step(text, sequence)))

    def finish(self, text: str, reason: FinishReason = FinishReason.LENGTH, sequences: int = 1) -> None:
        """End the newest run."""
        _, reply = self.last_run()
        for sequence in range(sequences):
            reply.put(SequenceDone(reply.request_id, sequence, reason, text, (1,), stats()))
        reply.put(Done(reply.request_id))

    def fail(self, error: EngineError) -> None:
        """Break the newest run."""
        _, reply = self.last_run()
        reply.put(Failed(reply.request_id, type(error).__name__, error.message, error.hint))


def answer_comparison(request: Request) -> list[Event]:
    """A script that answers comparisons."""
    assert isinstance(request, Compare)
    answer = Similarity(request.target.model, "P(equivalent | A, B)", 0.75, 0.25, 0.5, 0.75, 0.7)
    return [Compared(request.id, answer)]


def step(text: str, sequence: int = 0) -> StepRecord:
    """A record of one token."""
    return StepRecord(
        sequence=sequence,
        index=0,
        id=1,
        text=text,
        bytes=text.encode().hex(),
        logit=1.0,
        logprob=-1.0,
        prob=0.37,
        rank=1,
        entropy=2.0,
        final_prob=0.5,
        kept=3,
        kept_mass=0.8,
        elapsed_s=0.1,
        candidates=(),
    )


def stats() -> RunStats:
    """Stats of a finished run."""
    return RunStats(0.02, 0.01, 0.02, 90.0, 300.0, 5.0, 2, 1, 3, 512)


def params_of(request: Generate) -> SamplingParams:
    """The settings of a run without its seed, which is new each time."""
    return request.params.changed(seed=0)
