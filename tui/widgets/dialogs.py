"""The dialogs: help, a choice between two ways, a name to type. Esc always closes."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from core.text.visible import visible
from tui.widgets.fields import Field


class HelpDialog(ModalScreen[None]):
    """What the focused pane is for, and the keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter", "dismiss", "Close")]

    def __init__(self, help_text: str, keys: str) -> None:
        """Make the dialog.

        Args:
            help_text: of the pane, in Markdown.
            keys: a table of the keys, which stands below it.
        """
        super().__init__()
        self._help_text, self._keys = help_text, keys

    def compose(self) -> ComposeResult:
        """The text, in a frame that scrolls."""
        from textual.widgets import Markdown  # its parser is not needed for the first frame

        with VerticalScroll(classes="dialog"):
            yield Markdown(f"{self._help_text}\n{self._keys}")


class ChoiceDialog(ModalScreen[bool]):
    """A question with two answers; True for the first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Close")]

    def __init__(self, question: str, yes: str, no: str) -> None:
        super().__init__()
        self._question, self._yes, self._no = question, yes, no

    def compose(self) -> ComposeResult:
        """The question over its answers."""
        with Vertical(classes="dialog -small"):
            yield Static(Content(visible(self._question)))
            with Horizontal(classes="answers"):
                yield Button(self._yes, id="yes", variant="primary")
                yield Button(self._no, id="no")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")


class NameDialog(ModalScreen[str]):
    """Asks for a line of text; empty when closed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Close")]

    def __init__(self, question: str, placeholder: str) -> None:
        super().__init__()
        self._question, self._placeholder = question, placeholder

    def compose(self) -> ComposeResult:
        """The question over an input."""
        with Vertical(classes="dialog -small"):
            yield Static(Content(self._question))
            yield Field(placeholder=self._placeholder)

    @on(Input.Submitted)
    def _answer(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip())
