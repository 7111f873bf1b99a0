"""The conversation: every prompt with what the model made of it, the newest at the bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import Static

from core.records import FinishReason, RunStats
from core.text import visible

REPAINT_S = 0.05
"""How often streamed text is painted at most."""

RETUNED = "⟲"
"""Stands where other settings began to act."""

PROMPT_SHOWN = 2_000
"""How many characters of a long prompt are painted: its end."""


class Turn(Static):
    """One prompt, the texts written after it, and a line about the run."""

    def __init__(self, prompt: str, note: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.outputs: list[str] = [""]
        """One text for each sequence; kept when a run fails or is stopped."""
        self.is_chat = False
        """Whether the outputs are answers, which stand below the prompt, and no continuation of it."""
        self._written_before = ""
        self._retuned_at: list[list[int]] = []
        """Where other settings began to act: for each time, the length of each output."""
        self._note = note
        self._failed = False
        self._painted_s = 0.0
        self._paint_later: Timer | None = None

    def on_mount(self) -> None:
        """Paint the prompt at once."""
        if not self._painted_s:
            self._paint()

    @property
    def text(self) -> str:
        """The prompt and the first continuation, as a next run would read them."""
        return self.prompt + self.outputs[0]

    def begin(self, sequences: int, note: str) -> None:
        """A run starts: every sequence goes on after what the first one wrote before."""
        self._written_before = self.outputs[0]
        self.outputs = [self._written_before] * sequences
        self.note(note)

    def append(self, sequence: int, text: str) -> None:
        """Add text to one continuation; it is painted at once, or soon when something was painted just now."""
        self.outputs[sequence] += text
        if self._paint_later is None:
            wait_s = self._painted_s + REPAINT_S - time.monotonic()
            if wait_s <= 0:
                self._paint()
            else:
                self._paint_later = self.set_timer(wait_s, self._paint)

    def mark_retune(self) -> None:
        """Show where other settings begin to act."""
        self._retuned_at.append([len(output) for output in self.outputs])
        self._paint()

    def finish(self, sequence: int, text: str) -> None:
        """One continuation is complete: this is all that the run added to it."""
        self.outputs[sequence] = self._written_before + text

    def recall(self, outputs: Sequence[str], retuned_at: Sequence[Sequence[int]], note: str) -> None:
        """Show what was written in an earlier sitting.

        Args:
            outputs: one text for each sequence.
            retuned_at: where other settings began to act: for each time, the length of each output.
            note: the line about the run.
        """
        self.outputs = list(outputs)
        self._retuned_at = [list(lengths) for lengths in retuned_at]
        self.note(note)  # before it is mounted, so that it has its height from the first layout on

    def note(self, text: str, *, failed: bool = False) -> None:
        """Replace the line about the run, and paint."""
        self._note, self._failed = text, failed
        self._paint()

    def _paint(self) -> None:
        if self._paint_later is not None:
            self._paint_later.stop()
            self._paint_later = None
        self._painted_s = time.monotonic()
        hidden = len(self.prompt) - PROMPT_SHOWN
        before = f"… {hidden:,} characters before …\n" if hidden > 0 else ""
        prompt = visible(self.prompt[-PROMPT_SHOWN:], layout=True)
        prompt += "\n" * self.is_chat
        parts: list[Content | str | tuple[str, str]] = []
        for number, output in enumerate(self.outputs, start=1):
            parts.append((f"{number} " if len(self.outputs) > 1 else "", "$text-muted"))
            parts += [(before, "$text-muted"), (prompt, "bold $text-accent"), *self._marked(number - 1, output), "\n"]
        style = "$text-error" if self._failed else "$text-muted"
        self.update(Content.assemble(*parts, (visible(self._note), style)))

    def _marked(self, number: int, output: str) -> list[str | tuple[str, str]]:
        """One output, with a sign wherever other settings began to act."""
        places = [lengths[number] for lengths in self._retuned_at if number < len(lengths)]
        bounds = [0, *places, len(output)]
        parts: list[str | tuple[str, str]] = []
        for start, end in pairwise(bounds):
            parts += [
                (RETUNED, "$text-warning") if start in places and start else "",
                visible(output[start:end], layout=True),
            ]
        return parts


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

A line under each turn says why it ended: *eos* (the model chose its end token), *length* (max_new_tokens), a stop \
string, the context limit, or you. Settings that change while it writes act from the next token; ⟲ marks where.

**y** copies the last output; ctrl+p has more to copy, and an export.

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


def describe_ending(reason: FinishReason, stats: RunStats) -> str:
    """Why a run ended, and what can be done then."""
    tokens = f"{stats.new_tokens} token{'' if stats.new_tokens == 1 else 's'}"
    match reason:
        case FinishReason.CONTEXT:
            return f"{tokens} · context full ({stats.n_positions:,} positions), ctrl+n goes on with its end"
        case FinishReason.CANCELLED:
            return f"{tokens} · stopped by you, ctrl+n writes on"
        case _:
            return f"{tokens} · ended by {reason}"
