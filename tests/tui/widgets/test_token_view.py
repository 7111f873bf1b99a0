"""The list of token chips: what is kept when tokens are appended is what a fresh layout would give."""

from __future__ import annotations

import random

import pytest
from textual.app import App, ComposeResult

from core.models.registry import tokenizer_folder
from core.text.tokenization import TextTokenizer
from tests.tui.conftest import read_tokenizer
from tui.widgets.token_view import TokenView

WORDS = ("Once", " upon", " a", " time", " 국", " 뷁", " 뷂", "\n", " unhappily", " [bold]", "😀", " x")


class Viewer(App[None]):
    def compose(self) -> ComposeResult:
        yield TokenView(id="reused")
        yield TokenView(id="fresh")


@pytest.fixture
def tokenizer() -> TextTokenizer:
    return read_tokenizer("gpt2", tokenizer_folder("gpt2"))


async def test_editing_a_text_step_by_step_lays_it_out_as_at_once(tokenizer: TextTokenizer) -> None:
    rng, text = random.Random(0), ""
    app = Viewer()
    async with app.run_test(size=(40, 30)) as pilot:
        reused, fresh = app.query_one("#reused", TokenView), app.query_one("#fresh", TokenView)
        for _ in range(60):
            text = text[: rng.randrange(len(text) + 1)] if rng.random() < 0.3 else text + rng.choice(WORDS)
            pieces = tokenizer.pieces(text)
            reused.show(pieces, text)
            fresh.show((), "")
            fresh.show(pieces, text)
            await pilot.pause()
            assert reused.virtual_size == fresh.virtual_size
            lines = range(fresh.virtual_size.height)
            assert [reused.render_line(y).text for y in lines] == [fresh.render_line(y).text for y in lines]


async def test_ten_thousand_tokens_are_laid_out_and_the_last_one_is_reached(tokenizer: TextTokenizer) -> None:
    text = "hello world " * 5_000
    app = Viewer()
    async with app.run_test(size=(40, 30)) as pilot:
        view = app.query_one("#reused", TokenView)
        view.show(tokenizer.pieces(text), text)
        view.focus()
        await pilot.press("end")
        assert view.cursor == len(view.pieces) - 1 == 10_000
        assert view.scroll_offset.y == view.max_scroll_y
