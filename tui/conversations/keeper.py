"""Keeps the conversation in its file as it grows, and brings earlier ones back: the last at start, others when chosen.

Invariant: a run's place in `Runs.kept` is its number in the file. What cannot be saved is said once; the app goes on.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import EngineError
from core.messages.protocol import Event, RunStarted
from tui.main.runs import KeptRun

if TYPE_CHECKING:
    from core.history.conversation_file import ConversationFile, Place
    from tui.conversations.restoring import Restored
    from tui.main.screen import MainScreen
    from tui.transcript.turn import Turn

# Reading and writing files is imported where it is done: the first frame needs neither.


class Conversations:
    """The conversation on the screen and its file."""

    def __init__(self, screen: MainScreen, *, restore: bool) -> None:
        """Listen to the runs.

        Args:
            screen: whose runs are kept.
            restore: whether the last conversation is shown again.
        """
        self._screen = screen
        self._restore = restore
        self._file: ConversationFile | None = None
        self._restored: Restored | None = None
        self._saving = True
        self._turns: dict[Turn, int] = {}
        """The turns of the file with their numbers."""
        screen.runs.listener = self._record

    def begin(self) -> None:
        """Show the last conversation again, unless a run was quicker."""
        from core.history.conversation_file import ConversationInUseError
        from core.history.conversation_list import conversation_paths  # see the top
        from core.locations import conversations_folder

        if not self._restore or self._busy():
            return
        try:
            newest = conversation_paths(conversations_folder())[:1]
            if newest:
                self._show(newest[0])
        except ConversationInUseError:
            self._notify("The last conversation is open in another nlp-tui; this one is new.")
        except (EngineError, OSError) as error:
            self._notify(f"{describe(error)}. This conversation is new.", failed=True)

    def show_list(self) -> None:
        """List, search, open and delete conversations."""
        from core.locations import conversations_folder  # see the top
        from tui.conversations.dialog import ConversationsDialog

        current = self._file.path if self._file is not None else None
        dialog = ConversationsDialog(conversations_folder(), current, self._release)
        self._screen.app.push_screen(dialog, self._open)

    def new(self) -> bool:
        """Begin a new conversation; False while a run is writing."""
        if self._busy():
            self._notify("Still writing; Esc stops it.")
            return False
        self.close()
        self._saving = True
        self._screen.runs.bring_back(())
        self._screen.conversation.clear()
        self._screen.action_back()
        return True

    async def show_older(self) -> None:
        """Show the turns before those that are there."""
        if self._restored is None:
            return
        try:
            page = self._restored.next_page()
        except (EngineError, OSError) as error:
            self._notify(describe(error), failed=True)
            return
        await self._screen.conversation.add_older(page, len(self._restored.hidden))

    def fill(self, run: KeptRun) -> None:
        """Have everything there that was recorded of a run of a turn that is not shown yet."""
        try:
            if self._restored is not None:
                self._restored.fill(run)
        except (EngineError, OSError) as error:
            self._notify(describe(error), failed=True)

    def close(self) -> None:
        """Let go of the file."""
        self._saving = False
        if self._file is not None:
            self._file.close()
        self._file = self._restored = None
        self._turns = {}

    def _open(self, path: Path | None) -> None:
        """Go on with the conversation that was chosen."""
        if path is None or (self._file is not None and path == self._file.path):
            return
        if self._busy():
            self._notify("Still writing; Esc stops it.")
            return
        try:
            self._show(path)
        except (EngineError, OSError) as error:
            self._notify(describe(error), failed=True)

    def _release(self, path: Path) -> bool:
        """Let go of a conversation that shall be deleted; False while a run is writing into it."""
        return self._file is None or path != self._file.path or self.new()

    def _show(self, path: Path) -> None:
        """Show a conversation in the place of this one, which stays when that fails.

        Raises:
            EngineError: it is in use or damaged.
            OSError: it cannot be read.
        """
        from core.history.conversation_file import ConversationFile
        from core.history.conversation_reader import read_conversation  # see the top
        from tui.conversations.restoring import Restored

        changed = datetime.fromtimestamp(path.stat().st_mtime)
        file = ConversationFile.open(path)
        try:
            restored = Restored(read_conversation(file))
            page = restored.next_page()
        except (EngineError, OSError):
            file.close()
            raise
        self.close()
        self._saving, self._file, self._restored = True, file, restored
        self._turns = {turn: number for number, turn in restored.turns.items()}
        self._screen.runs.bring_back(restored.kept)
        note = f"↑ saved {changed:%Y-%m-%d %H:%M} · ctrl+t begins a new conversation"
        self._screen.conversation.show_turns(page, len(restored.hidden), note)
        self._screen.action_back()

    def _record(self, run: KeptRun, event: Event) -> None:
        """Append an event of a run."""
        from core.history.conversation_file import run_line, saved_line  # see the top

        if not self._saving:
            return
        line = run_line(event, self._place(run)) if isinstance(event, RunStarted) else saved_line(event)
        file = self._file or self._create(run)
        if file is None or line is None:
            return
        file.append(line)
        if file.problem:
            self._give_up(file.problem)

    def _place(self, run: KeptRun) -> Place:
        from core.history.conversation_file import Place  # see the top

        continues = run.turn in self._turns
        turn = self._turns.setdefault(run.turn, max(self._turns.values(), default=-1) + 1)
        shown = "" if continues or run.turn.prompt == run.prompt else run.turn.prompt
        return Place(turn, continues, shown, run.parent, run.parent_sequence, run.branch_at, run.taken)

    def _create(self, run: KeptRun) -> ConversationFile | None:
        from core.history.conversation_file import ConversationFile, title_of
        from core.locations import conversations_folder  # see the top

        try:
            self._file = ConversationFile.create(conversations_folder(), title_of(run.turn.prompt))
        except OSError as error:
            self._give_up(error.strerror or str(error))
        return self._file

    def _give_up(self, reason: str) -> None:
        from core.locations import conversations_folder  # see the top

        self._saving = False
        self._notify(
            f"This conversation is saved no further: {reason} ({conversations_folder()}). The app goes on; once that "
            "is mended, ctrl+t begins one that is saved.",
            failed=True,
        )

    def _busy(self) -> bool:
        """Whether a run is under way or asked for."""
        return any(worker.group == "generate" and not worker.is_finished for worker in self._screen.workers)

    def _notify(self, text: str, *, failed: bool = False) -> None:
        self._screen.notify(text, severity="error" if failed else "information", markup=False)


def describe(error: EngineError | OSError) -> str:
    """An error as one sentence without its full stop."""
    if isinstance(error, EngineError):
        return f"{error.message}; {error.hint}" if error.hint else error.message
    return f"{error.filename or 'The conversations'} cannot be used: {error.strerror or error}"
