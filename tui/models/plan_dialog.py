"""What a download would bring, and whether it shall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from core.text.visible import visible


class PlanDialog(ModalScreen[bool]):
    """The plan over its two answers; True to download."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "Close"),
        Binding("left,right,up,down", "app.focus_next", "Other answer", show=False),
    ]

    def __init__(self, lines: Sequence[str], size: str) -> None:
        """Prepare the question.

        Args:
            lines: the plan.
            size: what would be downloaded, readable.
        """
        super().__init__()
        self._lines, self._what = lines, size

    def compose(self) -> ComposeResult:
        """The plan over its answers."""
        with Vertical(classes="dialog -small", id="plan"):
            yield Static(Content("\n".join(map(visible, self._lines))), id="plan-lines")
            with Horizontal(classes="answers"):
                yield Button(f"Download {self._what}", id="yes", variant="primary")
                yield Button("Not now", id="no")

    def on_mount(self) -> None:
        """Name the frame."""
        self.query_one("#plan").border_title = "Download?"

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")
