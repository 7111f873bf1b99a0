"""The pane: would be `tui/lab/reversal/pane.py`."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Static

from core.lab.records import Answer, Question
from tests.toy.topic.reversal import Reverse, Reversed
from tui.lab.pane import LabPane
from tui.widgets.fields import Field


class ReversalPane(LabPane):
    """A text in, the same backwards out."""

    HELP = "# Backwards\n\nA text. Read from its end. No model needed.\n"

    text = query_one("#reversal-text", Input)
    answer = query_one("#reversal-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The text and the answer."""
        yield Field("abc", id="reversal-text", compact=True)
        yield Static("", id="reversal-answer")

    def question(self) -> Question | None:
        """Ask about the text."""
        return Reverse(self.text.value)

    def show_answer(self, answer: Answer) -> None:
        """Show the text backwards."""
        assert isinstance(answer, Reversed)
        self.answer.update(Content(answer.text))

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.ask_soon()
