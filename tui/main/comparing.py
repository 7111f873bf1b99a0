"""Comparing two sentences: asks the engine, with the model that the similarity pane names, and shows the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.backends.backend import Backend
from core.errors import EngineError
from core.messages.protocol import Compare, Compared, Progress

if TYPE_CHECKING:
    from tui.main.screen import MainScreen


class Comparing:
    """One comparison at a time; a newer one takes the older one's place."""

    def __init__(self, screen: MainScreen, engine: Backend) -> None:
        self._screen = screen
        self._engine = engine

    def start(self, first: str, second: str) -> None:
        """Compare two sentences, with the pane's model on the device in use."""
        work = self._compare(first, second)
        self._screen.run_worker(work, exclusive=True, group="compare", exit_on_error=False)

    async def _compare(self, first: str, second: str) -> None:
        pane = self._screen.similarity
        model = pane.model
        pane.show_note("comparing…")
        try:
            reply = await self._engine.send(Compare(0, model, first, second, self._screen.target.device))
            async for event in reply:
                if isinstance(event, Progress):
                    pane.show_note(f"{model}: {event.stage}, {event.fraction:.0%}")
                elif isinstance(event, Compared):
                    pane.show_answer(event.similarity)
        except EngineError as error:
            pane.show_note(str(error), failed=True)
