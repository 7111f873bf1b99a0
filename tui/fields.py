"""Fields to write in, which show every character as one that can be seen and that no terminal obeys.

What is painted differs from what is held: the value keeps each character as it was pasted.
"""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Input, TextArea

from core.text import one_glyph_each


class Field(Input):
    """One line."""

    @property
    def _value(self) -> Text:  # what Textual paints; `highlighter` comes after characters have been dropped
        return Text(one_glyph_each(self.value), no_wrap=True, overflow="ignore", end="")


class Area(TextArea):
    """Several lines."""

    def get_line(self, line_index: int) -> Text:
        """One line as it is painted."""
        return Text(one_glyph_each(self.document.get_line(line_index)), end="", no_wrap=True)
