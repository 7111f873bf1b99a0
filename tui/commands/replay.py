"""`replay`: run a recorded run again and tell whether it comes out the same, or where it first does not."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.backends.catalogue import open_backend
from core.errors import EngineError, InputError
from core.history.run_lines import LoggedRun, LoggedToken, read_runs
from core.messages.protocol import Generate, SequenceDone, TokenGenerated
from core.messages.records import NOT_TRACED, Provenance, Target
from core.messages.sampling_params import ScheduledParams
from tui.commands.conversing import converse_in_turn
from tui.commands.parser import Parser
from tui.commands.running import print_json, say

_TOLERANCE = 1e-4
"""How far a log-probability or final probability may move on another machine before it counts as different."""


@dataclass(slots=True)
class Repetition:
    """How a repeated run compares with its record."""

    compared: int = 0
    """Tokens compared so far."""
    largest_difference: float = 0.0
    """Of the log-probabilities, nats."""
    difference: str = ""
    """The first thing that differs; empty while nothing does."""
    origin: Provenance = NOT_TRACED
    """Hashes and versions now."""
    _seen: dict[int, int] = field(default_factory=dict)

    def take(self, recorded: dict[int, list[LoggedToken]], event: TokenGenerated) -> None:
        """Compare one token with its record."""
        step = event.step
        index = self._seen.get(step.sequence, 0)
        self._seen[step.sequence] = index + 1
        tokens = recorded.get(step.sequence, [])
        if self.difference or index >= len(tokens):
            return  # a run that was stopped is compared as far as it went
        self.compared += 1
        twin = tokens[index]
        moved = abs(step.logprob - twin.logprob)
        self.largest_difference = max(self.largest_difference, moved)
        where = f"token {index + 1} of sequence {step.sequence + 1}"
        if step.id != twin.id:
            self.difference = (
                f"{where}: {twin.text!r} (id {twin.id}, logprob {twin.logprob:.4f}) recorded, "
                f"{step.text!r} (id {step.id}, logprob {step.logprob:.4f}) now"
            )
        elif moved > _TOLERANCE:
            self.difference = (
                f"{where}: logprob of {twin.text!r} is {twin.logprob:.6f} recorded, {step.logprob:.6f} now"
            )
        elif abs(step.final_prob - twin.final_prob) > _TOLERANCE:
            self.difference = (
                f"{where}: final probability of {twin.text!r} is {twin.final_prob:.6f} recorded, "
                f"{step.final_prob:.6f} now"
            )


def add_arguments(parser: Parser) -> None:
    """Add the record."""
    parser.add_argument("file", metavar="FILE", help="what generate --json printed, or a conversation's file")


def run(options: argparse.Namespace) -> int:
    """`nlp-tui replay FILE`: 0 when every run of the file comes out the same, else 1.

    Raises:
        InputError: the file holds no runs.
        EngineError: it cannot be read, or a run cannot be repeated here.
    """
    runs = _read(options.file)
    different: list[int] = []

    def exchanges() -> Iterator[tuple[Generate, Callable[[object], None]]]:
        for number, logged in enumerate(runs, start=1):
            repetition = Repetition()
            yield _request(logged), partial(_take, repetition, _by_sequence(logged))
            if _report(number, logged, repetition, options.json):
                different.append(number)

    return converse_in_turn(exchanges()) or (1 if different else 0)


def _read(path: str) -> list[LoggedRun]:
    if not path:
        raise InputError("the name of the file is empty", "give its path")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid UTF-8 (byte {error.start + 1})", "give the file unchanged") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise EngineError(f"{path} cannot be read: {reason}", "check the path and its permissions") from None
    runs = [run for run in read_runs(text.split("\n"), path) if run.tokens]
    if not runs:
        raise InputError(f"{path} holds no run with tokens", "give a file made by nlp-tui generate --json")
    return runs


def _request(run: LoggedRun) -> Generate:
    open_backend().check(run.model)
    return Generate(
        Target(run.model, run.device, run.dtype),
        run.prompt,
        run.params,
        prompt_ids=run.prompt_ids,
        schedule=tuple(ScheduledParams(index, params) for index, params in run.retunes),
        trace=bool(run.weights),
    )


def _by_sequence(run: LoggedRun) -> dict[int, list[LoggedToken]]:
    recorded: dict[int, list[LoggedToken]] = {}
    for token in run.tokens:
        recorded.setdefault(token.sequence, []).append(token)
    return recorded


def _take(repetition: Repetition, recorded: dict[int, list[LoggedToken]], event: object) -> None:
    if isinstance(event, TokenGenerated):
        repetition.take(recorded, event)
    elif isinstance(event, SequenceDone):
        repetition.origin = event.provenance


def _report(number: int, run: LoggedRun, repetition: Repetition, as_json: bool) -> str:
    """Say how a run came out; returns the first difference, empty when there is none."""
    if not repetition.difference and repetition.compared < len(run.tokens):
        repetition.difference = f"the run ends after {repetition.compared} tokens, {len(run.tokens)} were recorded"
    now = repetition.origin
    same_weights, same_tokenizer = _same(run.weights, now.weights), _same(run.tokenizer, now.tokenizer)
    other_versions = sorted(set(run.versions) - set(now.versions))
    if as_json:
        print_json(
            {
                "run": number,
                "identical": not repetition.difference,
                "difference": repetition.difference,
                "tokens": repetition.compared,
                "largest_difference": repetition.largest_difference,
                "same_weights": same_weights,
                "same_tokenizer": same_tokenizer,
                "recorded_with": other_versions,
            }
        )
    else:
        print(f"run {number}: {repetition.difference or f'identical ({repetition.compared} tokens)'}")
    if same_weights is False:
        say(f"note: the weights of {run.model} are not those of the record (SHA-256 {now.weights[:12]}…)")
    if same_tokenizer is False:
        say(f"note: the tokenizer of {run.model} is not that of the record (SHA-256 {now.tokenizer[:12]}…)")
    if other_versions:
        say(f"note: recorded with {', '.join(other_versions)}; other versions are in use now")
    return repetition.difference


def _same(recorded: str, now: str) -> bool | None:
    """Whether two hashes are equal; None where the record has none."""
    return recorded == now if recorded else None
