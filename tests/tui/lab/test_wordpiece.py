"""The WordPiece pane: the walk follows the typing, with a vocabulary of one's own or BERT's."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.pilot import Pilot

from tests.tui.conftest import Running
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.wordpiece.pane import WORDS, WordPiecePane


def shown(pane: WordPiecePane) -> str:
    return str(pane.answer.content)


def says(pane: WordPiecePane, expected: str) -> bool:
    return expected in shown(pane)


def note(pane: WordPiecePane) -> str:
    return str(pane.query_one(".lab-note").render())


async def read(running: Running, pane: WordPiecePane) -> None:
    """Wait for the tokenizer."""
    await running.until(lambda: "tokens:" in shown(pane))


async def test_the_example_is_walked_at_once_without_the_engine() -> None:
    async with opened(WordPiecePane) as (running, pane):
        await read(running, pane)
        assert shown(pane).startswith("tokens: play ##ing un ##play ##able\n")
        for line in (
            "\n  playing  ✗ not in the vocabulary\n",
            "\n  play     ✓ found\n",
            "\n    ##ing  ✓ found\n",
        ):
            assert line in shown(pane)
        assert "… 5 shorter ones ✗" in shown(pane)
        assert questions(running.engine) == []


async def test_typing_follows_at_once_and_a_word_that_cannot_be_cut_says_why() -> None:
    async with opened(WordPiecePane) as (running, pane):
        await read(running, pane)
        pane.text.value = ""
        pane.text.focus()
        await running.type("playx")
        await running.until(lambda: "nothing fits at x: the whole word is [UNK]" in shown(pane))
        assert shown(pane).startswith("tokens: [UNK]\n")


async def test_a_piece_added_to_the_vocabulary_is_found() -> None:
    async with opened(WordPiecePane) as (running, pane):
        await read(running, pane)
        pane.pieces.value += " playing"
        await running.until(lambda: "playing  ✓ found whole" in shown(pane))
        pane.pieces.value = " "
        await running.until(lambda: "the vocabulary is empty" in note(pane))


async def test_berts_own_vocabulary_finds_the_courses_sentence() -> None:
    async with opened(WordPiecePane) as (running, pane):
        await read(running, pane)
        pane.text.value = "I love natural language processing!"
        pane.use_berts.focus()
        await running.pilot.press("space")
        await running.until(lambda: shown(pane).startswith("tokens: i love natural language processing !\n"))
        assert "vocabulary of 30,522" in note(pane)
        assert pane.pieces.disabled
        pane.text.value = "tokenization"
        await running.until(lambda: shown(pane).startswith("tokens: token ##ization\n"))


async def test_any_text_is_walked_or_refused_in_one_line() -> None:
    async with opened(WordPiecePane) as (running, pane):
        await read(running, pane)
        for text, expected in (
            ("안녕 🦊 [bold] [/", "nothing fits at 🦊"),
            ("x" * 101, "101 characters, over 100: [UNK]"),
            ("[MASK]", "[MASK]  ✓ found whole"),
        ):
            pane.text.value = text
            await running.until(partial(says, pane, expected))
        pane.text.value = ""
        await running.until(lambda: "the text is empty" in note(pane))
        pane.text.value = "\x00"
        await running.until(lambda: "drops every character" in note(pane))
        pane.text.value = "play " * (WORDS + 5)
        await running.until(lambda: f"the first {WORDS} of {WORDS + 5} words" in note(pane))


def test_the_wordpiece_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see two fields, the switch, the tokens, and two walks whose pieces stand under their letters."""

    async def wait_for_the_tokenizer(pilot: Pilot[None], pane: Any) -> None:
        await pilot.app.workers.wait_for_complete([w for w in pilot.app.workers if w.node is pane])

    assert snap_pane(WordPiecePane, use=wait_for_the_tokenizer)
