"""A few runs of one prompt that leave each other, made of records and through the app."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.messages.protocol import (
    Done,
    Event,
    Generate,
    Inspect,
    Inspected,
    RunStarted,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import Candidate, CandidateTable, FinishReason, StepRecord
from core.messages.sampling_params import SamplingParams
from tests.tui.fake_engine import INFO, stats, step
from tui.transcript.kept_run import KeptRun
from tui.transcript.turn import Turn

PROMPT = "Once upon"
TEXTS = (" a", " time", " there", " was", " [bold]", " 한국", "\n", " girl", ".")
OTHER = (" an", " old", " king", " was", " [/", " here", ".")


def candidate(text: str, id_: int, prob: float = 0.25) -> Candidate:
    """An entry of the vocabulary."""
    return Candidate(1, id_, text, 1.0, prob, prob, prob, True, "")


def id_of(text: str) -> int:
    """The same id for the same text."""
    return sum(text.encode())


def records(texts: Sequence[str], sequence: int = 0, logprob: float = -0.5) -> list[StepRecord]:
    """The records of a sequence."""
    return [
        replace(
            step(text, sequence),
            index=index,
            id=id_of(text),
            logprob=logprob,
            candidates=(candidate(text, id_of(text)), candidate(" other", 5)),
        )
        for index, text in enumerate(texts)
    ]


def kept_run(*sequences: Sequence[str], prompt: str = PROMPT, **changes: object) -> KeptRun:
    """A run with a text for each sequence."""
    steps = [records(texts, number) for number, texts in enumerate(sequences)]
    run = KeptRun(Turn(prompt, ""), prompt, (1, 2), SamplingParams(seed=3), INFO, steps)
    for name, value in changes.items():
        setattr(run, name, value)
    return run


def script(request: Work) -> list[Event]:
    """Answers runs with one of two texts in each sequence, and shows a table with another road."""
    match request:
        case Generate():
            params = request.params.changed(seed=1)
            ids = request.prompt_ids or (1, 2)
            events: list[Event] = [RunStarted(request.id, INFO, request.prompt, ids, params)]
            for sequence in range(params.num_return_sequences):
                texts = OTHER if request.prompt_ids or sequence % 2 else TEXTS
                found = records(texts, sequence, -0.25 * (sequence + 1))
                events += [TokenGenerated(request.id, record) for record in found]
                ids = tuple(record.id for record in found)
                reason = FinishReason.LENGTH
                events.append(SequenceDone(request.id, sequence, reason, "".join(texts), ids, stats()))
            return [*events, Done(request.id)]
        case Inspect():
            rows = (candidate(" a", id_of(" a")), candidate(" the", 7), candidate("\x1b[31m", 9))
            return [Inspected(request.id, CandidateTable(rows, 0, 3, 3, 0.9, 2.5, len(request.context_ids)))]
        case _:
            return []
