"""The backend of this machine: starts the engine process, talks to it through pipes, and outlives it.

A process that dies fails every open `Reply`; the next request starts a new one. Nothing here imports torch.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from dataclasses import replace
from pathlib import Path

from core.backends.backend import CANCEL_PATIENCE_S, Reply
from core.child_process import ChildProcess
from core.errors import EngineStoppedError
from core.messages.codec import decode, encode
from core.messages.protocol import Ask, Cancel, Event, Hello, Request, Retune, Work
from core.messages.sampling_params import SamplingParams
from core.models.registry import is_converted, resolve, weight_files

STEP_PATIENCE_S = 15.0
"""As `CANCEL_PATIENCE_S` for questions of the lab, which look up between two steps of training or two batches."""


def _folder_is_there() -> bool:
    """Whether there still is a current folder, without which Python does not start."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


class EngineProcess:
    """One engine process and the requests it is answering."""

    def __init__(self) -> None:
        self._child: ChildProcess | None = None
        self._reader: asyncio.Task[None] | None = None
        self._replies: dict[int, Reply] = {}
        self._ids = itertools.count(1)
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._child.pid if self._child is not None else None

    def check(self, model: str, starter: str = "") -> None:
        """See `Backend.check`.

        Raises:
            ModelNotFoundError, ModelFormatError: as `registry.resolve` and `registry.weight_files`.
        """
        weight_files(resolve(model, starter))

    def tokenizer_folder(self, model: str) -> Path | None:
        """See `Backend.tokenizer_folder`; that of a gguf file comes when it is loaded for the first time.

        Raises:
            ModelNotFoundError, ModelFormatError: as `registry.resolve`.
        """
        return resolve(model).folder if is_converted(model) else None

    async def start(self) -> None:
        """Start the process unless it runs; returns as soon as it is started, long before a model is there.

        Raises:
            EngineStoppedError: it cannot be started.
        """
        async with self._starting:
            if self.pid is not None:
                return
            if self._child is not None and self._child.status is not None:
                self._report_death(self._child, self._child.status)  # its reader may not have come to it yet
            if not _folder_is_there():
                raise EngineStoppedError("the engine cannot start: the current folder is gone", "go to another one")
            try:
                self._child = await ChildProcess.start("core.engine.worker", environment=worker_environment())
            except OSError as error:
                raise EngineStoppedError(f"the engine cannot be started: {error.strerror}") from None
            self._reader = asyncio.create_task(self._read_events(self._child))

    async def send(self, request: Work) -> Reply:
        """Send a request; its id is replaced by a fresh one.

        Raises:
            EngineStoppedError: the process cannot be started.
        """
        await self.start()
        patience_s = STEP_PATIENCE_S if isinstance(request, Ask) else CANCEL_PATIENCE_S
        reply = Reply(self, next(self._ids), patience_s)
        self._replies[reply.request_id] = reply
        self._write(replace(request, id=reply.request_id))
        return reply

    def cancel(self, reply: Reply) -> None:
        """See `Reply.cancel`."""
        if reply.finished:
            return
        self._write(Cancel(next(self._ids), reply.request_id))
        if not reply.started:
            self._replies.pop(reply.request_id, None)
            reply.end()
            return
        child = self._child

        def kill_if_deaf() -> None:
            if not reply.finished and child is not None:
                child.kill()

        asyncio.get_running_loop().call_later(reply.patience_s, kill_if_deaf)

    def retune(self, reply: Reply, params: SamplingParams) -> None:
        """See `Reply.retune`."""
        if not reply.finished:
            self._write(Retune(next(self._ids), reply.request_id, params))

    async def close(self) -> None:
        """End the process at once; it holds nothing that could be lost."""
        child, self._child = self._child, None
        for reply in self._replies.values():
            reply.end()
        self._replies.clear()
        if child is None or self._reader is None:
            return
        child.kill()
        await child.ended()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    def _write(self, message: Request) -> None:
        if self._child is not None:
            self._child.write(encode(message))

    async def _read_events(self, child: ChildProcess) -> None:
        async for line in child.lines():
            try:
                event = decode(line)
            except ValueError:
                child.keep(line)  # the half line of a killed process, or what was printed before the worker ran
            else:
                self._deliver(event)
        status = await child.ended()
        if child is self._child:
            self._report_death(child, status)

    def _deliver(self, event: Event | Request) -> None:
        if isinstance(event, Hello) or not isinstance(event, Event):
            return
        reply = self._replies.get(event.id)
        if reply is None:
            return  # cancelled or timed out: nobody waits for it any more
        reply.put(event)
        if reply.finished:
            del self._replies[event.id]

    def _report_death(self, child: ChildProcess, status: int) -> None:
        """Tell every open request why the process is gone."""
        error = EngineStoppedError(_how_it_ended(status), "run it again; the engine restarts by itself")
        error.__cause__ = child.cause()
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            reply.fail(error)


def _how_it_ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "the engine was killed (out of memory, or by hand)"
    if status < 0:
        return f"the engine crashed ({signal.Signals(-status).name})"
    return f"the engine stopped with exit status {status}"


def worker_environment() -> dict[str, str]:
    """No progress bars, no warnings, no fork advice, no way to a network from a loading model."""
    quiet = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUTF8": "1",
    }
    # Weights on huge pages are read quicker (glibc on Linux; others do not look at it).
    memory = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    return {**memory, **os.environ, **quiet}
