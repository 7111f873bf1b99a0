"""Runs as JSON lines: what `generate --json` prints, a conversation's file keeps, and `replay` reads back.

A log is only ever appended to, a line an event, so that a killed program loses the token in hand at most. Reading
leaves out a last line that is only half there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from core.errors import InputError
from core.messages.codec import read_known
from core.messages.protocol import BeamsAdvanced, Event, Retuned, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import ModelInfo, PrecisionError, StepRecord
from core.messages.sampling_params import CUT_RULES, SamplingParams


@dataclass(slots=True)
class LoggedToken:
    """One token as a log holds it; only what a repetition is compared by."""

    sequence: int
    id: int
    text: str
    logprob: float
    final_prob: float


@dataclass(slots=True)
class LoggedRun:
    """One run as a log holds it."""

    model: str
    prompt: str
    prompt_ids: tuple[int, ...]
    params: SamplingParams
    device: str
    dtype: str
    retunes: list[tuple[int, SamplingParams]] = field(default_factory=list)
    """Other settings, each with the first new token they chose."""
    tokens: list[LoggedToken] = field(default_factory=list)
    weights: str = ""
    """SHA-256; empty when it was not recorded."""
    tokenizer: str = ""
    """The same of the tokenizer's files."""
    versions: tuple[str, ...] = ()
    """Programs with their versions."""
    finish_reasons: list[str] = field(default_factory=list)
    """By sequence, as far as they ended."""


def event_line(event: object) -> dict[str, Any] | None:
    """An event of a run as the JSON object of its line; None for events that no log holds."""
    match event:
        case RunStarted():
            return {
                "type": "run",
                "model": event.info.name,
                "prompt": event.prompt,
                "prompt_ids": event.prompt_ids,
                "params": asdict(event.params),
                "seed": event.params.seed,
                "device": event.info.device,
                "dtype": event.info.dtype,
                "source": event.info.source,
                "precision_error": asdict(event.info.error),
                "n_positions": event.info.n_positions,
                "chat": event.chat,
            }
        case TokenGenerated():
            return {"type": "token", **asdict(event.step)}
        case BeamsAdvanced():
            return {"type": "beams", "index": event.index, "beams": [asdict(beam) for beam in event.beams]}
        case Retuned():
            return {"type": "retuned", "index": event.index, "params": asdict(event.params)}
        case SequenceDone():
            return {
                "type": "done",
                "sequence": event.sequence,
                "finish_reason": event.finish_reason,
                "text": event.text,
                "ids": event.ids,
                "stats": asdict(event.stats),
                **asdict(event.provenance),
            }
        case _:
            return None


def line_event(value: dict[str, Any]) -> Event | None:
    """The event that a line's object tells of, as request 0; None for objects of other kinds.

    What a line does not hold of a model (its path, size and loading time) is empty; names this version does not know
    are left out.

    Raises:
        KeyError, TypeError, ValueError, SettingError: something is missing or not what it should be.
    """
    match value["type"]:
        case "run":
            read = (value["prompt"], tuple(map(int, value["prompt_ids"])), params_of(value["params"]))
            return RunStarted(0, _info(value), *read, chat=bool(value.get("chat")))
        case "token":
            step = read_known(StepRecord, value)
            if unknown := {candidate.cut_by for candidate in step.candidates} - set(CUT_RULES):
                raise ValueError(f"cut_by: {sorted(unknown)}")
            return TokenGenerated(0, step)
        case "beams":
            return read_known(BeamsAdvanced, {**value, "id": 0})
        case "retuned":
            return Retuned(0, int(value["index"]), params_of(value["params"]))
        case "done":
            return read_known(SequenceDone, {**value, "id": 0, "provenance": value})
        case _:
            return None


def _objects(lines: Iterable[str], source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a log with their line numbers; the last line may be half there.

    Args:
        lines: the file's lines.
        source: its name, for errors.

    Raises:
        InputError: another line is no JSON object.
    """
    broken = 0
    for number, line in enumerate(lines, start=1):
        if broken:
            raise InputError(f"line {broken} of {source} is no JSON object", "give a file made by generate --json")
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            broken = number
            continue
        if not isinstance(value, dict):
            raise InputError(f"line {number} of {source} is no JSON object", "give a file made by generate --json")
        yield number, value


def read_runs(lines: Iterable[str], source: str) -> list[LoggedRun]:
    """Every run of a log.

    Raises:
        InputError: a line does not belong there, or a run lacks something.
    """
    runs: list[LoggedRun] = []
    for number, value in _objects(lines, source):
        kind = value.get("type")
        if not runs and kind in ("token", "done", "retuned"):
            raise InputError(f"line {number} of {source} comes before any run", "give the whole file")
        try:
            _take(runs, kind, value)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"line {number} of {source} lacks or spoils {error}", "give the file unchanged") from None
    return runs


def params_of(value: dict[str, Any]) -> SamplingParams:
    """The settings of a line; names this version does not know are refused, missing ones take their defaults.

    Raises:
        TypeError: an unknown name, or no settings at all.
        SettingError: a value is out of range.
    """
    known = {one.name for one in fields(SamplingParams)}
    unknown = set(value) - known
    if unknown:
        raise TypeError(f"unknown settings {', '.join(sorted(unknown))}")
    return read_known(SamplingParams, value)


def _take(runs: list[LoggedRun], kind: object, value: dict[str, Any]) -> None:
    match kind:
        case "run":
            ids = tuple(int(id_) for id_ in value["prompt_ids"])
            where = (value["device"], value["dtype"])
            runs.append(LoggedRun(value["model"], value["prompt"], ids, params_of(value["params"]), *where))
        case "token":
            runs[-1].tokens.append(LoggedToken(**{one.name: value[one.name] for one in fields(LoggedToken)}))
        case "retuned":
            runs[-1].retunes.append((int(value["index"]), params_of(value["params"])))
        case "done":
            runs[-1].finish_reasons.append(value["finish_reason"])
            runs[-1].weights, runs[-1].tokenizer = value.get("weights", ""), value.get("tokenizer", "")
            runs[-1].versions = tuple(map(str, value.get("versions", ())))


def _info(value: dict[str, Any]) -> ModelInfo:
    return ModelInfo(
        name=value["model"],
        source=value.get("source", ""),
        path="",
        architecture="",
        parameters=0,
        n_positions=value.get("n_positions", 0),
        vocab_size=0,
        device=value["device"],
        dtype=value["dtype"],
        load_s=0.0,
        error=read_known(PrecisionError, value.get("precision_error", {})),
    )
