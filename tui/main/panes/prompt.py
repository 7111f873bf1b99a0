"""The prompt: a multi-line editor in which Enter runs and ctrl+j adds a line."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui.widgets.fields import Area


class PromptPane(Area):
    """Where the prompt is written. What was run stays selected, ready to edit or to type over."""

    class PromptChanged(Message):
        """The prompt has a new text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class RunRequested(Message):
        """The user wants the prompt continued."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "run", "Run", tooltip="Let the model continue the prompt"),
        Binding("ctrl+j", "add_line", "New line", tooltip="Add a line to the prompt", show=False),
    ]

    HELP = """\
# Prompt

The text the model continues. A base model such as GPT-2 was trained only to guess the next token, so it writes on \
from where you stop; it does not answer questions unless the text before makes an answer likely.

Enter runs, ctrl+j adds a line, pasted text keeps its lines. ctrl+r runs the last prompt again with a new seed, \
ctrl+n lets the model write on, Esc stops it.
"""

    def __init__(self, text: str = "", *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(
            text,
            id=id,
            soft_wrap=True,
            tab_behavior="focus",
            highlight_cursor_line=False,
            placeholder="Type a prompt, for example: Once upon a time",
        )
        self.border_title = "Prompt"
        self.border_subtitle = "Enter runs · ctrl+j new line"

    async def _on_key(self, event: events.Key) -> None:
        """Take Enter and ctrl+j in their turn: keys come in bursts, and a priority binding would overtake letters."""
        actions = {"enter": self.action_run, "ctrl+j": self.action_add_line}
        if event.key in actions:
            event.stop()
            event.prevent_default()
            actions[event.key]()
            return
        await super()._on_key(event)

    def action_run(self) -> None:
        """Ask for a run."""
        self.post_message(self.RunRequested(self.text))

    def action_add_line(self) -> None:
        """Insert a newline at the cursor."""
        self.insert("\n")

    @on(TextArea.Changed)
    def _tell_change(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(self.PromptChanged(self.text))
