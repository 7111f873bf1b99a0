"""Copying: through the terminal (OSC 52), which works over ssh, and through the system's clipboard program, if any.

A terminal never says whether it took a text, so what was sent where is told and nothing is promised. A program that
is missing, fails or hangs is no error: it is told, and the terminal has the text all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

CLIPBOARD_PATIENCE_S = 2.0
"""How long a clipboard program may take."""

LONG_BYTES = 74_000
"""Many terminals drop a longer text that comes through OSC 52."""


@dataclass(frozen=True, slots=True)
class Program:
    """A clipboard program."""

    command: tuple[str, ...]
    needs: str = ""
    """An environment variable without which it can reach no clipboard."""
    encoding: str = "utf-8"


PROGRAMS = (
    Program(("wl-copy",), "WAYLAND_DISPLAY"),
    Program(("xclip", "-selection", "clipboard"), "DISPLAY"),
    Program(("xsel", "--clipboard", "--input"), "DISPLAY"),
    Program(("pbcopy",)),
    Program(("clip.exe",), encoding="utf-16"),
)
"""In the order in which they are tried."""


def programs_here(environment: Mapping[str, str] = os.environ) -> list[Program]:
    """The programs that are installed and can reach a clipboard."""
    return [
        program
        for program in PROGRAMS
        if (not program.needs or environment.get(program.needs)) and shutil.which(program.command[0])
    ]


async def copy(app: App[Any], text: str) -> str:
    """Send a text to every clipboard there is.

    Args:
        app: whose terminal gets it.
        text: what to copy.

    Returns:
        What was sent where, for the user.
    """
    text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate has no UTF-8 form
    app.copy_to_clipboard(text)
    told = f"{len(text):,} character{'' if len(text) == 1 else 's'} to the terminal's clipboard (OSC 52)"
    if len(text.encode()) > LONG_BYTES:
        told += ", which many terminals refuse at this length"
    failed = []
    for program in programs_here():
        if await _feed(program, text):
            return f"{told} and {program.command[0]}"
        failed.append(program.command[0])
    return f"{told}; {', '.join(failed)} failed" if failed else told


async def _feed(program: Program, text: str) -> bool:
    """Hand a text to a program; whether it took it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *program.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,  # xclip lives on behind us and would hold a pipe open
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        await asyncio.wait_for(process.communicate(text.encode(program.encoding)), CLIPBOARD_PATIENCE_S)
    except (TimeoutError, OSError):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it has started holds the pipe too
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), CLIPBOARD_PATIENCE_S)
        return False
    return process.returncode == 0
