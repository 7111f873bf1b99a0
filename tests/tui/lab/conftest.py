"""Pictures of the lab's panes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest
from textual.pilot import Pilot

from core.lab.records import Answer
from core.text.tokenization import TextTokenizer
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import FakeEngine
from tests.tui.lab.lab import LabApp, answering, row_of, show_pane
from tests.tui.pictures import SMALL, SnapCompare
from tui.lab.pane import LabPane


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


@pytest.fixture(autouse=True)
def still_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves by itself, questions follow typing at once, and a tokenizer is read once for all tests."""
    monkeypatch.setattr(LabPane, "DEBOUNCE_S", 0.01)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)


@pytest.fixture
def snap_pane(snap_compare: SnapCompare) -> SnapPane:
    """Opens a lab whose questions are all answered alike, and takes its picture."""

    def snap(
        kind: type[LabPane],
        *answers: Answer,
        use: Callable[[Pilot[None], Any], Awaitable[None]] | None = None,
        size: tuple[int, int] = SMALL,
    ) -> bool:
        engine = FakeEngine()
        engine.script = answering(*answers)

        async def show(pilot: Pilot[None]) -> None:
            pane = await show_pane(pilot, kind)
            await pilot.pause()
            if use is not None:
                await use(pilot, pane)
            await pilot.pause()
            workers, group = pilot.app.workers, row_of(kind).name
            await workers.wait_for_complete([worker for worker in workers if worker.group == group])
            await pilot.pause()

        return snap_compare(LabApp(engine=engine), terminal_size=size, run_before=show, also_wide=size == SMALL)

    return snap
