"""Conversations for tests: events of runs made up, and files written with them as the app writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.history.conversation_file import ConversationFile, Place, run_line, saved_line, title_of
from core.messages.protocol import Event, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import Candidate, FinishReason, ModelInfo, RunStats, StepRecord
from core.messages.sampling_params import SamplingParams

INFO = ModelInfo("starter/gpt2", "starter", "/models/gpt2", "GPT2LMHeadModel", 10, 512, 50257, "cpu", "float32", 0.1)
STATS = RunStats(0.02, 0.01, 0.02, 90.0, 300.0, 5.0, 2, 1, 3, 512)


def started(prompt: str, params: SamplingParams | None = None) -> RunStarted:
    """A run begins."""
    return RunStarted(1, INFO, prompt, (1, 2), params or SamplingParams(seed=7))


def token(text: str, index: int = 0, sequence: int = 0, candidates: int = 10) -> TokenGenerated:
    """One token with its candidates."""
    listed = tuple(
        Candidate(rank, rank + 100, f" c{rank}", 1.23456789 / rank, 0.123456789, 0.23456789, 0.3456789, True, "top_k")
        for rank in range(1, candidates + 1)
    )
    record = StepRecord(
        sequence=sequence,
        index=index,
        id=1000 + index,
        text=text,
        bytes=text.encode("utf-8", "surrogatepass").hex(),
        logit=12.345678901,
        logprob=-1.23456789,
        prob=0.29123456789,
        rank=3,
        entropy=4.56789012,
        final_prob=0.3456789,
        kept=42,
        kept_mass=0.912345678,
        elapsed_s=0.0123456 * index,
        candidates=listed,
    )
    return TokenGenerated(1, record)


def done(text: str, sequence: int = 0, reason: FinishReason = FinishReason.LENGTH) -> SequenceDone:
    """One sequence ends."""
    return SequenceDone(1, sequence, reason, text, (1, 2), replace(STATS, new_tokens=len(text.split())))


def run_of(prompt: str, words: list[str], *, ends: bool = True) -> Iterator[Event]:
    """A run that writes these words."""
    yield started(prompt)
    for index, word in enumerate(words):
        yield token(f" {word}", index)
    if ends:
        yield done("".join(f" {word}" for word in words))


def write_conversation(folder: Path, turns: list[tuple[str, list[str]]], *, ends: bool = True) -> Path:
    """A conversation's file; each turn is a prompt and what was written after it."""
    file = ConversationFile.create(folder, title_of(turns[0][0]))
    for turn, (prompt, words) in enumerate(turns):
        for event in run_of(prompt, words, ends=ends):
            add(file, event, Place(turn))
    file.close()
    assert not file.problem
    return file.path


def add(file: ConversationFile, event: Event, place: Place) -> None:
    """Append an event as the app does."""
    line = run_line(event, place) if isinstance(event, RunStarted) else saved_line(event)
    assert line is not None
    file.append(line)
