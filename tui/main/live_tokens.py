"""Tokens as they are typed: the tokenizers in the interface's own process, and when to run them.

Short texts are broken down within the key press; long ones after a pause in typing and in a thread.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.errors import EngineError
from core.models.registry import is_converted, tokenizer_folder
from tui.main.panes.tokens import Breakdown

if TYPE_CHECKING:
    from core.text.tokenization import TextTokenizer
    from tui.main.screen import MainScreen

LONG_TEXT = 5_000
"""From this many characters on, a text waits for a pause in typing."""

PAUSE_S = 0.25
WORDPIECE = "bert-base-uncased"


class LiveTokens:
    """Keeps the tokens pane true to the prompt."""

    def __init__(self, screen: MainScreen) -> None:
        self._screen = screen
        self._tokenizers: dict[Breakdown, TextTokenizer] = {}
        self._awaited = ""
        """The model whose tokenizer comes with its conversion."""

    def begin(self, model: str) -> None:
        """Read the tokenizers in the background, then show the prompt's tokens."""
        self._screen.run_worker(self._read_tokenizers(model), exclusive=True, group="tokenizers", exit_on_error=False)

    def model_came(self, model: str) -> None:
        """A model is loaded: by now its tokenizer is there, too."""
        if model == self._awaited:
            self._awaited = ""
            self.begin(model)

    def show(self, text: str) -> None:
        """Show a text's tokens, at once or after a pause; a newer text replaces one that still waits."""
        self._screen.workers.cancel_group(self._screen, "live-tokens")
        if len(text) < LONG_TEXT:
            for view, tokenizer in self._tokenizers.items():
                pieces, notes = tokenizer.pieces(text), tokenizer.notes(text)
                self._screen.tokens.show(view, tokenizer.name, tokenizer.scheme, pieces, text, notes)
        else:
            self._screen.run_worker(self._show_later(text), exclusive=True, group="live-tokens", exit_on_error=False)

    async def _show_later(self, text: str) -> None:
        await asyncio.sleep(PAUSE_S)
        for view, tokenizer in self._tokenizers.items():
            pieces = await asyncio.to_thread(tokenizer.pieces, text)
            notes = await asyncio.to_thread(tokenizer.notes, text)
            self._screen.tokens.show(view, tokenizer.name, tokenizer.scheme, pieces, text, notes)

    async def _read_tokenizers(self, model: str) -> None:
        from core.text.tokenization import TextTokenizer  # comes after the first frame

        for view, name in ((Breakdown.GENERATOR, model), (Breakdown.WORDPIECE, WORDPIECE)):
            try:
                if view is Breakdown.GENERATOR and not is_converted(name):
                    self._tokenizers.pop(view, None)
                    self._awaited = name
                    continue
                tokenizer = await asyncio.to_thread(TextTokenizer.from_folder, name, tokenizer_folder(name))
            except EngineError as error:
                self._screen.notify(str(error), severity="error", markup=False)
            else:
                self._tokenizers[view] = tokenizer
        loaded = self._tokenizers.values()
        self._screen.tokens.show_special({tokenizer.name: tokenizer.special_tokens for tokenizer in loaded})
        self.show(self._screen.prompt.text)
