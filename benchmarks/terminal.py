"""A program in a pseudo-terminal: keys in, everything it paints out, each chunk with its time."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.processes import end

ROWS, COLUMNS = 40, 120
_ESCAPES = re.compile(r"\x1b(\[[0-9;?<=>]*[a-zA-Z~$]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78PX^_]|.)")


class TerminalError(Exception):
    """What was waited for was never painted; the message holds the end of what was."""


class Terminal:
    """A Python module in a pseudo-terminal of its own."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start `python ARGUMENTS`."""
        self.began = time.perf_counter()
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            variables = {**os.environ, "TERM": "xterm-256color", **(environment or {})}
            os.execve(sys.executable, [sys.executable, *arguments], variables)
        self._painted = b""

    def press(self, keys: str) -> float:
        """Send keys as a terminal does; returns when."""
        os.write(self._descriptor, keys.encode())
        return time.perf_counter()

    def mark(self) -> int:
        """Where the output stands now."""
        return len(self._painted)

    def until(self, condition: Callable[[str], object], since: int = 0, limit_s: float = 90) -> float:
        """Read until what was painted since a mark, escapes removed, fulfils the condition.

        Returns:
            When it did.

        Raises:
            TerminalError: it did not within the limit.
        """
        deadline = time.perf_counter() + limit_s
        while True:
            text = _ESCAPES.sub("", self._painted[since:].decode("utf-8", "replace"))
            if condition(text):
                return time.perf_counter()
            if time.perf_counter() > deadline or not self.read(deadline - time.perf_counter()):
                raise TerminalError(text[-300:])

    def read(self, patience_s: float) -> bool:
        """Take in what is painted next, waiting for it a while; False once the program has ended."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, patience_s))
        if not ready:
            return True
        try:
            chunk = os.read(self._descriptor, 65536)
        except OSError:
            return False
        self._painted += chunk
        return bool(chunk)

    def drain(self, duration_s: float) -> None:
        """Read for a while, whatever comes."""
        end = time.perf_counter() + duration_s
        while (left := end - time.perf_counter()) > 0 and self.read(left):
            pass

    def close(self) -> None:
        """End the program and its children."""
        end(self.pid)
        os.waitpid(self.pid, 0)
        os.close(self._descriptor)
