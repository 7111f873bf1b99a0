"""Tokens as they are typed: the tokenizers in the interface's own process, and when to run them.

Short texts are broken down within the key press; long ones after a pause in typing and off the event loop, so that
typing never waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.timer import Timer

from core.errors import EngineError
from core.registry import tokenizer_folder

if TYPE_CHECKING:
    from core.tokenization import TextTokenizer
    from tui.screen import MainScreen

LONG_TEXT = 5_000
"""From this many characters on a text waits for a pause in typing."""

PAUSE_S = 0.25
WORDPIECE = "bert-base-uncased"


class LiveTokens:
    """Keeps the tokens pane true to the prompt."""

    def __init__(self, screen: MainScreen) -> None:
        self._screen = screen
        self._generator: TextTokenizer | None = None
        self._wordpiece: TextTokenizer | None = None
        self._timer: Timer | None = None

    def begin(self, model: str) -> None:
        """Read the tokenizers in the background, then show the prompt's tokens."""
        self._screen.run_worker(self._read_tokenizers(model), exclusive=True, group="tokenizers", exit_on_error=False)

    def show(self, text: str) -> None:
        """Show a text's tokens, at once or after a pause."""
        if self._timer is not None:
            self._timer.stop()
        if len(text) < LONG_TEXT:
            self._show_now(text)
        else:
            self._timer = self._screen.set_timer(PAUSE_S, lambda: self._show_later(text))

    async def _read_tokenizers(self, model: str) -> None:
        from core.tokenization import TextTokenizer  # comes after the first frame

        async def read(name: str) -> TextTokenizer:
            return await asyncio.to_thread(TextTokenizer.from_folder, name, tokenizer_folder(name))

        try:
            self._wordpiece = self._wordpiece or await read(WORDPIECE)
            self._generator = await read(model)
        except EngineError as error:
            self._screen.notify(str(error), severity="error", markup=False)
        both = [tokenizer for tokenizer in (self._generator, self._wordpiece) if tokenizer is not None]
        self._screen.tokens.show_special({tokenizer.name: tokenizer.special_tokens for tokenizer in both})
        self.show(self._screen.prompt.text)

    def _show_now(self, text: str) -> None:
        from tui.panes.tokens import Breakdown

        for view, tokenizer in ((Breakdown.GENERATOR, self._generator), (Breakdown.WORDPIECE, self._wordpiece)):
            if tokenizer is not None:
                self._screen.tokens.show(view, tokenizer.name, tokenizer.scheme, tokenizer.pieces(text), text)

    def _show_later(self, text: str) -> None:
        async def break_down() -> None:
            from tui.panes.tokens import Breakdown

            for view, tokenizer in ((Breakdown.GENERATOR, self._generator), (Breakdown.WORDPIECE, self._wordpiece)):
                if tokenizer is not None:
                    pieces = await asyncio.to_thread(tokenizer.pieces, text)
                    self._screen.tokens.show(view, tokenizer.name, tokenizer.scheme, pieces, text)

        self._screen.run_worker(break_down(), exclusive=True, group="live-tokens", exit_on_error=False)
