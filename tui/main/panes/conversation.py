"""The conversation: every prompt with what the model made of it, the newest at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from tui.transcript.turn import Turn


class ConversationPane(VerticalScroll, can_focus=True):
    """The turns of a conversation; those before the newest ones come when they are scrolled to."""

    class OlderWanted(Message):
        """The user wants to see the turns before those that are here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("y", "app.take('conversation')", "Copy", show=False),
    ]

    HELP = """\
# Conversation

Each prompt (bold) with the text the model wrote after it, token by token. GPT-2 looks only backwards: each new token \
is drawn from the probabilities it gives after everything before.

A model with a chat template answers instead: what you write is a turn, and the earlier turns are read with it. The \
status line says which: *chat* or *continues*.

Several sequences (num_return_sequences) stand side by side, each going on from the same prompt. *log p* is the sum of \
ln p of a sequence's tokens, by the model's own probabilities: nearer 0 is likelier, and a longer text has more to add \
up. **F9** shows one token by token, `,` and `.` go to the next. **ctrl+n** writes on after #1.

A line under each turn says why it ended: *eos* (the model chose its end token), *length* (max_new_tokens), a stop \
string, the context limit, or you. Settings that change while it writes act from the next token; ⟲ marks where.

**y** copies the last output; ctrl+p has more to copy, and *Export…*: one run, or all of them with their branches.

Everything is saved as it is written, and the last conversation is there again at the next start. **ctrl+l** lists, \
searches and deletes conversations, **ctrl+t** begins a new one; **Home** brings turns that are not shown yet.
"""

    hidden_turns = reactive(0, init=False)
    """How many older turns are not here yet."""

    _following = True
    _asked = False

    def compose(self) -> ComposeResult:
        """An empty conversation says what to do."""
        self.border_title = "Conversation"
        older = Static("", id="conversation-older")
        older.display = False
        yield older
        yield Static("Type a prompt below and press Enter. F1 explains the pane you are in.", id="conversation-empty")

    def add_turn(self, prompt: str, note: str) -> Turn:
        """Begin a turn at the bottom and show it."""
        turn = Turn(prompt, note)
        self._following = True
        self.query_one("#conversation-empty").display = False
        self.mount(turn)
        return turn

    def show_turns(self, turns: Sequence[Turn], hidden: int, note: str) -> None:
        """Show a conversation of an earlier sitting in the place of this one.

        Args:
            turns: its newest.
            hidden: how many there are before them.
            note: a line under them.
        """
        self.clear()
        self.hidden_turns = hidden
        self._following = True
        self.query_one("#conversation-empty").display = not turns
        self.mount(*turns, Static(Content(note), classes="sitting"))

    async def add_older(self, turns: Sequence[Turn], hidden: int) -> None:
        """Show older turns above those that are here, which stay where they are on the screen."""
        self._following = False
        below = self.virtual_size.height - self.scroll_offset.y
        await self.mount(*turns, after="#conversation-older")
        self.hidden_turns = hidden
        self.call_after_refresh(self._stand_above_bottom, below)

    def _stand_above_bottom(self, below: int) -> None:
        self.scroll_to(y=self.virtual_size.height - below, animate=False, force=True)
        self._asked = False

    def watch_hidden_turns(self, hidden: int) -> None:
        """Say how many turns are not here."""
        older = self.query_one("#conversation-older", Static)
        older.display = bool(hidden)
        older.update(Content(f"↑ {hidden:,} older turn{'' if hidden == 1 else 's'}: Home, or scroll up"))

    def watch_virtual_size(self) -> None:
        """Stay at the bottom while text comes, unless the user has scrolled up."""
        if self._following:
            self.scroll_end(animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow again once the bottom is reached; ask for older turns at the top."""
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y
        if new_value <= 0 < old_value:
            self._ask_for_older()

    def action_scroll_home(self) -> None:
        """Go to the top; from there, to older turns."""
        if self.scroll_y <= 0:
            self._ask_for_older()
        super().action_scroll_home()

    def action_scroll_up(self) -> None:
        """Go up a line; from the top, to older turns."""
        if self.scroll_y <= 0:
            self._ask_for_older()
        super().action_scroll_up()

    def clear(self) -> None:
        """Forget every turn."""
        self.query("Turn, .sitting").remove()
        self.hidden_turns = 0
        self._asked = False
        self.query_one("#conversation-empty").display = True

    def _ask_for_older(self) -> None:
        if self.hidden_turns and not self._asked:
            self._asked = True
            self.post_message(self.OlderWanted())
