"""What the terminal can do: colours, size, Unicode and the width of wide characters.

Only the width is asked of the terminal itself, and only where both streams are one; the rest is in the environment.
"""

from __future__ import annotations

import locale
import os
import re
import select
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

TERMINAL_PATIENCE_S = 0.5
"""How long the terminal may take to say where its cursor is."""

WIDE = "한"
"""A character that takes two cells wherever wide characters are drawn rightly."""

_POSITION = re.compile(rb"\x1b\[(\d+);(\d+)R")


def colours(environment: Mapping[str, str]) -> str:
    """How many colours there are, by what the environment says."""
    if environment.get("NO_COLOR"):
        return "none (NO_COLOR is set)"
    term = environment.get("TERM", "")
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in term:
        return "16 million"
    if "256" in term or environment.get("TERM_PROGRAM") in ("Apple_Terminal", "iTerm.app"):
        return "256"
    return "none (TERM is dumb or not set)" if term in ("", "dumb", "unknown") else "16"


def encoding() -> str:
    """Of what is printed."""
    return (getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)).lower()


def between(environment: Mapping[str, str]) -> list[str]:
    """What stands between the program and the screen, and may change what arrives there."""
    names = {"TMUX": "tmux", "STY": "screen", "SSH_CONNECTION": "ssh"}
    return [name for variable, name in names.items() if environment.get(variable)]


def size() -> tuple[int, int] | None:
    """Columns and rows of the terminal; None where there is none."""
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        if stream is not None:
            with suppress(OSError, ValueError):
                found = os.get_terminal_size(stream.fileno())
                return found.columns, found.lines
    return None


def wide_cells() -> int | None:
    """How many cells the terminal gives a wide character; None where it cannot be asked or does not answer."""
    try:
        import termios  # not on every system
        import tty  # needs it
    except ImportError:
        return None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(source)
    try:
        tty.setcbreak(source, termios.TCSANOW)
        os.write(target, b"\r" + WIDE.encode() + b"\x1b[6n")
        column = _column(source)
        os.write(target, b"\r\x1b[K")
    except (OSError, termios.error):
        return None
    finally:
        termios.tcsetattr(source, termios.TCSANOW, before)
    return None if column is None else column - 1


def _column(source: int) -> int | None:
    """Where the terminal says its cursor is."""
    answer, deadline = b"", time.monotonic() + TERMINAL_PATIENCE_S
    while (left := deadline - time.monotonic()) > 0 and select.select([source], [], [], left)[0]:
        chunk = os.read(source, 64)
        if not chunk:
            return None
        answer += chunk
        if found := _POSITION.search(answer):
            return int(found[2])
    return None
