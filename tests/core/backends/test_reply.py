"""A reply: its events in order, its end, and its errors as themselves."""

from __future__ import annotations

import pytest

from core.backends.backend import Reply
from core.errors import DeviceError, EngineError
from core.messages.protocol import Done, Event, Failed, Hello, Loaded, Progress
from core.messages.sampling_params import SamplingParams
from tests.toy.backend import INFO, ToyBackend

BEGUN, READY = Progress(1, "reading", 0.5), Loaded(1, INFO)


def new_reply(*events: Event) -> Reply:
    """A reply to request 1 that was handed these events."""
    reply = Reply(ToyBackend(), 1)
    for event in events:
        reply.put(event)
    return reply


async def test_events_come_in_order_up_to_the_last_one() -> None:
    reply = new_reply(BEGUN, READY)
    assert [event async for event in reply] == [BEGUN, READY]
    assert reply.finished


async def test_the_last_event_is_waited_for() -> None:
    assert await new_reply(BEGUN, READY).last() == READY


async def test_a_reply_that_ends_without_events_was_cancelled() -> None:
    reply = new_reply()
    reply.end()
    with pytest.raises(EngineError, match="cancelled before it began"):
        await reply.last()


@pytest.mark.parametrize(("event", "started"), [(BEGUN, False), (Hello(1, 2), True), (Done(1), True)])
def test_progress_alone_is_no_beginning(event: Event, started: bool) -> None:
    assert new_reply(event).started is started


@pytest.mark.parametrize(("kind", "error"), [("DeviceError", DeviceError), ("of a later version", EngineError)])
async def test_a_failure_is_raised_as_the_error_it_names(kind: str, error: type[EngineError]) -> None:
    reply = new_reply(BEGUN, Failed(1, kind, "no such device", "use cpu", "Traceback …"))
    events = aiter(reply)
    assert await anext(events) == BEGUN
    with pytest.raises(EngineError) as caught:
        await anext(events)
    assert reply.finished
    assert type(caught.value) is error
    assert str(caught.value) == "no such device. hint: use cpu"
    assert str(caught.value.__cause__) == "Traceback …"


async def test_a_failure_without_details_has_no_cause() -> None:
    with pytest.raises(EngineError) as caught:
        await new_reply(Failed(1, "EngineError", "no", "")).last()
    assert caught.value.__cause__ is None


def test_cancelling_and_retuning_are_the_backends_work() -> None:
    told: list[tuple[str, Reply]] = []

    class Listening(ToyBackend):
        def cancel(self, reply: Reply) -> None:
            told.append(("cancel", reply))

        def retune(self, reply: Reply, params: SamplingParams) -> None:
            told.append(("retune", reply))

    reply = Reply(Listening(), 1)
    reply.retune(SamplingParams())
    reply.cancel()
    assert told == [("retune", reply), ("cancel", reply)]
