"""Getting a model from the hub: an asyncio client of the downloading process, for the commands and the app alike.

First a plan (`Download.plan`), which costs a question to the hub and no download; then, if it is wanted, its events
(`Download.events`). Closing a download at any moment ends it at once and keeps what has come. Nothing here imports
huggingface_hub, and nothing opens a connection before `plan` is called.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass

from core.child_process import ChildProcess
from core.errors import ERROR_KINDS, DownloadError, EngineError
from core.messages.codec import decode_record
from core.models.hub.cache import MAIN, hub_cache, split_revision
from core.models.hub.records import (
    FETCH_EVENTS,
    DownloadPlan,
    Fetched,
    FetchEvent,
    Fetching,
    Paused,
    Refused,
    Verifying,
)
from core.models.hub.refusals import offline, too_large
from core.models.trash import trash_bytes

SPEED_WINDOW_S = 5.0
"""The speed shown is that of the last few seconds."""

SILENCE_S = 1.0
"""A transfer from which nothing comes is told anew this often."""

PROCESS = "core.models.hub.process.main"
"""The module that downloads."""

_TRUE = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True, slots=True)
class Transferring(Fetching):
    """How far a download is, and how fast."""

    bytes_per_s: float
    """Over the last few seconds; 0 until there is something to measure."""
    eta_s: float | None
    """Until the end at this speed; None when nobody knows."""
    silent_s: float = 0.0
    """For how long nothing has come; told each second."""


DownloadEvent = Transferring | Paused | Verifying | Fetched
"""What `Download.events` gives; `Fetched` is the last."""


def is_offline() -> bool:
    """Whether the environment forbids connections, as huggingface_hub and transformers read it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in _TRUE


class Download:
    """One model at one revision, on its way into the Hugging Face cache."""

    def __init__(self, name: str, revision: str = "", *, forbid_network: bool = False) -> None:
        """Say what is wanted; nothing happens yet.

        Args:
            name: of the hub, such as `gpt2`, `org/name` or `org/name@revision`.
            revision: a branch, a tag or a commit; main when neither this nor the name says one.
            forbid_network: refuse to open a connection, as `HF_HUB_OFFLINE` in the environment does.
        """
        self.name, named = split_revision(name)
        self.revision = revision or named or MAIN
        self._forbid_network = forbid_network
        self._child: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the download while it runs."""
        return self._child.pid if self._child is not None else None

    async def plan(self, on_pause: Callable[[Paused], None] | None = None) -> DownloadPlan:
        """Ask the hub what the model consists of, and the disk whether it fits.

        Args:
            on_pause: told when the hub makes this wait.

        Raises:
            EngineError: offline, unreachable, no such model, not for this user, no safetensors, or no room.
        """
        if self._forbid_network or is_offline():
            raise offline()
        child = await self._start()
        async for event in self._read(child):
            if isinstance(event, Paused) and on_pause is not None:
                on_pause(event)
            if isinstance(event, DownloadPlan):
                if event.missing_bytes > event.free_bytes:
                    await self.close()
                    raise too_large(event, trash_bytes())
                return event
        raise await self._death(child)

    async def events(self) -> AsyncIterator[DownloadEvent]:
        """Fetch what was planned, and say how it goes; ends without `Fetched` when the download is closed meanwhile.

        Raises:
            EngineError: it cannot be finished; what has come is kept.
        """
        child = self._child
        if child is None:
            raise EngineError("nothing is planned")
        child.write(b"go\n")
        speed = _Speed()
        async for event in _with_silence(self._read(child)):
            match event:
                case _Silence():
                    yield speed.transferring(event.last, event.silent_s)
                case Fetching():
                    yield speed.transferring(event, 0.0)
                case Fetched():
                    yield event
                    return
                case Paused() | Verifying():
                    yield event
        if self._child is not None:
            raise await self._death(child)

    async def close(self) -> None:
        """End it at once; a download that is not finished keeps what has come."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            await child.ended()

    async def _start(self) -> ChildProcess:
        arguments = (self.name, self.revision, str(hub_cache()))
        try:
            self._child = await ChildProcess.start(PROCESS, *arguments, environment=_environment())
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise DownloadError(f"the download cannot be started: {error}", "check the name") from None
        return self._child

    async def _read(self, child: ChildProcess) -> AsyncIterator[FetchEvent]:
        """The events of the process; a refusal is raised."""
        async for line in child.lines():
            try:
                event = decode_record(line, FETCH_EVENTS)
            except ValueError:
                continue  # the half line of a killed process
            if isinstance(event, Refused):
                await self.close()
                error = ERROR_KINDS.get(event.kind, EngineError)(event.message, event.hint)
                error.__cause__ = child.cause()
                raise error
            yield event

    async def _death(self, child: ChildProcess) -> EngineError:
        """The error for a process that ended without a word."""
        await self.close()
        hint = "run it again: it goes on"
        error = DownloadError(f"the download was ended from outside (exit status {child.status})", hint)
        error.__cause__ = child.cause()
        return error


@dataclass(frozen=True, slots=True)
class _Silence:
    """Nothing has come of a file for a while."""

    last: Fetching
    silent_s: float


async def _with_silence(events: AsyncIterator[FetchEvent]) -> AsyncIterator[FetchEvent | _Silence]:
    """The events, and each second in which a transfer stands still."""
    last: Fetching | None = None
    since_s = time.monotonic()
    waiting = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=SILENCE_S if last is not None else None)
            if not done:
                assert last is not None
                yield _Silence(last, time.monotonic() - since_s)
                continue
            event = waiting.result()
            if event is None:
                return
            last, since_s = event if isinstance(event, Fetching) else None, time.monotonic()
            yield event
            waiting = asyncio.ensure_future(anext(events, None))
    finally:
        waiting.cancel()


class _Speed:
    """Bytes a second over the last few seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def transferring(self, event: Fetching, silent_s: float) -> Transferring:
        """How far a download is, with its speed now."""
        rate, left = self.measure(event.done_bytes), event.total_bytes - event.done_bytes
        eta_s = left / rate if rate and not silent_s else None
        return Transferring(**asdict(event), bytes_per_s=rate, eta_s=eta_s, silent_s=silent_s)

    def measure(self, done_bytes: int) -> float:
        """Take a new point; 0 while there is nothing to compare it with."""
        now = time.monotonic()
        self._points.append((now, done_bytes))
        while len(self._points) > 2 and now - self._points[1][0] > SPEED_WINDOW_S:
            self._points.popleft()
        (then, before), elapsed_s = self._points[0], now - self._points[0][0]
        return (done_bytes - before) / elapsed_s if elapsed_s > 0 and now > then else 0.0


def _environment() -> dict[str, str]:
    """The user's, without progress bars, telemetry and chatter, and without xet: it cannot resume at a byte."""
    quiet = {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONUTF8": "1",
    }
    dropped = {"HF_DEBUG"} | {name for name in ("HF_ENDPOINT",) if not os.environ.get(name)}
    return {name: value for name, value in os.environ.items() if name not in dropped} | quiet
