"""The app under test: a fake engine, a size, and waiting for a condition instead of for time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from tokenizers import Tokenizer

from core.locations import conversations_folder
from core.text.tokenization import TextTokenizer
from tests.tui.fake_engine import FakeEngine
from tests.tui.fake_host import Sitting
from tests.tui.pictures import SnapCompare, camera
from tui.app import NlpTui
from tui.main.screen import MainScreen
from tui.transcript import turn


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Let the app run until something is true."""
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.005)
    raise AssertionError(f"never came true; on screen: {pilot.app.screen!r}")


@dataclass
class Running:
    """An app that runs in a test."""

    app: NlpTui
    engine: FakeEngine
    pilot: Pilot[None]

    @property
    def screen(self) -> MainScreen:
        """The main screen, also while a dialog lies over it."""
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the app run until something is true."""
        await until(self.pilot, condition)

    async def type(self, text: str) -> None:
        """Press the keys of a text."""
        await self.pilot.press(*("space" if character == " " else character for character in text))


@cache
def read_tokenizer(name: str, folder: Path) -> TextTokenizer:
    """A tokenizer, read once for all tests."""
    return TextTokenizer(name, Tokenizer.from_file(str(folder / "tokenizer.json")))


@pytest.fixture(autouse=True)
def conversations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the conversations: a new one for each test, so that none finds another's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return conversations_folder()


@pytest.fixture
def snap_compare(snapshot: SnapshotAssertion, request: pytest.FixtureRequest) -> SnapCompare:
    """Compares pictures in both themes with those on record."""
    return camera(snapshot, request.node).compare


@pytest.fixture
def sit_down(monkeypatch: pytest.MonkeyPatch) -> type[Sitting]:
    """A main screen's hands without an app: their turns are painted at once, and shown where a pane has them."""
    monkeypatch.setattr(turn, "REPAINT_S", 0.0)
    monkeypatch.setattr(turn.Turn, "is_attached", property(lambda one: one.parent is not None))
    return Sitting


Launch = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Start the app: `async with launch() as running`."""
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)

    @asynccontextmanager
    async def start(
        size: tuple[int, int] = (120, 40),
        prompt: str = "",
        engine: FakeEngine | None = None,
        ready: bool = True,
        restore: bool = True,
        offline: bool = False,
    ) -> AsyncIterator[Running]:
        fake = engine or FakeEngine()
        app = NlpTui(prompt=prompt, engine=fake, restore=restore, offline=offline)
        async with app.run_test(size=size, notifications=True) as pilot:
            running = Running(app, fake, pilot)
            if ready:
                await running.until(lambda: running.screen.status.state == "ready")
                await running.until(lambda: running.screen.tokens.generator_view.pieces is not None)
            yield running

    return start
