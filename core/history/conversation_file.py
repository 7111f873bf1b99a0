"""A conversation's file: what its lines are, and how they are appended so that nothing is lost or written twice.

A conversation is one file that is only ever appended to: a line that heads it, then the lines of `run_lines`, where
each run also says which turn it belongs to and what it departs from. Every event is one write to the file, unbuffered,
so that a killed program loses the token in hand at most; a last line that is only half there is cut off before the
next one. One process at a time holds a file (a lock that ends with the process), and no file is ever overwritten.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import EngineError
from core.history.run_lines import event_line
from core.messages.codec import read_known
from core.messages.protocol import BeamsAdvanced, Event, RunStarted, TokenGenerated
from core.messages.records import Candidate
from core.text.visible import to_json

VERSION = 1
"""Of the format; a file with another one is left alone."""

SUFFIX = ".jsonl"

CANDIDATES_KEPT = 5
"""How many candidates of a token a file keeps at most."""

TITLE_LENGTH = 60


class ConversationDamagedError(EngineError):
    """A conversation's file cannot be used; it is left as it is."""


class ConversationInUseError(EngineError):
    """Another program holds a conversation's file."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a conversation's file."""

    id: str
    title: str
    """The start of its first prompt."""
    created: str
    """ISO 8601, local time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands in its conversation."""

    turn: int
    continues: bool = False
    """Whether it writes on after what the turn holds already."""
    shown_prompt: str = ""
    """The prompt that the turn shows, where the model has read something else (the end of it)."""
    parent: int = -1
    """The number of the run it departs from, the file's first being 0; −1 when there is none."""
    parent_sequence: int = 0
    """Which of that run's sequences it leaves."""
    branch_at: int = 0
    """That run's new token it takes another one in place of; below 0 counts back from the end of the prompt."""
    taken: Candidate | None = None
    """The token it goes on with; None when it writes on after the last."""


def title_of(prompt: str) -> str:
    """What a conversation is called: the start of its first prompt, on one line."""
    words = " ".join(prompt[: 4 * TITLE_LENGTH].split())
    return words if len(words) <= TITLE_LENGTH else words[: TITLE_LENGTH - 1] + "…"


def header_line(header: Header) -> dict[str, Any]:
    """The object of a file's first line."""
    return {"type": "conversation", "version": VERSION, **asdict(header)}


def run_line(event: RunStarted, place: Place) -> dict[str, Any]:
    """The beginning of a run as the object of its line."""
    line = event_line(event) or {}
    return {"type": "run", "turn": place.turn, "continues": place.continues, **_origin(place), **line}


def saved_line(event: Event) -> dict[str, Any] | None:
    """Any other event of a run as the object of its line; None for events that no file keeps.

    Args:
        event: lists of candidates are shortened, and of the beams only the best keeps its text.
    """
    match event:
        case TokenGenerated():
            step = event.step
            event = replace(event, step=replace(step, candidates=step.candidates[:CANDIDATES_KEPT]))
        case BeamsAdvanced():
            event = replace(event, beams=(*event.beams[:1], *(replace(beam, text="") for beam in event.beams[1:])))
    return event_line(event)


def place_of(value: dict[str, Any]) -> Place:
    """Where the run of a line stands.

    Raises:
        KeyError, TypeError, ValueError: something is missing or not what it should be.
    """
    taken = value.get("taken")
    return Place(
        turn=int(value["turn"]),
        continues=bool(value["continues"]),
        shown_prompt=value.get("shown_prompt", ""),
        parent=int(value.get("parent", -1)),
        parent_sequence=int(value.get("parent_sequence", 0)),
        branch_at=int(value.get("branch_at", 0)),
        taken=read_known(Candidate, taken) if taken is not None else None,
    )


def read_conversation_header(line: bytes, name: str) -> Header:
    """The header of a file from its first line.

    Raises:
        ConversationDamagedError: it is none, or of a version that is not known here.
    """
    damaged = ConversationDamagedError(f"{name} is no conversation: its first line is damaged", "it is left as it is")
    try:
        value = json.loads(line)
        if value["type"] != "conversation":
            raise damaged
        version = value["version"]
        if version == VERSION:
            return Header(str(value["id"]), str(value["title"]), str(value["created"]))
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    raise ConversationDamagedError(
        f"{name} has version {version}, known here is {VERSION}", "it is left as it is; a newer nlp-tui reads it"
    )


class ConversationFile:
    """A file that this process alone appends to."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take an open file; `create` and `open` make one."""
        self.path = path
        self.problem = ""
        """Why nothing more is saved; empty while it is."""
        self._descriptor = descriptor
        self._end = 0
        """Length of the whole lines, bytes."""
        self._lead = b""
        """What must come before the next line: a newline when the last line lacks one."""

    @classmethod
    def create(cls, folder: Path, title: str) -> ConversationFile:
        """Begin a conversation.

        Raises:
            OSError: it cannot be written.
        """
        now = datetime.now().astimezone()
        name = f"{now:%Y%m%d-%H%M%S}-{os.getpid()}-{secrets.token_hex(2)}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}{SUFFIX}"
        file = cls(path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600))
        _lock(file._descriptor)
        header = Header(name, title, now.isoformat(timespec="seconds"))
        file.append(header_line(header))
        if file.problem:
            file.close()
            path.unlink(missing_ok=True)
            raise OSError(file.problem)
        return file

    @classmethod
    def open(cls, path: Path) -> ConversationFile:
        """Go on with a conversation; nothing is written before the first `append`.

        Raises:
            ConversationInUseError: another program holds it.
            OSError: it cannot be opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        if not _lock(descriptor):
            os.close(descriptor)
            raise ConversationInUseError(f"{path.name} is open in another nlp-tui", "close it there first")
        return cls(path, descriptor)

    def read(self) -> bytes:
        """All whole lines; what is behind them goes when the next line is appended."""
        content = self.slice(0, os.fstat(self._descriptor).st_size)
        end = content.rfind(b"\n") + 1
        if _is_object(content[end:]):
            end, self._lead = len(content), b"\n"
        self._end = end
        return content[:end]

    def slice(self, start: int, end: int) -> bytes:
        """Some of its bytes."""
        parts = []
        while start < end and (part := os.pread(self._descriptor, end - start, start)):
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def append(self, value: dict[str, Any]) -> None:
        """Write one line; when that fails, what was written of it goes, and `problem` says why."""
        if self.problem:
            return
        # A lone surrogate has no UTF-8 form; written with a backslash it is JSON's own escape.
        line = self._lead + to_json(value).encode("utf-8", "backslashreplace") + b"\n"
        rest = memoryview(line)
        try:
            if os.fstat(self._descriptor).st_size > self._end:
                os.ftruncate(self._descriptor, self._end)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.problem = error.strerror or str(error)
            with contextlib.suppress(OSError):  # half a line that cannot be cut off now is cut off when it is opened
                os.ftruncate(self._descriptor, self._end)
            return
        self._end += len(line)
        self._lead = b""

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _origin(place: Place) -> dict[str, Any]:
    """The entries of a run's line that most runs lack."""
    entries: dict[str, Any] = {}
    if place.shown_prompt:
        entries["shown_prompt"] = place.shown_prompt
    if place.parent >= 0:
        entries |= {
            "parent": place.parent,
            "parent_sequence": place.parent_sequence,
            "branch_at": place.branch_at,
        }
    if place.taken is not None:
        entries["taken"] = asdict(place.taken)
    return entries


def _lock(descriptor: int) -> bool:
    """Keep other programs out until this one ends or closes the file; whether that was possible."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_object(line: bytes) -> bool:
    """Whether a line is a whole JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
