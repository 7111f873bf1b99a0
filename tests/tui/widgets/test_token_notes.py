"""The tokens pane says in a line when a text is not NFC, and when BERT takes its letters apart."""

from __future__ import annotations

import pytest
from textual.widgets import Static

from tests.tui.conftest import Launch, Running


def notes(running: Running) -> list[str]:
    """The lines that are shown over the tokens."""
    lines = running.screen.tokens.query(".notes").results(Static)
    return [str(line.content) for line in lines if line.display]


async def test_a_plain_text_has_no_notes(launch: Launch) -> None:
    async with launch() as running:
        await running.type("Hello")
        await running.until(lambda: running.screen.tokens.wordpiece_view.pieces)
        assert notes(running) == []


async def test_a_text_that_is_not_nfc_is_told_of_and_the_line_goes_with_it(launch: Launch) -> None:
    async with launch() as running:
        running.screen.prompt.text = "cafe\u0301"
        await running.until(lambda: len(notes(running)) == 2)
        told, dropped = notes(running)
        assert told.startswith("not NFC: é = U+0065 U+0301 (NFC: ")
        assert dropped == "cafe\u0301 is read as cafe: accents are dropped"
        running.screen.prompt.text = "cafe"
        await running.until(lambda: notes(running) == [])


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_bert_s_jamo_are_told_over_its_tokens(launch: Launch, size: tuple[int, int]) -> None:
    async with launch(size=size) as running:
        running.screen.prompt.text = "득템"
        await running.pilot.press("f3")
        await running.until(lambda: notes(running))
        assert notes(running) == ["득템 is split into 6 jamo: ㄷㅡㄱㅌㅔㅁ"]
        await running.pilot.pause()
        line = running.screen.tokens.query_one("#wordpiece-notes")
        assert line.region.height == 1
        assert running.screen.tokens.wordpiece_view.region.height >= 2
        await running.pilot.press("s")
        assert notes(running) == []
        await running.pilot.press("s")
        assert len(notes(running)) == 1
        await running.pilot.press("s")
        assert notes(running) == []


async def test_a_long_text_gets_its_notes_after_the_pause(launch: Launch) -> None:
    async with launch() as running:
        running.screen.prompt.text = "word " * 1_200 + "e\u0301"
        await running.until(lambda: any("not NFC" in line for line in notes(running)))
