"""The real app in a real pseudo-terminal, with the real engine and the bundled models."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.starter

DEADLINE_S = 90.0
_ESCAPES = re.compile(r"\x1b(\[[0-9;?<=>]*[a-zA-Z~$]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78PX^_]|.)")


class Terminal:
    """An app in a pseudo-terminal: keys in, everything it ever painted out."""

    def __init__(self, cwd: Path, *arguments: str) -> None:
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            environment = {**os.environ, "TERM": "xterm-256color"}
            for name in ("LINES", "COLUMNS"):  # readline puts them there; they would override the size set above
                environment.pop(name, None)
            os.execve(sys.executable, [sys.executable, "-P", "-m", "tui.cli", *arguments], environment)
        self._painted = b""

    def press(self, keys: str) -> None:
        """Send keys as a terminal does."""
        os.write(self._descriptor, keys.encode())

    def until(self, condition: Callable[[str], object], since: int = 0) -> str:
        """Read until what was painted (from byte `since` on, escapes removed) fulfils the condition."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            text = _ESCAPES.sub("", self._painted[since:].decode("utf-8", "replace"))
            if condition(text):
                return text
            if not self._read():
                break
        raise AssertionError(f"never painted; last: {text[-800:]!r}")

    def mark(self) -> int:
        """Where the output stands now."""
        return len(self._painted)

    def wait(self) -> int:
        """Read to the end and return the exit status."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def children(self) -> list[int]:
        """The app's child processes: the engine."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def close(self) -> None:
        """End the app if a test left it running."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return  # it ended by itself
        finally:
            os.close(self._descriptor)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], 1.0)
        if not ready:
            return True
        try:
            chunk = os.read(self._descriptor, 65536)
        except OSError:
            return False
        self._painted += chunk
        return bool(chunk)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    started = Terminal(tmp_path)
    yield started
    started.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the engine's process through /proc")
def test_type_run_stop_kill_the_engine_run_again_and_quit(terminal: Terminal) -> None:
    terminal.until(lambda text: "Conversation" in text)
    terminal.press("Hello world")
    terminal.until(lambda text: "15496" in text)
    terminal.until(lambda text: "ready" in text)

    since = terminal.mark()
    terminal.press("\r")
    terminal.until(lambda text: "generating" in text, since)
    terminal.press("\x1b")
    terminal.until(lambda text: "ended by" in text or "stopped by you" in text, since)

    (engine,) = terminal.children()
    since = terminal.mark()
    terminal.press("\x12")
    terminal.until(lambda text: "generating" in text, since)
    os.kill(engine, signal.SIGKILL)
    terminal.until(lambda text: "the engine was killed" in text or "ended by" in text, since)

    since = terminal.mark()
    terminal.press("\x12")
    if "ended by" not in terminal.until(lambda text: "ended by" in text or "the engine was killed" in text, since):
        terminal.press("\x12")  # the death of an engine that had finished its run shows in the next one
        terminal.until(lambda text: "ended by" in text, since)
    terminal.press("\x11")
    assert terminal.wait() == 0


@pytest.mark.slow
def test_a_prompt_and_its_enter_may_come_in_one_burst(terminal: Terminal) -> None:
    terminal.until(lambda text: "ready" in text)
    since = terminal.mark()
    terminal.press("Once upon a time\r")
    terminal.until(lambda text: "ended by" in text, since)


@pytest.mark.slow
def test_quitting_while_the_model_loads_leaves_no_engine_behind(terminal: Terminal) -> None:
    terminal.until(lambda text: "Conversation" in text)
    engines = terminal.children()
    terminal.press("\x11")
    assert terminal.wait() == 0
    for engine in engines:
        with pytest.raises(ProcessLookupError):
            os.kill(engine, 0)


@pytest.mark.slow
def test_nothing_of_a_prompt_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "-p", "a\x1b]0;owned\x07b\x9b31mc")
    try:
        terminal.until(lambda text: "ready" in text)
        since = terminal.mark()
        terminal.press("\r")
        terminal.until(lambda text: "ended by" in text, since)
        terminal.press("\x11")
        assert terminal.wait() == 0
        painted = terminal._painted
        assert b"\x1b]0;owned" not in painted
        assert "\x9b31m".encode() not in painted
        assert "␛]0;owned␇".encode() in painted
    finally:
        terminal.close()
