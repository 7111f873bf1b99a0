"""Labels that wrap at the width of the view and a cursor that walks them: what the lists of tokens share (Line API)."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView

ROWS_PER_LINE = 2
"""A line of labels, and a row under it."""


class WrappedView(ScrollView, can_focus=True):
    """A subclass fills `labels`, calls `wrap`, and draws the lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Previous token", show=False),
        Binding("right", "move(1)", "Next token", show=False),
        Binding("up", "move_line(-1)", "Line up", show=False),
        Binding("down", "move_line(1)", "Line down", show=False),
        Binding("home", "move(-1000000000)", "First token", show=False),
        Binding("end", "move(1000000000)", "Last token", show=False),
    ]

    cursor = reactive(0, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.labels: list[tuple[str, int]] = []
        """What is shown, each with the cells it takes."""
        self._lines: list[tuple[int, int]] = []
        """First label of each line, and the one after its last."""
        self._cursor_line = 0
        """Where the cursor was painted last."""
        self._wrapped_width = 0

    def breaks_after(self, index: int) -> bool:
        """Whether the line ends with this label, whatever room is left."""
        return False

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a label."""
        return max(0, min(cursor, len(self.labels) - 1))

    def on_resize(self) -> None:
        """Wrap anew when the width changed."""
        if self.scrollable_content_region.width != self._wrapped_width:
            self.wrap()

    def action_move(self, step: int) -> None:
        """Move the cursor by labels."""
        self.cursor += step

    def action_move_line(self, step: int) -> None:
        """Move the cursor by lines, staying about as far along the line."""
        if not self._lines:
            return
        line = self.line_of(self.cursor)
        target = line + step
        if 0 <= target < len(self._lines):
            start, end = self._lines[target]
            self.cursor = min(start + self.cursor - self._lines[line][0], end - 1)

    def wrap(self, same: int = 0) -> None:
        """Pack the labels into lines, greedily.

        Args:
            same: the first label that changed; the lines before it stay as they are.
        """
        width = self.scrollable_content_region.width
        kept = self.line_of(same) if width == self._wrapped_width and same and self._lines else 0
        self._wrapped_width = width
        self._lines = self._lines[:kept]
        start, used = self._lines[-1][1] if kept else 0, 0
        for index in range(start, len(self.labels)):
            cells = self.labels[index][1]
            if used and used + cells > width:
                self._lines.append((start, index))
                start, used = index, 0
            used += cells
            if self.breaks_after(index):
                self._lines.append((start, index + 1))
                start, used = index + 1, 0
        if start < len(self.labels):
            self._lines.append((start, len(self.labels)))
        self.virtual_size = Size(width, len(self._lines) * ROWS_PER_LINE)
        self.refresh()

    def show_cursor(self) -> None:
        """Scroll to the cursor; paint its line, and the one it has left."""
        if not self._lines:
            return
        left, self._cursor_line = self._cursor_line, self.line_of(self.cursor)
        region = Region(0, self._cursor_line * ROWS_PER_LINE, 1, ROWS_PER_LINE)
        self.scroll_to_region(region, animate=False, force=True)  # also before there is a scrollbar
        for line in {left, self._cursor_line}:
            self.refresh_lines(line * ROWS_PER_LINE, ROWS_PER_LINE)

    def at_row(self, y: int) -> tuple[range, int]:
        """The labels of a row of the view, and which row of their line it is; none below the last line."""
        line, row = divmod(y + self.scroll_offset.y, ROWS_PER_LINE)
        return (range(*self._lines[line]) if line < len(self._lines) else range(0)), row

    def line_of(self, index: int) -> int:
        """The line that holds a label."""
        low, high = 0, len(self._lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._lines[middle][0] <= index else (low, middle - 1)
        return low
