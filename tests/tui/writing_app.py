"""The app as a program of its own that writes run after run, and tells on standard output what it has shown.

For tests that kill it. A line is a JSON object: a run that began with the engine's process id, a text that was put on
the screen, or the way a run ended.
"""

from __future__ import annotations

import asyncio
import json
import os

from core.client import EngineClient
from core.sampling_params import SamplingParams
from tui.app import NlpTui
from tui.panes.conversation import Turn
from tui.screen import MainScreen


def tell(**entries: object) -> None:
    """Write a line at once."""
    os.write(1, json.dumps(entries).encode() + b"\n")


def listen(engine: EngineClient) -> None:
    """Tell of everything that turns show from now on."""
    begin, append = Turn.begin, Turn.append

    def begin_aloud(self: Turn, sequences: int, note: str) -> None:
        begin(self, sequences, note)
        tell(run=self.prompt, engine=engine.pid)

    def append_aloud(self: Turn, sequence: int, text: str) -> None:
        append(self, sequence, text)
        tell(text=text)

    setattr(Turn, "begin", begin_aloud)  # noqa: B010  a plain assignment is one to a method
    setattr(Turn, "append", append_aloud)  # noqa: B010


async def main() -> None:
    """Restore the last conversation and add to it until killed."""
    engine = EngineClient()
    listen(engine)
    app = NlpTui(engine=engine)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, MainScreen)
        while screen.status.state != "ready":
            if screen.status.failed:
                raise SystemExit(screen.status.state)
            await pilot.pause(0.01)
        while True:
            screen.runs.start("Once upon a time", params=SamplingParams(max_new_tokens=200, top_k=0))
            await screen.workers.wait_for_complete([one for one in screen.workers if one.group == "generate"])
            tell(ended=screen.status.state)


if __name__ == "__main__":
    asyncio.run(main())
