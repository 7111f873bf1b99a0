"""What the screen looks like: a few pictures of known states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.protocol import Compare, Compared, Done, Event, Generate, RunStarted, SequenceDone, TokenGenerated, Work
from core.records import FinishReason, Similarity
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import INFO, FakeEngine, stats, step
from tui.app import NlpTui
from tui.screen import MainScreen
from tui.turn import Turn

PIECES = (" there", " was", " a", " little", " girl", ".")


class SnapCompare(Protocol):
    def __call__(self, app: App[None], *, terminal_size: tuple[int, int], run_before: object) -> bool: ...


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
    from core.tokenization import TextTokenizer

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


async def use(pilot: Pilot[None]) -> None:
    """Write a prompt with Korean and markup in it, run it, compare two sentences."""
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    await until(pilot, lambda: screen.query("#prompt") and screen.status.state == "ready")
    screen.prompt.cursor_blink = False
    for field in screen.query(Input):
        field.cursor_blink = False
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


def test_the_whole_screen_at_120_by_40(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see five framed panes, a finished run, tokens of both tokenizers, a bar at 66 %, a status line."""
    assert snap_compare(app, terminal_size=(120, 40), run_before=use)


@pytest.mark.parametrize("key", ["f2", "f3", "f4", "f5"])
def test_each_folded_pane_at_80_by_24(snap_compare: SnapCompare, app: NlpTui, key: str) -> None:
    """You should see tabs on top, one whole pane, the prompt below it, status line and footer; nothing cut off."""

    async def show(pilot: Pilot[None]) -> None:
        await use(pilot)
        await pilot.press(key)

    assert snap_compare(app, terminal_size=(80, 24), run_before=show)


def test_help_over_the_screen(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see a framed text about the prompt, and the table of keys below it."""

    async def show(pilot: Pilot[None]) -> None:
        await use(pilot)
        await pilot.press("f2", "escape", "f1")

    assert snap_compare(app, terminal_size=(120, 40), run_before=show)
