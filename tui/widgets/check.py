"""A checkbox that shows what it is without colour: a tick, or nothing."""

from __future__ import annotations

from textual.widgets import Checkbox


class Check(Checkbox):
    """A tick when on, blank when off."""

    def watch_value(self) -> None:
        """Draw the tick, or take it away."""
        self.BUTTON_INNER = "✓" if self.value else " "
        super().watch_value()

    def on_mount(self) -> None:
        """Draw the first state."""
        self.BUTTON_INNER = "✓" if self.value else " "
