"""All conversations of a folder: named, counted and searched; moved to the trash beside them and back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import EngineError
from core.history.conversation_file import (
    SUFFIX,
    ConversationDamagedError,
    ConversationFile,
    Header,
    read_conversation_header,
)
from core.history.conversation_reader import check_lines, run_offsets

TRASH = "trash"
"""The folder, beside the conversations, that deleted ones go to."""

_DONE, _TOKEN = b'{"type":"done"', b'{"type":"token"'


@dataclass(frozen=True, slots=True)
class Summary:
    """One conversation in a list."""

    path: Path
    header: Header
    changed_s: float
    """When a line was last added, seconds since 1970."""
    turns: int
    text: str
    """Every prompt and text, in small letters, to search in."""

    def matches(self, wanted: str) -> bool:
        """Whether the title or the text holds this, whatever its case."""
        small = wanted.casefold()
        return small in self.header.title.casefold() or small in self.text


def conversation_paths(folder: Path) -> list[Path]:
    """The conversations of a folder, the one last changed first.

    Empty files, which a killed program may leave, are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    found: list[tuple[int, str]] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # it may have gone to the trash just now
                state = entry.stat()
                if entry.name.endswith(SUFFIX) and entry.is_file() and state.st_size:
                    found.append((state.st_mtime_ns, entry.name))
    return [folder / name for _, name in sorted(found, reverse=True)]


def summary_of(path: Path) -> Summary:
    """Name, count and text of a conversation.

    Raises:
        ConversationDamagedError: the file is none of this version, or damaged.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    content = content[: content.rfind(b"\n") + 1]  # what is behind it is a line in the making
    header = read_conversation_header(content.partition(b"\n")[0], path.name)
    check_lines(content, path.name)
    begins = run_offsets(content)
    turns: set[int] = set()
    texts: list[str] = []
    try:
        for begin, end in zip(begins, [*begins[1:], len(content)], strict=True):
            run = json.loads(content[begin : content.index(b"\n", begin)])
            turns.add(run["turn"])
            texts += [run["prompt"], *_texts(content, begin, end)]
    except (ValueError, KeyError, TypeError):
        raise ConversationDamagedError(f"a run of {path.name} is damaged", "the file is left as it is") from None
    return Summary(path, header, path.stat().st_mtime, len(turns), "\n".join(texts).casefold())


def trash_conversation(path: Path) -> Path:
    """Delete a conversation so that it can be brought back; returns where it is now.

    Raises:
        ConversationInUseError: another program holds it.
        EngineError: something of that name is in the trash already.
        OSError: it cannot be moved.
    """
    held = ConversationFile.open(path)
    try:
        trash = path.parent / TRASH
        trash.mkdir(exist_ok=True)
        return _move(path, trash / path.name)
    finally:
        held.close()


def bring_back_conversation(trashed: Path) -> Path:
    """Undo `trash_conversation`; returns where the conversation is now.

    Raises:
        EngineError: something of that name is there already.
        OSError: it cannot be moved.
    """
    return _move(trashed, trashed.parent.parent / trashed.name)


def _move(source: Path, target: Path) -> Path:
    if target.exists():
        raise EngineError(f"{target} is there already", "move it away first")
    return source.rename(target)


def _texts(content: bytes, begin: int, end: int) -> Iterator[str]:
    """What a run wrote: from the lines of its ended sequences, else from its tokens."""
    ended = False
    at = content.find(b"\n" + _DONE, begin, end)
    while at >= 0:
        ended = True
        yield json.loads(content[at + 1 : content.index(b"\n", at + 1)])["text"]
        at = content.find(b"\n" + _DONE, at + 1, end)
    if not ended:
        lines = content[begin:end].split(b"\n")
        yield "".join(json.loads(line)["text"] for line in lines if line.startswith(_TOKEN))
