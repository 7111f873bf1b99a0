"""The smallest backend: it writes the same two tokens after every prompt, and can do nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.backends.abilities import check_can, needs
from core.backends.backend import Reply
from core.errors import EngineError
from core.messages.protocol import Done, Event, Generate, Load, Loaded, RunStarted, SequenceDone, TokenGenerated, Work
from core.messages.records import FinishReason, ModelInfo, RunStats, StepRecord
from core.messages.sampling_params import SamplingParams

INFO = ModelInfo("toy", "toy", "", "Toy", 0, 512, 2, "elsewhere", "float32", 0.0, can=())
WORDS = (" upon", " a")


class ToyBackend:
    """Every model is there, and is the same."""

    def __init__(self, address: str = "") -> None:
        self.address = address
        self.requests: list[Work] = []
        self._ids = itertools.count(1)

    def check(self, model: str, starter: str = "") -> None:
        """Nothing is refused."""

    def tokenizer_folder(self, model: str) -> Path | None:
        return None

    async def start(self) -> None:
        """Nothing is to be started."""

    async def send(self, request: Work) -> Reply:
        request = replace(request, id=next(self._ids))
        self.requests.append(request)
        reply = Reply(self, request.id)
        try:
            check_can(INFO, *needs(request))
        except EngineError as error:
            reply.fail(error)
        else:
            for event in _answer(request):
                reply.put(event)
        return reply

    def cancel(self, reply: Reply) -> None:
        """Every reply is at its end at once."""

    def retune(self, reply: Reply, params: SamplingParams) -> None:
        raise AssertionError("asked for what it cannot do")

    async def close(self) -> None:
        """Nothing is to be ended."""


def _answer(request: Work) -> Iterator[Event]:
    match request:
        case Load(id=id_):
            yield Loaded(id_, replace(INFO, name=request.target.model))
        case Generate(id=id_):
            yield RunStarted(id_, replace(INFO, name=request.target.model), request.prompt, (0,), request.params)
            for index, word in enumerate(WORDS):
                yield TokenGenerated(id_, _step(index, word))
            stats = RunStats(0.01, 0.01, 0.01, 100.0, 100.0, 2.0, 1, len(WORDS), 3, INFO.n_positions)
            yield SequenceDone(id_, 0, FinishReason.LENGTH, "".join(WORDS), (0, 1), stats)
            yield Done(id_)


def _step(index: int, word: str) -> StepRecord:
    return StepRecord(
        sequence=0,
        index=index,
        id=index,
        text=word,
        bytes=word.encode().hex(),
        logit=0.0,
        logprob=-0.7,
        prob=0.5,
        rank=1,
        entropy=0.0,
        final_prob=0.5,
        kept=1,
        kept_mass=0.5,
        elapsed_s=0.01,
        candidates=(),
    )
