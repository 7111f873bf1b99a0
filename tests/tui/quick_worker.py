"""A stand-in for the engine process that is there at once: it writes made-up tokens as fast as it may.

For tests that kill it often. It takes requests in and gives events out by the engine's own means.
"""

from __future__ import annotations

import time
from dataclasses import replace

from core.engine.worker import Inbox, _protocol_output
from core.messages.protocol import Done, Generate, Hello, Load, Loaded, RunStarted, SequenceDone, TokenGenerated
from core.messages.records import FinishReason
from tests.tui.fake_engine import INFO, stats, step

WORDS = (" there", " was", " a", " 소녀", " [bold]", "\n", " who", " spoke", "\x1b", " to", " rivers", ".")
PACE_S = 0.001
"""What a token takes at least: a run must be long enough to be killed in."""


def main() -> None:
    """Serve requests until stdin ends."""
    import sys

    emit = _protocol_output()
    inbox = Inbox(sys.stdin.buffer)
    emit(Hello(0, 0))
    while True:
        match inbox.take():
            case Load(id=id_):
                emit(Loaded(id_, INFO))
            case Generate() as request:
                emit(RunStarted(request.id, INFO, request.prompt, (1, 2), request.params.changed(seed=1)))
                for index in range(request.params.max_new_tokens):
                    record = step(WORDS[index % len(WORDS)])
                    emit(TokenGenerated(request.id, replace(record, index=index, id=index)))
                    time.sleep(PACE_S)
                emit(SequenceDone(request.id, 0, FinishReason.LENGTH, "", (1,), stats()))
                emit(Done(request.id))
            case other:
                emit(Done(other.id))


if __name__ == "__main__":
    main()
