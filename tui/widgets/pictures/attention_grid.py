"""The attention of one model as a grid of shades, with a cursor on a row that is told in words below."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from core.lab.attention import Attention
from tui.widgets.pictures import shading

TOKEN_CELLS = 8
MARGIN_CELLS = 4 + TOKEN_CELLS + 1
"""Cursor, number and token before each row."""

HEADER_ROWS = 3
TOLD_ROWS, TOLD_ROWS_NARROW = 3, 4
"""For what is told in words, in a grid that has the pane to itself and in one that shares it."""


def cells_needed(tokens: int) -> int:
    """How many cells a grid of so many tokens is wide at least."""
    return MARGIN_CELLS + tokens


class AttentionGrid(Widget, can_focus=True):
    """Rows are tokens that read, columns are what they look at."""

    class StepRequested(Message):
        """A neighbouring layer or head is wanted."""

        def __init__(self, grid: AttentionGrid, layers: int, heads: int) -> None:
            super().__init__()
            self.grid = grid
            self.layers = layers
            self.heads = heads

        @property
        def control(self) -> AttentionGrid:
            """The grid, for `@on` selectors."""
            return self.grid

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Row", key_display="↑↓", tooltip="The token of the row above; ↓ that below"),
        Binding("down", "move(1)", "Row below", show=False),
        Binding("home", "jump(0)", "First row", show=False),
        Binding("end", "jump(-1)", "Last row", show=False),
        Binding(
            "left", "head(-1)", "Head", key_display="←→", tooltip="The head before; → the one after; 0 is the mean"
        ),
        Binding("right", "head(1)", "Next head", show=False),
        Binding("pageup", "layer(-1)", "Previous layer", show=False),
        Binding("pagedown", "layer(1)", "Layer", key_display="PgUp PgDn", tooltip="The next layer; PgUp the previous"),
    ]

    attention: reactive[Attention | None] = reactive[Attention | None](None)
    cursor = reactive(0)

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        self.cursor += step

    def action_jump(self, row: int) -> None:
        """Move the cursor to the first or the last row."""
        self.cursor = row % self._count if self._count else 0

    def action_head(self, step: int) -> None:
        """Ask for a neighbouring head."""
        self.post_message(self.StepRequested(self, 0, step))

    def action_layer(self, step: int) -> None:
        """Ask for a neighbouring layer."""
        self.post_message(self.StepRequested(self, step, 0))

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, self._count - 1))

    def watch_attention(self) -> None:
        """Keep the cursor on a row of the new text."""
        self.cursor = self.validate_cursor(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row clicked on."""
        row = event.y - HEADER_ROWS
        if 0 <= row < min(self._rows, self._count):
            self.cursor = self._first_row + row

    def render(self) -> Content:
        """Title, ruler, the rows around the cursor, and the row under it in words."""
        if self.attention is None:
            return Content("")
        width = self.size.width
        told = shading.lines_of(shading.told(self.attention, self.cursor), width)[: self._told_rows]
        parts: list[str | tuple[str, str]] = [
            (shading.fitted(shading.title(self.attention), width) + "\n", "bold"),
            (shading.fitted(shading.place(self.attention), width) + "\n", "$text-muted"),
            (f"{'':{MARGIN_CELLS}}{shading.ruler(self.attention, self._cell_width)}\n", "$text-muted"),
        ]
        shown = shading.names(self.attention)
        for row in range(self._first_row, min(self._first_row + self._rows, self._count)):
            at_cursor = row == self.cursor
            style = "bold reverse" if at_cursor and self.has_focus else "bold" if at_cursor else ""
            label = f"{'▸' if at_cursor else ' '}{row + 1:>2} {shading.fitted(shown[row], TOKEN_CELLS)}"
            parts += [(label, style), " ", (shading.row(self.attention, row, self._cell_width), "$success"), "\n"]
        return Content.assemble(*parts, "\n".join(told))

    @property
    def _count(self) -> int:
        return len(self.attention.tokens) if self.attention is not None else 0

    @property
    def _cell_width(self) -> int:
        """Two cells a token, which makes squares, where there is room."""
        return 2 if MARGIN_CELLS + 2 * self._count <= self.size.width else 1

    @property
    def _told_rows(self) -> int:
        return TOLD_ROWS if self.size.width >= 50 else TOLD_ROWS_NARROW

    @property
    def _rows(self) -> int:
        """How many rows there is room for."""
        return max(1, self.size.height - HEADER_ROWS - self._told_rows)

    @property
    def _first_row(self) -> int:
        """The first row shown: the cursor stays in the middle where it can."""
        return max(0, min(self.cursor - self._rows // 2, self._count - self._rows))
