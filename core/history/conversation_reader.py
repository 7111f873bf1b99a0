"""Reads a conversation's file: every run's beginning at once, what was recorded of it when it is asked for.

A long conversation is tens of megabytes, nearly all of it tokens; finding the runs takes one pass over the bytes, and
only the tokens that are looked at are parsed. Lines must stand as `core.history.conversation_file` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import SettingError
from core.history.conversation_file import (
    ConversationDamagedError,
    ConversationFile,
    Header,
    Place,
    place_of,
    read_conversation_header,
)
from core.history.run_lines import line_event
from core.messages.protocol import BeamsAdvanced, Event, RunStarted, SequenceDone, TokenGenerated

_LINE_START, _LINE_BOUNDARY = b'{"type":"', b'}\n{"type":"'
RUN_START = b'\n{"type":"run","turn":'
"""How the line of a run begins, with the end of the line before it."""

_PARSE_ERRORS = (ValueError, LookupError, TypeError, AttributeError, SettingError)


@dataclass(frozen=True, slots=True)
class SavedRun:
    """One run of a file."""

    place: Place
    started: RunStarted
    begin: int
    """Where its line begins, bytes."""
    end: int
    """Where its last line ends."""

    @property
    def bytes(self) -> int:
        """How much of the file is its own."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """A conversation as its file holds it."""

    file: ConversationFile
    header: Header
    runs: tuple[SavedRun, ...]

    def events(self, run: SavedRun) -> list[Event]:
        """What was recorded of a run after it began.

        Raises:
            ConversationDamagedError: a line is not what it should be.
        """
        lines = self.file.slice(run.begin, run.end).split(b"\n")[1:]
        try:
            return [event for line in lines if line and (event := _checked(line_event(json.loads(line)), run))]
        except _PARSE_ERRORS:
            number = self.runs.index(run) + 1
            raise ConversationDamagedError(
                f"run {number} of {self.file.path.name} is damaged", "the file is left as it is"
            ) from None


def read_conversation(file: ConversationFile) -> SavedConversation:
    """Read the beginnings of all runs.

    Raises:
        ConversationDamagedError: the file is none of this version, or a line is damaged.
        OSError: it cannot be read.
    """
    content, name = file.read(), file.path.name
    header = read_conversation_header(content.partition(b"\n")[0], name)
    check_lines(content, name)
    begins = run_offsets(content)
    runs = []
    for begin, end in zip(begins, [*begins[1:], len(content)], strict=True):
        line = content[begin : _line_end(content, begin)]
        try:
            value = json.loads(line)
            started = line_event(value)
            if not isinstance(started, RunStarted) or not isinstance(started.prompt, str):
                raise ValueError("no run")
            place = place_of(value)
        except _PARSE_ERRORS:
            number = content.count(b"\n", 0, begin) + 1
            raise ConversationDamagedError(f"line {number} of {name} is damaged", "the file is left as it is") from None
        runs.append(SavedRun(place, started, begin, end))
    return SavedConversation(file, header, tuple(runs))


def check_lines(content: bytes, name: str) -> None:
    """Refuse a file with a line that is clearly none of ours, such as one that was overwritten or torn.

    Raises:
        ConversationDamagedError: naming the line.
    """
    whole = content.removesuffix(b"\n")
    if whole.count(b"\n") == whole.count(_LINE_BOUNDARY) and whole.endswith(b"}"):
        return
    lines = enumerate(whole.split(b"\n"), start=1)
    broken = next(number for number, line in lines if not (line.startswith(_LINE_START) and line.endswith(b"}")))
    raise ConversationDamagedError(f"line {broken} of {name} is damaged", "the file is left as it is")


def run_offsets(content: bytes) -> list[int]:
    """Where the lines of runs begin."""
    return [at + 1 for at in _occurrences(content, RUN_START)]


def _occurrences(content: bytes, wanted: bytes) -> Iterable[int]:
    at = content.find(wanted)
    while at >= 0:
        yield at
        at = content.find(wanted, at + 1)


def _line_end(content: bytes, begin: int) -> int:
    end = content.find(b"\n", begin)
    return end if end >= 0 else len(content)


def _checked(event: Event | None, run: SavedRun) -> Event | None:
    """An event whose place in the run exists."""
    match event:
        case TokenGenerated():
            told = (event.step.sequence, event.step.text)
        case SequenceDone():
            told = (event.sequence, event.text)
        case BeamsAdvanced():
            told = (0, event.beams[0].text)
        case _:
            return event
    if told[0] not in range(run.started.params.num_return_sequences) or not isinstance(told[1], str):
        raise ValueError("no such sequence")
    return event
