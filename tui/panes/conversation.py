"""The conversation: every prompt with what the model made of it, the newest at the bottom."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.text import visible


class Turn(Static):
    """One prompt, the texts written after it, and a line about the run."""

    def __init__(self, prompt: str, note: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.outputs: list[str] = [""]
        """One text for each sequence; kept when a run fails or is stopped."""
        self._note = note
        self._failed = False

    def on_mount(self) -> None:
        """Paint the prompt at once."""
        self._paint()

    @property
    def text(self) -> str:
        """The prompt and the first continuation, as a next run would read them."""
        return self.prompt + self.outputs[0]

    def expect(self, sequences: int) -> None:
        """Make room for several continuations."""
        self.outputs = [*self.outputs, *[""] * sequences][:sequences]

    def append(self, sequence: int, text: str) -> None:
        """Add text to one continuation; `note` or `repaint` paints it."""
        self.outputs[sequence] += text

    def repaint(self) -> None:
        """Paint what was appended."""
        self._paint()

    def note(self, text: str, *, failed: bool = False) -> None:
        """Replace the line about the run."""
        self._note, self._failed = text, failed
        self._paint()

    def _paint(self) -> None:
        several = len(self.outputs) > 1
        prompt = (visible(self.prompt, layout=True), "bold $text-accent")
        parts: list[Content | str | tuple[str, str]] = []
        for number, output in enumerate(self.outputs, start=1):
            parts.append((f"{number} ", "$text-muted") if several else "")
            parts += [prompt, visible(output, layout=True), "\n"]
        style = "$text-error" if self._failed else "$text-muted"
        self.update(Content.assemble(*parts, (visible(self._note), style)))


class ConversationPane(VerticalScroll, can_focus=True):
    """All turns of this sitting."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
    ]

    HELP = """\
# Conversation

Each prompt (bold) with the text the model wrote after it, token by token. GPT-2 looks only backwards: each new token \
is drawn from the probabilities it gives after everything before.

A line under each turn says why it ended: *eos* (the model chose its end token), *length* (max_new_tokens), a stop \
string, the context limit, or you.
"""

    def compose(self) -> ComposeResult:
        """An empty conversation says what to do."""
        self.border_title = "Conversation"
        yield Static("Type a prompt below and press Enter. F1 explains the pane you are in.", id="conversation-empty")

    def add_turn(self, prompt: str, note: str) -> Turn:
        """Begin a turn at the bottom and show it."""
        self.query("#conversation-empty").remove()
        turn = Turn(prompt, note)
        self.mount(turn)
        self.anchor()
        return turn

    def clear(self) -> None:
        """Forget every turn."""
        self.query(Turn).remove()
