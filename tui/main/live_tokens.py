"""Tokens as they are typed: the tokenizers in the interface's own process, and when to run them.

Short texts are broken down within the key press; long ones after a pause in typing and in a thread.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from core.backends.backend import Backend
from core.errors import EngineError
from core.models.registry import tokenizer_folder
from tui.host import Host, OngoingWork
from tui.main.panes.prompt import PromptPane
from tui.main.panes.tokens import Breakdown, TokensPane

if TYPE_CHECKING:
    from core.text.tokenization import TextTokenizer

LONG_TEXT = 5_000
"""From this many characters on, a text waits for a pause in typing."""

_PAUSE_S = 0.25
"""How long typing must rest before a long text is broken down."""
WORDPIECE = "bert-base-uncased"


class LiveTokens:
    """Keeps the tokens pane true to the prompt."""

    def __init__(
        self, host: Host, backend: Backend, pane: TokensPane, prompt: PromptPane, pause_s: float = _PAUSE_S
    ) -> None:
        self._host = host
        self._backend = backend
        self._pane = pane
        self._prompt = prompt
        self._pause_s = pause_s
        self._later: OngoingWork | None = None
        """A long text that waits."""
        self._tokenizers: dict[Breakdown, TextTokenizer] = {}
        self._awaited = ""
        """The model whose tokenizer is not here before it is loaded, and perhaps not then."""

    def begin(self, model: str) -> None:
        """Read the tokenizers in the background, then show the prompt's tokens."""
        self._host.work(self._read_tokenizers(model), "tokenizers")

    def model_came(self, model: str) -> None:
        """A model is loaded: by now its tokenizer is there, too."""
        if model == self._awaited:
            self._awaited = ""
            self.begin(model)

    def show(self, text: str) -> None:
        """Show a text's tokens, at once or after a pause; a newer text replaces one that still waits."""
        if self._later is not None:
            self._later.cancel()
        if len(text) < LONG_TEXT:
            for view, tokenizer in self._tokenizers.items():
                pieces, notes = tokenizer.pieces(text), tokenizer.notes(text)
                self._pane.show(view, tokenizer.name, tokenizer.scheme, pieces, text, notes)
        else:
            self._later = self._host.work(self._show_later(text), "live-tokens")

    async def _show_later(self, text: str) -> None:
        await asyncio.sleep(self._pause_s)
        for view, tokenizer in self._tokenizers.items():
            pieces = await asyncio.to_thread(tokenizer.pieces, text)
            notes = await asyncio.to_thread(tokenizer.notes, text)
            self._pane.show(view, tokenizer.name, tokenizer.scheme, pieces, text, notes)

    async def _read_tokenizers(self, model: str) -> None:
        from core.text.tokenization import TextTokenizer  # comes after the first frame

        for view, name in ((Breakdown.GENERATOR, model), (Breakdown.WORDPIECE, WORDPIECE)):
            try:
                find = self._backend.tokenizer_folder if view is Breakdown.GENERATOR else tokenizer_folder
                folder = find(name)
                if folder is None:
                    self._tokenizers.pop(view, None)
                    self._awaited = name
                    if self._host.model is not None:
                        self._pane.show_missing(name)
                    continue
                tokenizer = await asyncio.to_thread(TextTokenizer.from_folder, name, folder)
            except EngineError as error:
                self._host.tell(str(error), failed=True)
            else:
                self._tokenizers[view] = tokenizer
        loaded = self._tokenizers.values()
        self._pane.show_special({tokenizer.name: tokenizer.special_tokens for tokenizer in loaded})
        self.show(self._prompt.text)
