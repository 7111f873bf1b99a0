"""Runs `nlp-tui` inside this process, and the engine too: for what a command says, not how processes live and end."""

from __future__ import annotations

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from core.backends.backend import Reply
from core.backends.process import EngineProcess
from core.errors import EngineError
from core.messages.codec import decode, encode
from core.messages.protocol import Event, Failed, Work
from tests.cli.process import Finished
from tui import cli

if TYPE_CHECKING:
    from core.engine.engine import Engine  # torch, which refusals do without


class EngineInside(EngineProcess):
    """The engine without a process: a request is answered at once, and its events go through the codec as in a pipe."""

    def __init__(self) -> None:
        super().__init__()
        self._engine: Engine | None = None
        self._events: list[Event] = []

    async def send(self, request: Work) -> Reply:
        """Answer a request; what libraries print is not the command's."""
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            self._answer(request)
        reply = Reply(self, request.id)
        for event in map(decode, map(encode, self._events)):
            assert isinstance(event, Event)
            reply.put(event)
        return reply

    def _answer(self, request: Work) -> None:
        import torch  # see above

        from core.engine.engine import Engine

        threads = torch.get_num_threads()
        self._events.clear()
        self._engine = self._engine or Engine(self._events.append)
        try:
            self._engine.handle(request, lambda: False, lambda: None)
        except EngineError as error:
            self._events.append(Failed(request.id, type(error).__name__, error.message, error.hint))
        finally:
            torch.set_num_threads(threads)


def use(*arguments: str, folder: Path, stdin: bytes = b"") -> Finished:
    """Run a command to its end, as `tests.cli.process.run` does."""
    out, err = io.BytesIO(), io.BytesIO()
    with (
        chdir(folder),
        patch("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        patch("sys.stdout", io.TextIOWrapper(out, encoding="utf-8", write_through=True)),
        patch("sys.stderr", io.TextIOWrapper(err, encoding="utf-8", write_through=True)),
        patch("tui.commands.conversing.open_backend", EngineInside),
        patch("tui.cli._drop_output"),  # it would be this process's
    ):
        try:
            code = cli.main(arguments)
        except SystemExit as ending:
            code = int(ending.code or 0)
        return Finished(code, out.getvalue().decode(), err.getvalue().decode())
