"""The engine process, `python -P -m core.engine.worker`: requests in on stdin, events out on stdout, as JSON lines.

It keeps the protocol's stdout to itself (everything printed goes to stderr), runs at a low priority so that the
interface stays live, ends when stdin does, and never dies of a request: what goes wrong is answered with `Failed`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

from core.errors import EngineError
from core.messages.codec import decode, encode
from core.messages.protocol import Cancel, Done, Event, Failed, Hello, Retune, Work
from core.messages.sampling_params import SamplingParams

NICENESS = 10

IDLE_S = 0.2
"""How long no request must have come before the engine prepares for later ones."""


class Inbox:
    """Requests as a reader thread takes them in, and which of them were cancelled."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: deque[Work] = deque()
        self._cancelled: set[int] = set()
        self._new_params: dict[int, SamplingParams] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def take(self) -> Work:
        """The next request; waits for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            return self._waiting.popleft()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a request, but not for ever; whether there is one."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._waiting, timeout_s))

    def take_if(self, wanted: Callable[[Work], bool]) -> Work | None:
        """The first waiting request that is `wanted`, if any; does not wait."""
        with self._changed:
            found = next((request for request in self._waiting if wanted(request)), None)
            if found is not None:
                self._waiting.remove(found)
            return found

    def take_new_params(self, request_id: int) -> SamplingParams | None:
        """The newest settings a run shall go on with, once."""
        return self._new_params.pop(request_id, None)

    def is_cancelled(self, request_id: int) -> bool:
        """Whether a request was cancelled."""
        return request_id in self._cancelled

    def _read(self) -> None:
        for line in self._stream:
            message = decode(line)
            with self._changed:
                match message:
                    case Cancel():
                        self._cancelled.add(message.target)
                    case Retune():
                        self._new_params[message.target] = message.params
                    case _ if isinstance(message, Work):
                        self._waiting.append(message)
                    case _:
                        raise ValueError(f"not a request: {message!r}")
                self._changed.notify()
        os._exit(0)  # the interface is gone; nothing here is worth a moment more


def main() -> None:
    """Serve requests until stdin ends."""
    emit = _protocol_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c belongs to the interface
    os.nice(NICENESS)
    inbox = Inbox(sys.stdin.buffer)
    emit(Hello(0, os.getpid()))
    from core.engine.engine import Engine  # torch takes over a second, so the hello goes out first

    engine = Engine(emit)

    def answer(request: Work) -> None:
        def let_short_requests_in() -> None:
            while (short := inbox.take_if(engine.is_short)) is not None:
                answer(short)

        def should_stop() -> bool:
            return inbox.is_cancelled(request.id)

        def new_params() -> SamplingParams | None:
            return inbox.take_new_params(request.id)

        if should_stop():
            emit(Done(request.id))
            return
        try:
            engine.handle(request, should_stop, let_short_requests_in, new_params)
        except EngineError as error:
            emit(Failed(request.id, type(error).__name__, error.message, error.hint, traceback.format_exc()))
        except Exception as error:  # the request loop reports what it did not foresee and goes on
            emit(Failed(request.id, EngineError.__name__, _what_happened(error), "", traceback.format_exc()))

    while True:
        # Nobody waits, and the first answer of the generator is possible: time for what a later request will need.
        while not inbox.wait(IDLE_S) and engine.warm_up():
            pass
        answer(inbox.take())


def _protocol_output() -> Callable[[Event], None]:
    """Keep stdout for events; send whatever else is printed to stderr."""
    events = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def emit(event: Event) -> None:
        rest = memoryview(encode(event))
        try:
            while rest:
                rest = rest[os.write(events, rest) :]
        except BrokenPipeError:
            os._exit(0)

    return emit


def _what_happened(error: Exception) -> str:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "the engine ran out of memory"
    first_line = str(error).strip().partition("\n")[0]
    return f"unexpected {type(error).__name__}: {first_line}"[:300]


if __name__ == "__main__":
    main()
