"""A list of tokens as chips, text over id, that stays quick with tens of thousands of them (Line API)."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.records import TokenPiece
from core.text import visible

ROWS_PER_LINE = 2
_MARKS = str.maketrans({" ": "·", "\n": "↵", "\t": "⇥"})


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
        return f"{visible(whole_character)} {piece.part}/{piece.parts}"
    if piece.token.startswith("##") and not piece.special:
        return visible(piece.token)
    return visible(piece.text.translate(_MARKS)) or "∅"


class TokenView(ScrollView, can_focus=True):
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

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Previous token", show=False),
        Binding("right", "move(1)", "Next token", show=False),
        Binding("up", "move_line(-1)", "Line up", show=False),
        Binding("down", "move_line(1)", "Line down", show=False),
        Binding("home", "jump(0)", "First token", show=False),
        Binding("end", "jump(-1)", "Last token", show=False),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "token--even",
        "token--odd",
        "token--special",
        "token--unknown",
        "token--id",
        "token--cursor",
    }

    cursor = reactive(0)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self._pieces: tuple[TokenPiece, ...] = ()
        self._labels: list[tuple[str, int]] = []
        self._lines: list[tuple[int, int]] = []
        self._wrapped_width = 0

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
        self._labels = [*self._labels[:same], *widths]
        self._pieces = pieces
        self._wrap(same)
        self.cursor = min(self.cursor, max(0, len(pieces) - 1))
        self.post_message(self.TokenHighlighted(self, self._at_cursor()))

    def action_move(self, step: int) -> None:
        """Move the cursor by tokens."""
        self.cursor += step

    def action_move_line(self, step: int) -> None:
        """Move the cursor by lines, staying about as far along the line."""
        line = self._line_of(self.cursor)
        target = line + step
        if 0 <= target < len(self._lines):
            start, end = self._lines[target]
            self.cursor = min(start + self.cursor - self._lines[line][0], end - 1)

    def action_jump(self, index: int) -> None:
        """Move the cursor to the first or the last token."""
        self.cursor = index % max(1, len(self._pieces))

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a token."""
        return max(0, min(cursor, len(self._pieces) - 1))

    def watch_cursor(self) -> None:
        """Show the token under the cursor and say which it is."""
        if self._lines:
            line = self._line_of(self.cursor)
            self.scroll_to_region(Region(0, line * ROWS_PER_LINE, 1, ROWS_PER_LINE), animate=False)
        self.refresh()
        self.post_message(self.TokenHighlighted(self, self._at_cursor()))

    def on_focus(self) -> None:
        """Say which token the cursor stands on."""
        self.post_message(self.TokenHighlighted(self, self._at_cursor()))

    def on_blur(self) -> None:
        """Nothing is looked at any more."""
        self.post_message(self.TokenHighlighted(self, None))

    def on_resize(self) -> None:
        """Wrap anew when the width changed."""
        if self.scrollable_content_region.width != self._wrapped_width:
            self._wrap()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the chip clicked on."""
        line = (event.y + self.scroll_offset.y) // ROWS_PER_LINE
        if line < len(self._lines):
            x, (start, end) = 0, self._lines[line]
            for index in range(start, end):
                x += self._labels[index][1]
                if event.x < x:
                    self.cursor = index
                    return

    def render_line(self, y: int) -> Strip:
        """One row of the chips: texts on even rows, ids on odd ones."""
        base = self.rich_style  # worked out anew at every look, so once a row
        line, row = divmod(y + self.scroll_offset.y, ROWS_PER_LINE)
        if line >= len(self._lines):
            return Strip.blank(self.size.width, base)
        gap = Segment(" ", base)
        chips = (self._chip(index, row) for index in range(*self._lines[line]))
        segments = [segment for chip in chips for segment in (chip, gap)]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _chip(self, index: int, row: int) -> Segment:
        piece, (label, width) = self._pieces[index], self._labels[index]
        if row == 1:
            return Segment(str(piece.id).ljust(width - 1), self.get_component_rich_style("token--id"))
        kind = "unknown" if piece.unknown else "special" if piece.special else "odd" if index % 2 else "even"
        style = self.get_component_rich_style(f"token--{kind}")
        if index == self.cursor and self.has_focus:
            style += self.get_component_rich_style("token--cursor") + Style(underline=True)
        return Segment(set_cell_size(label, width - 1), style)

    def _wrap(self, same: int = 0) -> None:
        """Pack the chips into lines, greedily; the lines before the one that holds chip `same` stay as they are."""
        width = self.scrollable_content_region.width
        kept = self._line_of(same) if width == self._wrapped_width and same and self._lines else 0
        self._wrapped_width = width
        self._lines = self._lines[:kept]
        start, used = self._lines[-1][1] if kept else 0, 0
        for index in range(start, len(self._labels)):
            chip_width = self._labels[index][1]
            if used and used + chip_width > width:
                self._lines.append((start, index))
                start, used = index, 0
            used += chip_width
        if start < len(self._labels):
            self._lines.append((start, len(self._labels)))
        self.virtual_size = Size(width, len(self._lines) * ROWS_PER_LINE)
        self.refresh()

    def _line_of(self, index: int) -> int:
        low, high = 0, len(self._lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._lines[middle][0] <= index else (low, middle - 1)
        return low

    def _at_cursor(self) -> TokenPiece | None:
        return self._pieces[self.cursor] if self._pieces else None
