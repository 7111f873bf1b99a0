"""The app, or its engine, is killed in the middle of runs: what was on the screen is in the file, every line whole.

Most of the kills are done beside a stand-in for the engine process, which starts at once; a few beside the real one,
`NLP_TUI_KILLS` of each kind.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.history.conversation_file import ConversationFile
from core.history.conversation_list import conversation_paths
from core.history.conversation_reader import read_conversation
from core.messages.protocol import TokenGenerated
from tests.tui import writing_app

pytestmark = pytest.mark.starter

QUICK_KILLS = 30
"""Of the app and of the engine, with the stand-in."""
KILLS = int(os.environ.get("NLP_TUI_KILLS", "1"))
"""The same with the real engine."""
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Way:
    """How often to kill, and beside which engine."""

    kills: int
    engine: str
    latest_s: float
    """How long after its first token a run is killed at most."""


WAYS = pytest.mark.parametrize(
    "way", [Way(QUICK_KILLS, "quick", 0.3), Way(KILLS, "real", 1.5)], ids=lambda way: way.engine
)


class WritingApp:
    """The app in a process of its own, and what it says it has shown."""

    def __init__(self, engine: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen(
            [sys.executable, "-P", writing_app.__file__, engine],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        self.runs: list[str] = []
        """What each run has shown."""
        self.ends: list[str] = []
        self.engine = 0
        self._rest = b""

    def read(self, timeout_s: float) -> bool:
        """Take in what it says within a time; False at the end."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(0.0, timeout_s))[0]:
            return True
        chunk = os.read(self.process.stdout.fileno(), 65536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(chunk)

    def read_for(self, seconds: float) -> None:
        """Take in what it says for some time."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0 and self.read(left_s):
            pass

    def until_text(self, run: int) -> None:
        """Wait until a run, counted from 0, has shown its first token."""
        deadline = time.monotonic() + DEADLINE_S
        while not (len(self.runs) > run and self.runs[run]):
            assert time.monotonic() < deadline, "a run never wrote"
            assert self.read(1.0), "the app ended"

    def until_end(self, run: int) -> None:
        """Wait until a run, counted from 0, has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while len(self.ends) == run:
            assert time.monotonic() < deadline, "a run never ended"
            assert self.read(1.0), "the app ended"

    def kill(self) -> None:
        """Kill the app and take in the last it said."""
        self.process.kill()
        while self.read(DEADLINE_S):
            pass
        self.process.wait()

    def _take(self, told: dict[str, Any]) -> None:
        if "run" in told:
            self.runs.append("")
            self.engine = told["engine"]
        elif "text" in told:
            self.runs[-1] += told["text"]
        elif len(self.ends) < len(self.runs):  # a run may fail before it begins
            self.ends.append(told["ended"])


@contextmanager
def writing(engine: str) -> Iterator[WritingApp]:
    """A writing app, with a quick or a real engine, that does not outlive the test."""
    app = WritingApp(engine)
    try:
        yield app
    finally:
        app.kill()


def saved_runs(folder: Path) -> tuple[list[list[str]], int]:
    """The tokens of every run of the only conversation, and how many bytes of half a line are behind them."""
    (path,) = conversation_paths(folder)
    file = ConversationFile.open(path)
    try:
        saved = read_conversation(file)
        runs = [
            [event.step.text for event in saved.events(run) if isinstance(event, TokenGenerated)] for run in saved.runs
        ]
        return runs, path.stat().st_size - len(file.read())
    finally:
        file.close()


def compare(shown: list[str], saved: list[list[str]]) -> None:
    """Each run holds what was shown of it, and at most one token more: the one in hand."""
    for text, tokens in zip(shown, saved, strict=True):
        assert text in ("".join(tokens), "".join(tokens[:-1]))


@WAYS
@pytest.mark.slow
def test_a_killed_app_loses_nothing_that_was_on_the_screen(conversations: Path, way: Way) -> None:
    moments = random.Random(7)
    known = 0
    for _ in range(way.kills):
        with writing(way.engine) as app:
            app.until_text(0)
            app.read_for(moments.uniform(0, way.latest_s))
        saved, half = saved_runs(conversations)
        begun = len(saved) - known - len(app.runs)
        assert begun in (0, 1)  # the last may have begun without being shown
        compare([*app.runs, *[""] * begun], saved[known:])
        known = len(saved)
        assert half == 0


@WAYS
@pytest.mark.slow
def test_a_killed_engine_loses_nothing_that_was_on_the_screen_and_runs_go_on(conversations: Path, way: Way) -> None:
    moments = random.Random(8)
    with writing(way.engine) as app:
        killed = 0
        while killed < way.kills:
            app.until_text(len(app.ends))
            app.read_for(moments.uniform(0, way.latest_s))
            if len(app.runs) > len(app.ends):  # it is still writing
                os.kill(app.engine, signal.SIGKILL)
                killed += 1
                app.until_end(len(app.ends))
        app.until_text(len(app.ends))
    saved, _ = saved_runs(conversations)
    begun = len(saved) - len(app.runs)
    assert begun in (0, 1)
    compare([*app.runs, *[""] * begun], saved)
    assert len(saved) > way.kills
