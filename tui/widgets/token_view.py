"""A list of tokens as chips, text over id, that stays quick with tens of thousands of them (Line API)."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from core.messages.records import TokenPiece
from core.text.visible import token_label, visible, visible_alone
from tui.widgets.bars import fit
from tui.widgets.wrapped import WrappedView


def chip_label(piece: TokenPiece, source: str) -> str:
    """What a chip shows: marks for spaces and line ends, `한 1/3` for a part of a character.

    Args:
        piece: the token.
        source: the text it comes from.
    """
    if piece.unknown:
        return f"{piece.token} {visible(piece.text)}"
    whole_character = source[piece.start : piece.end].strip()
    if piece.parts > 1 and "\\x" in piece.text:
        return f"{visible_alone(whole_character)} {piece.part}/{piece.parts}"
    if piece.token.startswith("##") and not piece.special:
        return visible_alone(piece.token)
    return token_label(piece.text)


class TokenView(WrappedView):
    """Chips that wrap at the width of the view, with a cursor."""

    class TokenHighlighted(Message):
        """The cursor stands on another token."""

        def __init__(self, view: TokenView, piece: TokenPiece | None) -> None:
            super().__init__()
            self.view = view
            self.piece = piece

        @property
        def control(self) -> TokenView:
            """The view, for `@on` selectors."""
            return self.view

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "token--even",
        "token--odd",
        "token--special",
        "token--unknown",
        "token--id",
        "token--cursor",
    }

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self._pieces: tuple[TokenPiece, ...] = ()

    @property
    def pieces(self) -> tuple[TokenPiece, ...]:
        """The tokens shown."""
        return self._pieces

    def show(self, pieces: tuple[TokenPiece, ...], source: str) -> None:
        """Replace the tokens; chips up to the first difference are not measured again."""
        same = 0
        for old, new in zip(self._pieces, pieces, strict=False):
            if old.id != new.id or old.end != new.end or old.parts != new.parts:
                break
            same += 1
        while same and pieces[same - 1].part < pieces[same - 1].parts:  # a character's first tokens name all of it
            same -= 1
        labels = [chip_label(piece, source) for piece in pieces[same:]]
        widths = [
            (label, max(cell_len(label), len(str(piece.id))) + 1)
            for label, piece in zip(labels, pieces[same:], strict=True)
        ]
        self.labels = [*self.labels[:same], *widths]
        self._pieces = pieces
        self.wrap(same)
        self.cursor = min(self.cursor, max(0, len(pieces) - 1))
        self.post_message(self.TokenHighlighted(self, self._at_cursor()))

    def watch_cursor(self) -> None:
        """Show the token under the cursor and say which it is."""
        self.show_cursor()
        self.post_message(self.TokenHighlighted(self, self._at_cursor()))

    def on_focus(self) -> None:
        """Say which token the cursor stands on."""
        self.post_message(self.TokenHighlighted(self, self._at_cursor()))

    def on_blur(self) -> None:
        """Nothing is looked at any more."""
        self.post_message(self.TokenHighlighted(self, None))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the chip clicked on."""
        x = 0
        for index in self.at_row(event.y)[0]:
            x += self.labels[index][1]
            if event.x < x:
                self.cursor = index
                return

    def render_line(self, y: int) -> Strip:
        """One row of the chips: texts on even rows, ids on odd ones."""
        base = self.rich_style  # worked out anew at every look, so once a row
        places, row = self.at_row(y)
        if not places:
            return Strip.blank(self.size.width, base)
        gap = Segment(" ", base)
        chips = (self._chip(index, row) for index in places)
        segments = [segment for chip in chips for segment in (chip, gap)]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _chip(self, index: int, row: int) -> Segment:
        piece, (label, width) = self._pieces[index], self.labels[index]
        width = min(width, self.scrollable_content_region.width)
        if row == 1:
            return Segment(str(piece.id).ljust(width - 1), self.get_component_rich_style("token--id"))
        kind = "unknown" if piece.unknown else "special" if piece.special else "odd" if index % 2 else "even"
        style = self.get_component_rich_style(f"token--{kind}")
        if index == self.cursor and self.has_focus:
            style += self.get_component_rich_style("token--cursor") + Style(underline=True)
        return Segment(fit(label, width - 1), style)

    def _at_cursor(self) -> TokenPiece | None:
        return self._pieces[self.cursor] if self._pieces else None
