"""The backend of this machine: starts the engine process, talks to it through pipes, and outlives it.

A process that dies fails every open `Reply`; the next request starts a new one. Nothing here imports torch.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

from core.backends.backend import CANCEL_PATIENCE_S, Reply
from core.errors import EngineStoppedError
from core.messages.codec import decode, encode
from core.messages.protocol import Ask, Cancel, Event, Hello, Request, Retune, Work
from core.messages.sampling_params import SamplingParams
from core.models.registry import is_converted, resolve, weight_files

STEP_PATIENCE_S = 15.0
"""As `CANCEL_PATIENCE_S` for questions of the lab, which look up between two steps of training or two batches."""

_STDERR_KEPT = 4096
_LINE_LIMIT = 64 * 2**20


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
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._replies: dict[int, Reply] = {}
        self._ids = itertools.count(1)
        self._stderr: deque[bytes] = deque()
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The engine's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

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
            if self._process is not None and self._process.returncode is not None:
                self._report_death(self._process.returncode)  # its reader may not have come to it yet
            if not _folder_is_there():
                raise EngineStoppedError("the engine cannot start: the current folder is gone", "go to another one")
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "core.engine.worker"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    limit=_LINE_LIMIT,
                    start_new_session=True,
                    env=worker_environment(),
                )
            except OSError as error:
                raise EngineStoppedError(f"the engine cannot be started: {error.strerror}") from None
            self._stderr.clear()
            stderr_reader = asyncio.create_task(self._read_stderr(self._process))
            self._readers = [asyncio.create_task(self._read_events(self._process, stderr_reader)), stderr_reader]

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
        process = self._process

        def kill_if_deaf() -> None:
            if not reply.finished and process is not None and process.returncode is None:
                process.kill()

        asyncio.get_running_loop().call_later(reply.patience_s, kill_if_deaf)

    def retune(self, reply: Reply, params: SamplingParams) -> None:
        """See `Reply.retune`."""
        if not reply.finished:
            self._write(Retune(next(self._ids), reply.request_id, params))

    async def close(self) -> None:
        """End the process at once; it holds nothing that could be lost."""
        process, self._process = self._process, None
        for reply in self._replies.values():
            reply.end()
        self._replies.clear()
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _write(self, message: Request) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(encode(message))

    async def _read_events(self, process: asyncio.subprocess.Process, stderr_reader: asyncio.Task[None]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            try:
                event = decode(line)
            except ValueError:
                self._keep_output(line)  # the half line of a killed process, or what was printed before the worker ran
            else:
                self._deliver(event)
        status = await process.wait()
        await asyncio.gather(stderr_reader, return_exceptions=True)
        if process is self._process:
            self._report_death(status)

    def _deliver(self, event: Event | Request) -> None:
        if isinstance(event, Hello) or not isinstance(event, Event):
            return
        reply = self._replies.get(event.id)
        if reply is None:
            return  # cancelled or timed out: nobody waits for it any more
        reply.put(event)
        if reply.finished:
            del self._replies[event.id]

    async def _read_stderr(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while chunk := await process.stderr.read(_STDERR_KEPT):
            self._keep_output(chunk)

    def _keep_output(self, chunk: bytes) -> None:
        self._stderr.append(chunk[-_STDERR_KEPT:])
        while sum(map(len, self._stderr)) - len(self._stderr[0]) >= _STDERR_KEPT:
            self._stderr.popleft()

    def _report_death(self, status: int) -> None:
        """Tell every open request why the process is gone."""
        error = EngineStoppedError(_how_it_ended(status), "run it again; the engine restarts by itself")
        output = b"".join(self._stderr).decode("utf-8", "replace").strip()
        error.__cause__ = RuntimeError(output) if output else None
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
