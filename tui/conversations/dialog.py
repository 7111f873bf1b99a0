"""The list of conversations: newest first, searched while typing; Enter opens, d deletes, u brings back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from core.errors import EngineError
from core.history.conversation_list import (
    Summary,
    bring_back_conversation,
    conversation_paths,
    summary_of,
    trash_conversation,
)
from core.text.visible import visible
from tui.widgets.fields import Field

PROBLEMS_SHOWN = 3
"""How many files that cannot be used are named."""


class ConversationsDialog(ModalScreen[Path | None]):
    """Chooses a conversation; None when closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close"),
        Binding("down", "enter_list", "To the list", show=False),
        Binding("d,delete", "delete", "Delete", show=False),
        Binding("u", "undo", "Undo", show=False),
    ]

    filter = query_one(Input)
    rows = query_one(OptionList)

    def __init__(self, folder: Path, current: Path | None, release: Callable[[Path], bool]) -> None:
        """Prepare the list.

        Args:
            folder: where the conversations are.
            current: the one on the screen, if it has a file.
            release: lets go of one that shall be deleted; False when that must not be.
        """
        super().__init__()
        self._folder, self._current, self._release = folder, current, release
        self._found: list[Summary] = []
        self._problems: list[str] = []
        self._trashed: list[tuple[Path, str]] = []
        """What was deleted here, with its title, the last at the end."""

    def compose(self) -> ComposeResult:
        """What to search for, the list, what was done, and the keys."""
        with Vertical(classes="dialog"):
            yield Field(placeholder="Type to search titles and texts", compact=True)
            yield OptionList(compact=True)
            yield Static("reading…", id="conversations-note")
            yield Static("", id="conversations-problems")
            yield Static("Enter opens · ↓ goes to the list: d deletes, u brings back · Esc closes", classes="hint")

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one(".dialog").border_title = "Conversations"
        self.read()

    @work(exclusive=True, exit_on_error=False)
    async def read(self) -> None:
        """Read all conversations, in a thread, one after the other."""
        found: list[Summary] = []
        problems: list[str] = []
        try:
            for path in conversation_paths(self._folder):
                try:
                    found.append(await asyncio.to_thread(summary_of, path))
                except EngineError as error:
                    problems.append(error.message)
                except FileNotFoundError:
                    continue  # it went to the trash meanwhile
                except OSError as error:
                    problems.append(f"{path.name}: {error.strerror or error}")
        except OSError as error:
            problems.append(f"{self._folder} cannot be read: {error.strerror or error}")
        self._found, self._problems = [one for one in found if one.turns], problems
        self._show_rows()
        self.say("" if self._found else "no conversation is saved yet: each run saves itself")
        self._show_problems()

    def say(self, text: str) -> None:
        """Say what was done."""
        self.query_one("#conversations-note", Static).update(Content(visible(text)))

    @on(Input.Changed)
    def _search(self, event: Input.Changed) -> None:
        event.stop()
        self.say("")
        self._show_rows()

    @on(Input.Submitted)
    def _open_first(self, event: Input.Submitted) -> None:
        event.stop()
        if (chosen := self._highlighted()) is not None:
            self.dismiss(chosen.path)

    @on(OptionList.OptionSelected)
    def _open(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(Path(event.option.id or ""))

    def action_enter_list(self) -> None:
        """Go from the search to the rows."""
        self.rows.focus()

    def action_delete(self) -> None:
        """Move the row's conversation to the trash."""
        chosen = self._highlighted()
        if chosen is None:
            return
        try:
            if not self._release(chosen.path):
                self.say("still writing; close this and press Esc, which stops it")
                return
            trashed = trash_conversation(chosen.path)
        except (EngineError, OSError) as error:
            self.say(_what(error))
            return
        self._trashed.append((trashed, chosen.header.title))
        self.rows.focus()
        self._found.remove(chosen)
        self._show_rows()
        self.say(f"“{chosen.header.title}” is in {trashed.parent.name}/; u brings it back")

    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        if not self._trashed:
            self.say("nothing was deleted here")
            return
        trashed, title = self._trashed[-1]
        try:
            back = summary_of(bring_back_conversation(trashed))
        except (EngineError, OSError) as error:
            self.say(_what(error))
            return
        self._trashed.pop()
        self._found = sorted([*self._found, back], key=lambda one: one.changed_s, reverse=True)
        self._show_rows()
        self.rows.highlighted = self.rows.get_option_index(str(back.path))
        self.say(f"“{title}” is back; Enter opens it")

    def _highlighted(self) -> Summary | None:
        option = self.rows.highlighted_option
        return next((one for one in self._found if option is not None and str(one.path) == option.id), None)

    def _show_rows(self) -> None:
        """List what matches, the cursor where it was."""
        wanted = self.filter.value.strip()
        place = self.rows.highlighted or 0
        matches = [one for one in self._found if one.matches(wanted)]
        self.rows.clear_options()
        self.rows.add_options([Option(self._row(one), id=str(one.path)) for one in matches])
        if matches:
            self.rows.highlighted = min(place, len(matches) - 1)
        elif self._found:
            self.say(f"nothing holds “{wanted}”")

    def _row(self, one: Summary) -> Content:
        changed = datetime.fromtimestamp(one.changed_s)
        turns = f"{one.turns:,} turn{' ' if one.turns == 1 else 's'}"
        mark = "▸ " if one.path == self._current else "  "
        title = visible(one.header.title)
        return Content.assemble((f"{mark}{changed:%Y-%m-%d %H:%M} {turns:>10}  ", "$text-muted"), title)

    def _show_problems(self) -> None:
        shown = "; ".join(self._problems[:PROBLEMS_SHOWN])
        more = len(self._problems) - PROBLEMS_SHOWN
        text = f"left as they are: {shown}{f' and {more:,} more' if more > 0 else ''}" if shown else ""
        self.query_one("#conversations-problems", Static).update(Content(visible(text)))


def _what(error: EngineError | OSError) -> str:
    return str(error) if isinstance(error, EngineError) else error.strerror or str(error)
