"""Several continuations of one text side by side: a column each, under its number and its running log-probability.

Knows texts and tallies, no engine. A text that comes grows in its own column; the screen is laid out anew only when a
column needs another line.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import ItemGrid, Vertical
from textual.content import Content
from textual.widgets import Static

from core.text.visible import visible
from tui.transcript.run_numbers import signed
from tui.transcript.tally import Tally

MIN_COLUMN_CELLS = 24
"""No column is narrower, its rule included; those that do not fit stand in a next row."""


def heading(number: int, tally: Tally) -> str:
    """What stands over a column: `#2 · log p −23.4 · 18 tokens`.

    Args:
        number: of the sequence, from 1.
        tally: of the sequence.
    """
    parts = [f"#{number}"]
    if tally.score is not None:
        parts.append(f"beam score {signed(tally.score)}")
    elif tally.tokens:
        parts.append(f"log p {signed(tally.logprob)}")
    if tally.tokens:
        parts.append(f"{tally.tokens:,} token{'' if tally.tokens == 1 else 's'}")
    return " · ".join(parts)


def column_content(number: int, tally: Tally, text: Sequence[str | tuple[str, str]]) -> Content:
    """A column: heading, text, and how it ended.

    Args:
        number: of the sequence, from 1.
        tally: of the sequence.
        text: its parts, safe to show, with their styles.
    """
    parts: list[str | tuple[str, str]] = [(heading(number, tally), "bold"), "\n", *text]
    if tally.ending:
        parts.append((f"\n■ {visible(tally.ending)}", "$text-muted"))
    return Content.assemble(*parts)


class LiveText(Static):
    """A text that grows: it is laid out anew only when it no longer fits where it stands."""

    def show(self, content: Content) -> None:
        """Replace the text."""
        size = self.content_size
        if not size.width:
            self.update(content)
            return
        lines, before = (one.get_height(self.styles.get_rules(), size.width) for one in (content, self.visual))
        stays = before <= lines <= size.height
        self.clear_cached_dimensions()
        self.update(content, layout=not stays)


class SideBySide(Vertical):
    """What several sequences share, a column for each, and a line about the run."""

    DEFAULT_CSS = """
    SideBySide, SideBySide > ItemGrid { height: auto; }
    SideBySide .column { width: 1fr; border-left: vkey $panel-lighten-2; padding-left: 1; }
    """

    def __init__(self, shared: Content, columns: Sequence[Content], note: Content) -> None:
        """Make a column for each content.

        Args:
            shared: what every sequence goes on after.
            columns: as `column_content` makes them.
            note: the line about the run.
        """
        self._shared, self._note = LiveText(shared), LiveText(note)
        self._columns = [LiveText(content, classes="column") for content in columns]
        # As many columns as fit stand in a row; each has its own height, so that only its own lines are painted anew.
        grid = ItemGrid(*self._columns, min_column_width=MIN_COLUMN_CELLS, stretch_height=False)
        super().__init__(self._shared, grid, self._note)

    def show(self, number: int, content: Content) -> None:
        """Replace what one column shows.

        Args:
            number: of the column, from 0.
            content: as `column_content` makes it.
        """
        self._columns[number].show(content)

    def show_around(self, shared: Content, note: Content) -> None:
        """Replace what stands over and under the columns."""
        self._shared.show(shared)
        self._note.show(note)
