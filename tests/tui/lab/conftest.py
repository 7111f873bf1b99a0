"""Pictures of the lab's panes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from core.lab.catalogue import Answer
from core.text.tokenization import TextTokenizer
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import FakeEngine
from tests.tui.lab.lab import answering
from tests.tui.pictures import SMALL, SnapCompare
from tui.app import NlpTui
from tui.lab.pane import LabPane
from tui.lab.screen import LabScreen


class SnapPane(Protocol):
    """Compares pictures of a pane with those on record: at 80×24 in both themes, and wide in the dark one."""

    def __call__(
        self,
        kind: type[LabPane],
        *answers: Answer,
        use: Callable[[Pilot[None], Any], Awaitable[None]] | None = None,
        size: tuple[int, int] = SMALL,
    ) -> bool:
        """`use` does something in the pane first, given the pilot and the pane."""


@pytest.fixture
def snap_pane(snap_compare: SnapCompare, monkeypatch: pytest.MonkeyPatch) -> SnapPane:
    """Opens a lab whose questions are all answered alike, and takes its picture."""
    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)

    def snap(
        kind: type[LabPane],
        *answers: Answer,
        use: Callable[[Pilot[None], Any], Awaitable[None]] | None = None,
        size: tuple[int, int] = SMALL,
    ) -> bool:
        engine = FakeEngine()
        engine.script = answering(*answers)

        async def show(pilot: Pilot[None]) -> None:
            app = pilot.app
            assert isinstance(app, NlpTui)
            await app.action_open_lab(kind.LAB)
            screen = app.screen
            assert isinstance(screen, LabScreen)
            pane = screen.pane
            assert pane is not None
            for field in pane.query(Input):
                field.cursor_blink = False
            for area in pane.query(TextArea):
                area.cursor_blink = False
            await pilot.pause()
            if use is not None:
                await use(pilot, pane)
            await pilot.pause()
            await pilot.app.workers.wait_for_complete([w for w in pilot.app.workers if w.group == kind.LAB])
            await pilot.pause()

        return snap_compare(NlpTui(engine=engine), terminal_size=size, run_before=show, also_wide=size == SMALL)

    return snap
