"""Comparing two sentences: asks the engine, with the model that the similarity pane names, and shows the answer."""

from __future__ import annotations

from core.backends.abilities import check_can, needs
from core.backends.backend import Backend
from core.errors import EngineError
from core.messages.protocol import Compare, Compared, Progress
from core.messages.records import Target
from tui.host import Host
from tui.main.panes.similarity import SimilarityPane


class Comparing:
    """One comparison at a time; a newer one takes the older one's place."""

    def __init__(self, host: Host, backend: Backend, pane: SimilarityPane) -> None:
        self._host = host
        self._backend = backend
        self._pane = pane

    def start(self, first: str, second: str) -> None:
        """Compare two sentences, with the pane's model on the device in use."""
        self._host.work(self._compare(first, second), "compare")

    async def _compare(self, first: str, second: str) -> None:
        pane, model = self._pane, self._pane.model
        pane.show_note("comparing…")
        request = Compare(Target(model, self._host.target.device), first, second)
        try:
            check_can(self._host.model, *needs(request))
            async for event in await self._backend.send(request):
                if isinstance(event, Progress):
                    pane.show_note(f"{model}: {event.stage}, {event.fraction:.0%}")
                elif isinstance(event, Compared):
                    pane.show_answer(event.similarity)
        except EngineError as error:
            pane.show_note(str(error), failed=True)
