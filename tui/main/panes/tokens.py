"""The live token breakdown: the text as the generator's tokenizer and as BERT's WordPiece see it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive
from textual.widgets import Static

from core.messages.records import TokenPiece
from core.text.visible import visible
from tui.widgets.token_view import TokenView

if TYPE_CHECKING:  # the tokenizers themselves are read after the first frame
    from core.text.tokenization import Scheme, SpecialToken


class Breakdown(StrEnum):
    """What the pane shows."""

    BOTH = "both"
    GENERATOR = "generator"
    WORDPIECE = "wordpiece"
    SPECIAL = "special"


class TokensPane(Vertical):
    """Two token lists under their counts, the token under the cursor in words, and the special tokens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "switch", "Switch view", tooltip="Both, the generator's, BERT's, special tokens"),
    ]

    HELP = """\
# Tokens

Models read numbers, not words: a tokenizer cuts the text into pieces of a fixed vocabulary, each with an id. GPT-2's \
byte-level BPE keeps every byte and marks a leading space (`·` here, `Ġ` in its vocabulary); BERT's WordPiece lowers \
the case, adds [CLS] and [SEP], and marks a piece that continues a word with `##`.

Arrow keys walk the tokens and the line below says everything about one; `s` switches between both lists, one of them, \
and the table of special tokens. A character that needs several tokens shows as `한 1/3`, \
a mark that needs a letter before it on `◌`, and a blank that is no ordinary space as `⍽`.

The same letter can be one character (NFC) or several (NFD, as in file names on a Mac): it looks the same, and splits \
otherwise. A line over the tokens says when that happens, and when BERT takes letters apart: it drops accents, and \
for that splits é into e and its accent, and 득 into ㄷ, ㅡ and ㄱ.
"""

    generator_view = query_one("#generator-tokens", TokenView)
    wordpiece_view = query_one("#wordpiece-tokens", TokenView)

    breakdown: reactive[Breakdown] = reactive(Breakdown.BOTH, init=False)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, classes=f"-{Breakdown.BOTH}")
        self.border_title = "Tokens · F3"
        self.border_subtitle = "s switches"

    def compose(self) -> ComposeResult:
        """Two lists with a heading each, a detail line, the special tokens."""
        yield Static("reading the tokenizers…", id="generator-heading", classes="heading")
        yield Static("", id="generator-notes", classes="notes")
        yield TokenView(id="generator-tokens")
        yield Static("", id="wordpiece-heading", classes="heading")
        yield Static("", id="wordpiece-notes", classes="notes")
        yield TokenView(id="wordpiece-tokens")
        yield Static("", id="special-tokens")
        yield Static("", id="token-detail")

    def on_mount(self) -> None:
        """Explain the marks until a token is looked at."""
        self._explain_marks()

    def watch_breakdown(self, breakdown: Breakdown) -> None:
        """Show the parts that belong to the view chosen."""
        for choice in Breakdown:
            self.set_class(choice is breakdown, f"-{choice}")

    def action_switch(self) -> None:
        """Go to the next view, and keep the focus inside it."""
        order = list(Breakdown)
        self.breakdown = order[(order.index(self.breakdown) + 1) % len(order)]
        target = self.wordpiece_view if self.breakdown is Breakdown.WORDPIECE else self.generator_view
        if self.breakdown is not Breakdown.SPECIAL:
            target.focus()

    def show(
        self,
        view: Breakdown,
        name: str,
        scheme: Scheme,
        pieces: tuple[TokenPiece, ...],
        source: str,
        notes: Sequence[str] = (),
    ) -> None:
        """Show the tokens of one tokenizer.

        Args:
            view: GENERATOR or WORDPIECE.
            name: the tokenizer's name.
            scheme: how it spells its tokens.
            pieces: the tokens.
            source: the text they come from.
            notes: what the tokenizer does to the text's letters that one may not expect.
        """
        heading = Content.assemble((f"{len(pieces):,} tokens", "bold"), f" · {visible(name)} {scheme}")
        self.border_title = f"Tokens · F3 · {len(source):,} characters, {len(source.encode()):,} bytes"
        self.query_one(f"#{view}-heading", Static).update(heading)
        line = self.query_one(f"#{view}-notes", Static)
        line.update(Content("\n".join(map(visible, notes))))
        line.set_class(bool(notes), "-some")
        self.query_one(f"#{view}-tokens", TokenView).show(pieces, source)

    def show_missing(self, name: str) -> None:
        """Say that the generator's tokenizer is not here, in the place of its tokens."""
        heading = Content(f"the tokenizer of {visible(name)} is not on this machine")
        self.query_one("#generator-heading", Static).update(heading)
        self.query_one("#generator-notes", Static).remove_class("-some")
        self.generator_view.show((), "")

    def show_special(self, tokenizers: dict[str, tuple[SpecialToken, ...]]) -> None:
        """Fill the table of special tokens, tokenizer by tokenizer."""
        parts: list[Content | str | tuple[str, str]] = []
        for name, specials in tokenizers.items():
            parts.append((f"{visible(name)}\n", "bold"))
            parts += [f"  {visible(token.token):<14}{token.id:>6}  {token.meaning}\n" for token in specials]
        self.query_one("#special-tokens", Static).update(Content.assemble(*parts))

    @on(TokenView.TokenHighlighted)
    def _describe(self, event: TokenView.TokenHighlighted) -> None:
        event.stop()
        piece = event.piece
        if piece is None or self.screen.focused is not event.view:
            self._explain_marks()
            return
        marks = {"special token": piece.special, "not in the vocabulary": piece.unknown}
        marks["leading space"] = piece.text.startswith(" ")
        marks["continues the word"] = piece.token.startswith("##")
        marks[f"part {piece.part} of {piece.parts} of a character"] = piece.parts > 1
        notes = "".join(f" · {mark}" for mark, present in marks.items() if present)
        raw = " ".join(piece.bytes[index : index + 2] for index in range(0, min(len(piece.bytes), 24), 2))
        where = f"characters {piece.start}–{piece.end}" if piece.end > piece.start else "added, no text"
        detail = f"#{piece.index} {visible(piece.token)}  id {piece.id} · {where} · bytes {raw}{notes}"
        self.query_one("#token-detail", Static).update(Content(detail))

    def _explain_marks(self) -> None:
        text = "·=space(Ġ) ↵=line end ##=continues 1/3=part"
        self.query_one("#token-detail", Static).update(Content(text))
