"""The real app with a 60 Hz ticker in it, for `benchmarks.interface`: `python -m benchmarks.probe MODEL FILE`.

Once the model is there it runs the prompt again and again until it is quit, and then writes its ticks into FILE as
JSON: `[[time, state], …]`. Times are `perf_counter`'s, which Linux counts alike in all processes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import tui
from tui.app import NlpTui
from tui.main.screen import MainScreen

TICK_S = 1 / 60
NEW_TOKENS = 150


class ProbedApp(NlpTui):
    """Ticks, and keeps the engine busy."""

    CSS_PATH = str(Path(tui.__file__).parent / "app.tcss")

    def __init__(self, model: str) -> None:
        super().__init__(prompt="Once upon a time", model=model)
        self.ticks: list[tuple[float, str]] = []
        self._ticker: asyncio.Task[None] | None = None

    def on_ready(self) -> None:
        """Begin to tick after the first frame."""
        self._ticker = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            screen = self.screen
            state = self._state(screen) if isinstance(screen, MainScreen) else "other"
            self.ticks.append((time.perf_counter(), state))

    def _state(self, screen: MainScreen) -> str:
        if screen.status.model is None:
            return "loading"
        if screen.runs.is_busy:
            return "generating"
        self._start_run(screen)
        return "between runs"

    def _start_run(self, screen: MainScreen) -> None:
        if screen.sampling.params.max_new_tokens != NEW_TOKENS:
            screen.sampling.params = screen.sampling.params.changed(max_new_tokens=NEW_TOKENS)
        if not screen.query(".-probed"):
            screen.prompt.add_class("-probed")
            screen.runs.start("Once upon a time")
        else:
            screen.action_run_again()


def main(model: str, path: str) -> None:
    """Run the app until it is quit, then write the ticks."""
    app = ProbedApp(model)
    app.run()
    Path(path).write_text(json.dumps(app.ticks), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
