"""A matrix of probabilities as a heat map that reads without colour: two digits and a shade a cell, with a cursor.

The row of numbers on top and the sentences on the left stay in sight when the map scrolls (Line API).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets.bars import fit

_SHADES = " ░▒▓█"
"""A fifth of 0-1 each."""

SHADE_LEGEND = " ░ 20  ▒ 40  ▓ 60  █ 80 % and more; row before column"
CELL = 4
"""Cursor or space, two digits, shade."""

LEAST_LABEL, MOST_LABEL = 7, 24
"""Cells a row's number and sentence get."""


def cell_text(probability: float) -> str:
    """Two digits of per cent and a shade, such as `66▓` and `07 `; 99 stands for all from 99 % on.

    Args:
        probability: 0-1.
    """
    percent = min(99, round(100 * probability))
    return f"{percent:02}{_SHADES[min(len(_SHADES) - 1, int(probability * len(_SHADES)))]}"


class PairMap(ScrollView, can_focus=True):
    """Every sentence against every other; the arrow keys walk the pairs."""

    class PairHighlighted(Message):
        """The cursor stands on another pair."""

        def __init__(self, view: PairMap, first: int, second: int) -> None:
            super().__init__()
            self.view = view
            self.first = first
            self.second = second

        @property
        def control(self) -> PairMap:
            """The map, for `@on` selectors."""
            return self.view

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1, 0)", "Row up", show=False),
        Binding("down", "move(1, 0)", "Row down", show=False),
        Binding("left", "move(0, -1)", "Column left", show=False),
        Binding("right", "move(0, 1)", "Column right", show=False),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pair--label", "pair--shade", "pair--likely", "pair--cursor"}

    cursor: reactive[tuple[int, int]] = reactive((0, 1))
    """Row and column of a pair, 0-based."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self._sentences: tuple[str, ...] = ()
        self._matrix: tuple[tuple[float, ...], ...] = ()

    def show(self, sentences: Sequence[str], matrix: Sequence[Sequence[float]]) -> None:
        """Replace the map.

        Args:
            sentences: N of them.
            matrix: (N, N) probabilities of 0-1, [row][column].
        """
        self._sentences = tuple(sentences)
        self._matrix = tuple(map(tuple, matrix))
        self._measure()
        self.set_reactive(PairMap.cursor, self.validate_cursor(self.cursor))
        self.post_message(self.PairHighlighted(self, *self.cursor))

    def validate_cursor(self, cursor: tuple[int, int]) -> tuple[int, int]:
        """Keep the cursor on a pair."""
        last = max(0, len(self._sentences) - 1)
        row, column = (min(max(place, 0), last) for place in cursor)
        return row, column

    def watch_cursor(self) -> None:
        """Bring the pair into sight, beside the row of numbers and the sentences, and say which it is."""
        if not self._matrix:
            return
        row, column = self.cursor
        self.scroll_to_region(Region(column * CELL, row, self._label_cells + CELL, 2), animate=False)
        self.refresh()
        self.post_message(self.PairHighlighted(self, row, column))

    def action_move(self, rows: int, columns: int) -> None:
        """Walk the pairs; from the last row on down to the list of the sentences."""
        row, column = self.cursor
        if row + rows >= len(self._matrix):
            self.scroll_relative(y=rows, animate=False)
            return
        self.cursor = (row + rows, column + columns)

    def on_resize(self) -> None:
        """Give the sentences the room there is."""
        self._measure()

    def render_line(self, y: int) -> Strip:
        """One row: the numbers, a sentence's probabilities, or a line of the legend."""
        base = self.rich_style
        count, width = len(self._sentences), self.scrollable_content_region.width
        line = y + self.scroll_offset.y
        if line >= count + 1 or not count:
            text = self._legend(line - count - 1) if count else ""
            return Strip([Segment(fit(text, width), base)]).adjust_cell_length(width, base)
        label_style = self.get_component_rich_style("pair--label")
        if y == 0:
            numbers = Strip([Segment(f"{number:>3} ", label_style) for number in range(1, count + 1)])
            return self._beside(Segment(" " * self._label_cells, label_style), numbers)
        row = line - 1
        label = f"{row + 1:>3} {fit(self._sentences[row], max(1, self._label_cells - 5))} "
        cells = [segment for column in range(count) for segment in self._cell(row, column, base)]
        return self._beside(Segment(fit(label, self._label_cells), label_style), Strip(cells))

    @property
    def _label_cells(self) -> int:
        room = self.size.width - self.scrollbar_size_vertical - CELL * len(self._sentences)
        return min(MOST_LABEL, max(LEAST_LABEL, room))

    def _beside(self, label: Segment, cells: Strip) -> Strip:
        """A label that stays, and the part of its row that is scrolled into sight."""
        start, width = self.scroll_offset.x, self.scrollable_content_region.width
        seen = cells.crop(start, start + width - self._label_cells)
        return Strip([label, *seen]).adjust_cell_length(width, self.rich_style)

    def _cell(self, row: int, column: int, base: Style) -> list[Segment]:
        probability = self._matrix[row][column]
        text = cell_text(probability)
        digits = self.get_component_rich_style("pair--likely") if probability >= 0.5 else base
        shade = self.get_component_rich_style("pair--shade")
        at_cursor = (row, column) == self.cursor
        if at_cursor and self.has_focus:
            digits = shade = self.get_component_rich_style("pair--cursor")
        return [Segment("▸" if at_cursor else " ", digits), Segment(text[:2], digits), Segment(text[2:], shade)]

    def _legend(self, line: int) -> str:
        if line == 0:
            return SHADE_LEGEND
        return f"{line:>3} {self._sentences[line - 1]}" if line <= len(self._sentences) else ""

    def _measure(self) -> None:
        count = len(self._sentences)
        self.virtual_size = Size(self._label_cells + CELL * count, 2 * count + 2 if count else 0)
        self.refresh()
