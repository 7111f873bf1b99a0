"""The lab under test: opened at a pane, with a scripted engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, TextArea

import tui.app
from core.lab.records import Answer, Question
from core.messages.protocol import Answered, Ask, Done, Event, Work
from tests.tui.conftest import Running, until
from tests.tui.fake_engine import FakeEngine
from tui.app import NlpTui
from tui.lab.catalogue import LABS, Lab
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


def row_of(kind: type[LabPane]) -> Lab:
    """A pane's row in the catalogue."""
    return next(lab for lab in LABS if lab.pane == f"{kind.__module__}:{kind.__name__}")


def last_question(engine: FakeEngine) -> Question | None:
    """The newest question."""
    return next(reversed(questions(engine)), None)


class LabApp(NlpTui):
    """The app without its main screen, which takes most of the time to start."""

    CSS_PATH = str(Path(tui.app.__file__).with_name("app.tcss"))

    def get_default_screen(self) -> Screen[None]:
        """An empty one."""
        return Screen()


async def show_pane(pilot: Pilot[None], kind: type[LabPane]) -> LabPane:
    """Open the lab at a pane, its cursors still."""
    app = pilot.app
    assert isinstance(app, LabApp)
    await pilot.pause()
    await app.action_open_lab(row_of(kind).name)
    screen = app.screen
    assert isinstance(screen, LabScreen)
    assert screen.pane is not None
    for field in screen.pane.query(Input):
        field.cursor_blink = False
    for area in screen.pane.query(TextArea):
        area.cursor_blink = False
    await until(pilot, lambda: screen.pane is not None and screen.pane.has_focus_within)  # its first question is asked
    await pilot.pause()
    return screen.pane


@asynccontextmanager
async def opened(
    kind: type[Pane],
    *answers: Answer,
    size: tuple[int, int] = (80, 24),
    script: Callable[[Work], list[Event]] | None = None,
) -> AsyncIterator[tuple[Running, Pane]]:
    """The lab open at a pane, with a scripted engine."""
    engine = FakeEngine()
    engine.script = script or answering(*answers)
    app = LabApp(engine=engine)
    async with app.run_test(size=size, notifications=True) as pilot:
        pane = await show_pane(pilot, kind)
        assert isinstance(pane, kind)
        await pilot.pause()
        yield Running(app, engine, pilot), pane
