"""What the X-ray, its candidates and the list of conversations look like, wide and folded."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.messages.protocol import (
    Done,
    Event,
    Generate,
    Inspect,
    Inspected,
    RunStarted,
    Scored,
    ScoreTokens,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import Candidate, CandidateTable, FinishReason, StepRecord, TokenScore
from tests.tui.fake_engine import INFO, FakeEngine, stats, step
from tests.tui.pictures import SMALL, WIDE, SnapCompare
from tests.tui.test_snapshots import app, until
from tui.app import NlpTui
from tui.conversations.dialog import ConversationsDialog
from tui.main.screen import MainScreen

__all__ = ["app"]

PIECES = (
    " there",
    " was",
    " a",
    " 소녀",
    " [bold]",
    "\n",
    " who",
    " sp",
    "oke",
    " to",
    " rivers",
    ".",
    "\x1b",
    "\u0336",
)
PROBS = (0.62, 0.41, 0.97, 0.00004, 0.0007, 0.12, 0.33, 0.02, 0.88, 0.51, 0.003, 0.4, 0.00001, 0.000001)
WORDS = (" girl", " [/b]", " 소녀", "\n", " little", "\u200b", " boy", "\xa0", " cat", " very", " young", "\x1b[31m")


def record(index: int) -> StepRecord:
    """A new token with numbers of its own."""
    prob = PROBS[index]
    return replace(
        step(PIECES[index]),
        index=index,
        id=100 + index,
        prob=prob,
        rank=max(1, round(0.3 / prob)),
        entropy=1 + index / 2,
        final_prob=min(1.0, prob * 1.2),
        kept=10 + index,
    )


def candidate(place: int, heat: float) -> Candidate:
    """A row of a table that falls off by powers of two."""
    kept, prob = place < 6, 0.5 ** (place + 1)
    fate = "" if kept else ("top_k", "top_p", "min_p")[place % 3]
    final = prob * heat if kept else 0.0
    text = WORDS[place % len(WORDS)]
    return Candidate(place + 1, 100 + place, text, 9.0 - place, prob, final, 1 - prob, kept, fate)


def script(request: Work) -> list[Event]:
    """Answers runs, scores and tables."""
    match request:
        case Generate():
            params = request.params.changed(seed=1)
            tokens: list[Event] = [TokenGenerated(request.id, record(index)) for index in range(len(PIECES))]
            ids = tuple(range(100, 100 + len(PIECES)))
            done = SequenceDone(request.id, 0, FinishReason.LENGTH, "".join(PIECES), ids, stats())
            return [RunStarted(request.id, INFO, request.prompt, (1, 2, 3), params), *tokens, done, Done(request.id)]
        case ScoreTokens():
            scores = [TokenScore(number, text, "", -1.0, 2, 3.0) for number, text in enumerate(("Once", " upon", " a"))]
            return [Scored(request.id, (replace(scores[0], logprob=0.0, rank=0), *scores[1:])), Done(request.id)]
        case Inspect():
            heat = 1.0 if request.params.temperature == 0.8 else 0.6
            rows = tuple(candidate(place, heat) for place in range(40))
            return [Inspected(request.id, CandidateTable(rows, 0, 40, 6, 0.98, 2.01, 3))]
        case _:
            return []


async def run(pilot: Pilot[None]) -> MainScreen:
    """Run a prompt to its end."""
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    await until(pilot, lambda: screen.query("#prompt") and screen.status.state == "ready")
    screen.prompt.cursor_blink = False
    for field in screen.query(Input):
        field.cursor_blink = False
    screen.sampling.query_one("#setting-seed", Input).value = "1"
    screen.prompt.text = "Once upon a"
    await until(pilot, lambda: screen.tokens.generator_view.pieces and screen.tokens.wordpiece_view.pieces)
    await pilot.press("enter")
    await until(pilot, lambda: not screen.runs.is_busy and screen.runs.kept and screen.runs.kept[0].ends)
    return screen


async def look_at_candidates(pilot: Pilot[None]) -> None:
    """Turn a knob with the table open: bars gain and lose."""
    screen = await run(pilot)
    await pilot.press("f7")
    await until(pilot, lambda: screen.candidates.rows.at_cursor)
    screen.sampling.use_preset("creative")
    await pilot.press("down", "down")
    order = screen.candidates.query_one("#candidate-order", Static)
    await until(pilot, lambda: "1.2" in str(order.render()))
    await pilot.pause()


async def look_at_tokens(pilot: Pilot[None]) -> None:
    """Walk the ribbon with the lens on ranks."""
    screen = await run(pilot)
    await pilot.press("f9")
    await until(pilot, lambda: screen.ribbon.view.has_focus and screen.ribbon.view.tokens[1].rank == 2)
    await pilot.press("right", "right", "right", "l", "l")
    rows = screen.candidates.rows
    await until(pilot, lambda: not screen.candidates.display or rows.chosen_id == 103)


async def list_conversations(pilot: Pilot[None]) -> None:
    """Open the list over two conversations of a fixed date."""
    screen = await run(pilot)
    await pilot.press("ctrl+l")
    await until(pilot, lambda: isinstance(pilot.app.screen, ConversationsDialog))
    dialog = cast("ConversationsDialog", pilot.app.screen)
    dialog.filter.cursor_blink = False
    await until(pilot, lambda: dialog.rows.option_count == 1)
    dialog._found = [replace(dialog._found[0], changed_s=1_800_000_000.0), *dialog._found[:0]]
    dialog._show_rows()
    assert screen.is_mounted


@pytest.fixture
def numbers(app: NlpTui) -> None:
    """Have the engine answer with numbers that differ from token to token."""
    assert isinstance(app._engine, FakeEngine)
    app._engine.script = script


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize("size", [WIDE, SMALL])
def test_the_candidates(snap_compare: SnapCompare, app: NlpTui, size: tuple[int, int]) -> None:
    """You should see rows that are kept, rows with the rule that cut them, ▒ for what bars lost, a cursor in row 3."""
    assert snap_compare(app, terminal_size=size, run_before=look_at_candidates)


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize("size", [WIDE, SMALL])
def test_the_ribbon(snap_compare: SnapCompare, app: NlpTui, size: tuple[int, int]) -> None:
    """You should see tokens on grounds that tell their ranks, bars under them, ▲ under 소녀, and its numbers."""
    assert snap_compare(app, terminal_size=size, run_before=look_at_tokens)


@pytest.mark.usefixtures("numbers")
def test_the_list_of_conversations(snap_compare: SnapCompare, app: NlpTui) -> None:
    """You should see a search over one conversation with its date and turns, and what the keys do."""
    assert snap_compare(app, terminal_size=SMALL, run_before=list_conversations)
