"""The app as a program of its own that writes run after run, and tells on standard output what it has shown.

For tests that kill it. A line is a JSON object: a run that began with the engine's process id, a text that was put on
the screen, or the way a run ended. With the word `quick` behind its name it has a stand-in for the engine process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from core.backends.process import EngineProcess
from core.messages.sampling_params import SamplingParams
from tests.tui import quick_worker
from tui.app import NlpTui
from tui.main.screen import MainScreen
from tui.transcript.turn import Turn


def tell(**entries: object) -> None:
    """Write a line at once."""
    os.write(1, json.dumps(entries).encode() + b"\n")


def listen(engine: EngineProcess) -> None:
    """Tell of everything that turns show from now on."""
    begin, append = Turn.begin, Turn.append

    def begin_aloud(self: Turn, sequences: int, note: str) -> None:
        begin(self, sequences, note)
        tell(run=self.prompt, engine=engine.pid)

    def append_aloud(self: Turn, sequence: int, text: str, logprob: float) -> None:
        append(self, sequence, text, logprob)
        tell(text=text)

    setattr(Turn, "begin", begin_aloud)  # noqa: B010  a plain assignment is one to a method
    setattr(Turn, "append", append_aloud)  # noqa: B010


def use_stand_in() -> None:
    """Have every engine process be the stand-in."""
    start = asyncio.create_subprocess_exec

    async def start_stand_in(*_: object, **options: Any) -> asyncio.subprocess.Process:
        return await start(sys.executable, "-P", quick_worker.__file__, **options)

    setattr(asyncio, "create_subprocess_exec", start_stand_in)  # noqa: B010  as above


async def main() -> None:
    """Restore the last conversation and add to it until killed."""
    if "quick" in sys.argv:
        use_stand_in()
    engine = EngineProcess()
    listen(engine)
    app = NlpTui(engine=engine)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, MainScreen)
        while screen.status.state != "ready":
            if screen.status.failed:
                raise SystemExit(screen.status.state)
            await pilot.pause(0.01)
        restored = asyncio.Event()
        screen.call_after_refresh(restored.set)  # behind the call that restores
        await restored.wait()
        while True:
            screen.runs.start("Once upon a time", params=SamplingParams(max_new_tokens=200, top_k=0))
            await screen.workers.wait_for_complete([one for one in screen.workers if one.group == "generate"])
            tell(ended=screen.status.state)


if __name__ == "__main__":
    asyncio.run(main())
