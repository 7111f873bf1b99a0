"""What several sequences look like: columns on a wide and on a small screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.messages.protocol import Done, Event, Generate, RunStarted, SequenceDone, TokenGenerated, Work
from core.messages.records import FinishReason
from core.text.tokenization import TextTokenizer
from tests.tui.conftest import read_tokenizer
from tests.tui.fake_engine import INFO, FakeEngine, stats, step
from tests.tui.pictures import SnapCompare
from tests.tui.test_snapshots import until
from tui.app import NlpTui
from tui.main.screen import MainScreen

TEXTS = (
    " there was a little girl who lived in a small house near the big river",
    " a brave knight [bold] said, “득템!” and the 🐉 flew away",
    " in a land far away\nlived a king",
    " the end.",
    " there was a dog named Spot. He liked to run and play in the park all day",
)
REASONS = (
    FinishReason.LENGTH,
    FinishReason.EOS,
    FinishReason.STOP_STRING,
    FinishReason.EOS,
    FinishReason.CANCELLED,
)


def script(request: Work) -> list[Event]:
    """Five sequences; the last one writes still when the others have ended."""
    if not isinstance(request, Generate):
        return []
    events: list[Event] = [RunStarted(request.id, INFO, request.prompt, (1,), request.params.changed(seed=1))]
    for sequence, (text, reason) in enumerate(zip(TEXTS, REASONS, strict=True)):
        words = [f" {word}" for word in text.split(" ")[1:]]
        for index, word in enumerate(words):
            record = replace(step(word, sequence), logprob=-0.7 * (sequence + 1), index=index, id=index)
            events.append(TokenGenerated(request.id, record))
        told = replace(stats(), new_tokens=len(words))
        events.append(SequenceDone(request.id, sequence, reason, text, (1,) * len(words), told))
    return [*events, Done(request.id)]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> NlpTui:
    """The app with a scripted engine."""
    monkeypatch.setattr(TextTokenizer, "from_folder", read_tokenizer)
    engine = FakeEngine()
    engine.script = script
    return NlpTui(engine=engine)


async def use(pilot: Pilot[None]) -> None:
    """Run a prompt five times over."""
    screen = pilot.app.screen
    assert isinstance(screen, MainScreen)
    await until(pilot, lambda: screen.query("#prompt") and screen.status.state == "ready")
    screen.prompt.cursor_blink = False
    for field in screen.query(Input):
        field.cursor_blink = False
    screen.sampling.query_one("#setting-seed", Input).value = "1"
    screen.sampling.query_one("#setting-num_return_sequences", Input).value = "5"
    screen.prompt.text = "Once upon a time"
    await until(pilot, lambda: screen.tokens.generator_view.pieces and screen.tokens.wordpiece_view.pieces)
    await pilot.press("enter")
    await until(pilot, lambda: screen.runs.kept and len(screen.runs.kept[0].ends) == 5 and not screen.runs.is_busy)
    await pilot.pause()


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_five_sequences_side_by_side(snap_compare: SnapCompare, app: NlpTui, size: tuple[int, int]) -> None:
    """You should see the prompt once, columns each with number, log p and ending, none of them over another."""
    assert snap_compare(app, terminal_size=size, run_before=use)
