"""The lab under test: opened at a pane, with a scripted engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from textual.widgets import Input, TextArea

from core.lab.catalogue import Answer, Question
from core.messages.protocol import Answered, Ask, Done, Event, Work
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine
from tui.lab.pane import LabPane
from tui.lab.screen import LabScreen

Pane = TypeVar("Pane", bound=LabPane)


def answering(*answers: Answer) -> Callable[[Work], list[Event]]:
    """A script that answers every question of the lab with the same answers."""

    def script(request: Work) -> list[Event]:
        if not isinstance(request, Ask):
            return []
        return [*(Answered(request.id, answer) for answer in answers), Done(request.id)]

    return script


def questions(engine: FakeEngine) -> list[Question]:
    """Every question asked so far."""
    return [request.question for request in engine.requests if isinstance(request, Ask)]


@asynccontextmanager
async def opened(
    launch: Launch,
    kind: type[Pane],
    *answers: Answer,
    size: tuple[int, int] = (80, 24),
    script: Callable[[Work], list[Event]] | None = None,
) -> AsyncIterator[tuple[Running, Pane]]:
    """The app with a lab open, its cursors still."""
    engine = FakeEngine()
    engine.script = script or answering(*answers)
    async with launch(size=size, engine=engine) as running:
        await running.app.action_open_lab(kind.LAB)
        screen = running.app.screen
        assert isinstance(screen, LabScreen)
        pane = screen.pane
        assert isinstance(pane, kind)
        for field in pane.query(Input):
            field.cursor_blink = False
        for area in pane.query(TextArea):
            area.cursor_blink = False
        await running.pilot.pause()
        yield running, pane
