"""Having the model ready: what is said meanwhile, and an engine that dies."""

from __future__ import annotations

from core.errors import EngineError, EngineStoppedError
from core.messages.protocol import Load, Loaded, Progress
from tests.tui.fake_engine import INFO, FakeEngine
from tests.tui.fake_host import FakeHost, settle
from tui.main.loading import RESTARTS, Loading


def loading(engine: FakeEngine) -> tuple[FakeHost, Loading, list[str]]:
    """The hand, with the names of the models that came."""
    host, loaded = FakeHost(), list[str]()
    host.model = None
    return host, Loading(host, engine, loaded.append), loaded


async def test_what_goes_on_is_said_until_the_model_is_there() -> None:
    engine = FakeEngine(loads=False)
    host, hand, loaded = loading(engine)
    hand.start()
    await settle()
    (reply,) = engine.replies.values()
    reply.put(Progress(1, "weights", 0.25))
    reply.put(Loaded(1, INFO))
    await host.done("load")
    assert host.states == ["starting the engine", "loading 25% weights", "ready"]
    assert host.model == INFO
    assert loaded == ["starter/gpt2"]


async def test_an_engine_that_cannot_start_is_not_started_for_ever() -> None:
    engine = FakeEngine()
    host, hand, loaded = loading(engine)
    engine.load_error = EngineStoppedError("the engine stopped with exit status 1")
    hand.start()
    await settle()
    assert len(engine.of(Load)) == 1 + RESTARTS
    assert [error.message for error in host.errors] == ["the engine stopped with exit status 1"] * (1 + RESTARTS)
    engine.load_error = None
    hand.start()  # the user chooses another model: from now on it may die again
    await host.done("load")
    engine.load_error = EngineStoppedError("killed")
    hand.recover()
    await settle()
    assert len(engine.of(Load)) == 2 * (1 + RESTARTS)
    assert loaded == ["starter/gpt2"]


async def test_a_model_that_cannot_be_loaded_is_not_tried_again() -> None:
    engine = FakeEngine()
    host, hand, _ = loading(engine)
    engine.load_error = EngineError("gpt9 was not found", "F8 lists the models")
    hand.start()
    await host.done("load")
    assert len(engine.of(Load)) == 1
    assert host.errors == [engine.load_error]
