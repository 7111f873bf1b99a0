"""Having the model ready: loads it in the background, and starts an engine again that has died."""

from __future__ import annotations

from collections.abc import Callable

from core.backends.backend import Backend
from core.errors import EngineError, EngineStoppedError
from core.messages.protocol import Load, Loaded, Progress
from tui.host import Host

RESTARTS = 3
"""How often an engine that dies before it has loaded a model is started again by itself."""


class Loading:
    """One model at a time; a newer one takes the older one's place."""

    def __init__(self, host: Host, backend: Backend, on_loaded: Callable[[str], None]) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            host: whose target is loaded.
            backend: what loads it.
            on_loaded: called with the name that was asked for, once the model is there.
        """
        self._host = host
        self._backend = backend
        self._on_loaded = on_loaded
        self._restarts_left = RESTARTS

    def start(self) -> None:
        """Have the host's model ready, in the background."""
        self._host.work(self._load(), "load")

    def recover(self) -> None:
        """Load again, which starts the engine again, unless it keeps dying."""
        if self._restarts_left:
            self._restarts_left -= 1
            self.start()

    async def _load(self) -> None:
        host, target = self._host, self._host.target
        host.say("starting the engine")
        try:
            reply = await self._backend.send(Load(target))
            async for event in reply:
                if isinstance(event, Progress):
                    host.say(f"loading {event.fraction:.0%} {event.stage}")
                elif isinstance(event, Loaded):
                    host.show_model(event.info)
                    self._restarts_left = RESTARTS
                    host.say("ready")
                    self._on_loaded(target.model)
        except EngineError as error:
            host.say_failure(error)
            if isinstance(error, EngineStoppedError):
                self.recover()
