"""What the screen looks like: a few pictures of known states."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.messages.protocol import (
    Compare,
    Compared,
    Done,
    Event,
    Generate,
    RunStarted,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import FinishReason, Similarity
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import INFO, FakeEngine, stats, step
from tests.tui.pictures import SMALL, WIDE, Show, SnapCompare
from tui.app import NlpTui
from tui.export.actions import export
from tui.export.export_dialog import ExportDialog
from tui.main.screen import MainScreen
from tui.transcript.turn import Turn
from tui.widgets.dialogs import NameDialog

PIECES = (" there", " was", " a", " little", " girl", ".")


def script(request: Work) -> list[Event]:
    if isinstance(request, Generate):
        text = "".join(PIECES)
        tokens: list[Event] = [TokenGenerated(request.id, step(piece)) for piece in PIECES]
        params = request.params.changed(seed=1)
        started = RunStarted(request.id, INFO, request.prompt, (1,), params)
        done = SequenceDone(request.id, 0, FinishReason.EOS, text, (1,), stats())
        return [started, *tokens, done, Done(request.id)]
    if isinstance(request, Compare):
        answer = Similarity("starter/mrpc", "P(equivalent | A, B)", 0.66, 0.34, 0.52, 0.66, 0.67)
        return [Compared(request.id, answer)]
    return []


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> NlpTui:
    from core.text.tokenization import TextTokenizer

    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)
    engine = FakeEngine()
    engine.script = script
    return NlpTui(engine=engine)


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.005)
    raise AssertionError("never came true")


def main_screen(pilot: Pilot[None]) -> MainScreen:
    """The screen on top, which is the main one."""
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    return screen


async def begin(pilot: Pilot[None]) -> None:
    """Wait for the model, and let no cursor blink."""
    screen = main_screen(pilot)
    await until(pilot, lambda: screen.query("#prompt") and screen.status.state == "ready")
    screen.prompt.cursor_blink = False
    for field in screen.query(Input):
        field.cursor_blink = False


async def use(pilot: Pilot[None]) -> None:
    """Write a prompt with Korean and markup in it, run it, compare two sentences."""
    await begin(pilot)
    screen = main_screen(pilot)
    screen.sampling.query_one("#setting-seed", Input).value = "1"
    screen.prompt.text = "Once upon a time, 한국 [bold]tokenizing"
    screen.similarity.first.value = "The cat is on the mat"
    screen.similarity.second.value = "A feline is sitting on a rug"
    await until(pilot, lambda: screen.tokens.generator_view.pieces and screen.tokens.wordpiece_view.pieces)
    await pilot.press("enter")
    await until(pilot, lambda: any("ended" in str(turn.content) for turn in screen.query(Turn)))
    screen.similarity.action_compare()
    await until(pilot, lambda: "similar" in str(screen.query_one("#similarity-answer", Static).content))
    await pilot.pause()


def pressing(*keys: str) -> Show:
    """Presses keys."""
    return lambda pilot: pilot.press(*keys)


def test_the_whole_screen_at_120_by_40(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see five framed panes, a finished run, tokens of both tokenizers, a bar at 66 %, a status line."""
    assert snap_compare(app, terminal_size=WIDE, run_before=use)


@pytest.mark.slow
def test_each_folded_pane_at_80_by_24(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see tabs on top, one whole pane, the prompt below it, status line and footer; nothing cut off.

    Before the first run a line says what to do; with help, a framed text about the prompt lies over the screen.
    """

    async def read(pilot: Pilot[None]) -> None:
        await use(pilot)
        await pilot.press("f2")

    states: dict[str, Show] = {"start": begin, "f2": read}
    states |= {key: pressing(key) for key in ("f3", "f4", "f5")}
    states["help"] = pressing("escape", "f1")
    assert snap_compare(app, terminal_size=SMALL, run_before=states)


def test_help_over_the_screen(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see a framed text about the prompt, and the table of keys below it."""

    async def show(pilot: Pilot[None]) -> None:
        await use(pilot)
        await pilot.press("f2", "escape", "f1")

    assert snap_compare(app, terminal_size=WIDE, run_before=show)


def test_the_dialogs_over_the_screen(
    snap_compare: SnapCompare, app: NlpTui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """You should see what is exported and its name, a problem in red, a question with two buttons, a name's field."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.md").touch()

    async def name_file(name: str, pilot: Pilot[None]) -> None:
        field = pilot.app.screen.query_one(Input)
        field.cursor_blink = False
        field.value = name
        field.action_end()
        await pilot.press("enter")

    async def show_export(pilot: Pilot[None]) -> None:
        await use(pilot)
        main_screen(pilot).call_later(export, main_screen(pilot))
        await until(pilot, lambda: isinstance(pilot.app.screen, ExportDialog) and pilot.app.screen.query(Input))
        pilot.app.screen.query_one(Input).cursor_blink = False

    async def ask_for_a_name(pilot: Pilot[None]) -> None:
        await pilot.press("escape", "escape")
        question = "Which model? A folder, or a hub name that is in the cache."
        main_screen(pilot).call_later(pilot.app.push_screen, NameDialog(question, "gpt2"))
        await until(pilot, lambda: isinstance(pilot.app.screen, NameDialog) and pilot.app.screen.query(Input))
        pilot.app.screen.query_one(Input).cursor_blink = False

    states: dict[str, Show] = {
        "export": show_export,
        "problem": partial(name_file, "~nobody-here/run.md"),
        "choice": partial(name_file, "there.md"),
        "name": ask_for_a_name,
    }
    assert snap_compare(app, terminal_size=SMALL, run_before=states)
