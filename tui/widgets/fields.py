"""Fields to write in, which show every character as one that can be seen and that no terminal obeys.

What is painted differs from what is held: the value keeps each character as it was pasted.
"""

from __future__ import annotations

import unicodedata

from rich.text import Text
from textual import events
from textual.widgets import Input, TextArea

from core.text.visible import one_glyph_each


def is_joiner(event: events.Key) -> bool:
    """Whether a key types a format character, such as the joiners of Persian and of emoji.

    Textual takes them for keys that type nothing.
    """
    character = event.character
    return character is not None and len(character) == 1 and unicodedata.category(character) == "Cf"


class Field(Input):
    """One line."""

    async def _on_key(self, event: events.Key) -> None:
        if is_joiner(event):
            event.stop()
            event.prevent_default()
            self.insert_text_at_cursor(event.character or "")
            return
        await super()._on_key(event)

    @property
    def _value(self) -> Text:  # what Textual paints; `highlighter` comes after characters have been dropped
        return Text(one_glyph_each(self.value), no_wrap=True, overflow="ignore", end="")


class Area(TextArea):
    """Several lines."""

    async def _on_key(self, event: events.Key) -> None:
        if is_joiner(event):
            event.stop()
            event.prevent_default()
            self.insert(event.character or "")
            return
        await super()._on_key(event)

    def get_line(self, line_index: int) -> Text:
        """One line as it is painted."""
        return Text(one_glyph_each(self.document.get_line(line_index)), end="", no_wrap=True)
