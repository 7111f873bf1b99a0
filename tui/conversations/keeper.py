"""Keeps the conversation in its file as it grows, and brings earlier ones back: the last at start, others when chosen.

Invariant: a run's place among the kept ones is its number in the file. What cannot be saved is said once; the app goes
on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.errors import EngineError
from core.messages.protocol import Event, RunStarted
from tui.host import Host
from tui.transcript.kept_run import KeptRun, ShownTurn
from tui.transcript.turn import Turn

if TYPE_CHECKING:
    from core.history.conversation_file import ConversationFile, Place
    from tui.conversations.dialog import ConversationsDialog
    from tui.conversations.restoring import Restored

# Reading and writing files is imported where it is done: the first frame needs neither.


class RunsToKeep(Protocol):
    """The runs of the conversation on the screen, as far as they are kept and replaced."""

    listener: Callable[[KeptRun, Event], None]
    """Told of every event of a run."""

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way, or asked for."""

    def bring_back(self, kept: Sequence[KeptRun], turn: Turn | None) -> None:
        """Take these runs in the place of those that are there; `turn` is the last one's."""


class Transcript(Protocol):
    """Where the turns of a conversation are shown."""

    def show_turns(self, turns: Sequence[Turn], hidden: int, note: str) -> None:
        """Show turns in the place of those that are there, with how many are hidden before them and a line below."""

    async def add_older(self, turns: Sequence[Turn], hidden: int) -> None:
        """Show older turns above those that are there, with how many are still hidden."""

    def clear(self) -> None:
        """Forget every turn."""


class Conversations:
    """The conversation on the screen and its file."""

    def __init__(self, host: Host, runs: RunsToKeep, transcript: Transcript, *, restore: bool) -> None:
        """Listen to the runs.

        Args:
            host: the screen.
            runs: those that are kept.
            transcript: where their turns are shown.
            restore: whether the last conversation is shown again.
        """
        self._host = host
        self._runs = runs
        self._transcript = transcript
        self._restore = restore
        self._file: ConversationFile | None = None
        self._restored: Restored | None = None
        self._saving = True
        self._turns: dict[ShownTurn, int] = {}
        """The turns of the file with their numbers."""
        runs.listener = self._record

    def begin(self) -> None:
        """Show the last conversation again, unless a run was quicker."""
        from core.history.conversation_file import ConversationInUseError
        from core.history.conversation_list import conversation_paths  # see the top
        from core.locations import conversations_folder

        if not self._restore or self._runs.is_busy:
            return
        try:
            newest = conversation_paths(conversations_folder())[:1]
            if newest:
                self._show(newest[0])
        except ConversationInUseError:
            self._host.tell("The last conversation is open in another nlp-tui; this one is new.")
        except (EngineError, OSError) as error:
            self._host.tell(f"{_describe(error)}. This conversation is new.", failed=True)

    def dialog(self) -> ConversationsDialog:
        """The list, to search and delete conversations; what is chosen there goes to `open`."""
        from core.locations import conversations_folder  # see the top
        from tui.conversations.dialog import ConversationsDialog

        current = self._file.path if self._file is not None else None
        return ConversationsDialog(conversations_folder(), current, self._release)

    def new(self) -> bool:
        """Begin a new conversation; False while a run is writing."""
        if self._runs.is_busy:
            self._host.tell("Still writing; Esc stops it.")
            return False
        self.close()
        self._saving = True
        self._runs.bring_back((), None)
        self._transcript.clear()
        self._host.go_to_prompt()
        return True

    async def show_older(self) -> None:
        """Show the turns before those that are there."""
        if self._restored is None:
            return
        try:
            page = self._restored.next_page()
        except (EngineError, OSError) as error:
            self._host.tell(_describe(error), failed=True)
            return
        await self._transcript.add_older(page, len(self._restored.hidden))

    def fill(self, run: KeptRun) -> None:
        """Have everything there that was recorded of a run of a turn that is not shown yet."""
        try:
            if self._restored is not None:
                self._restored.fill(run)
        except (EngineError, OSError) as error:
            self._host.tell(_describe(error), failed=True)

    def close(self) -> None:
        """Let go of the file."""
        self._saving = False
        if self._file is not None:
            self._file.close()
        self._file = self._restored = None
        self._turns = {}

    def open(self, path: Path | None) -> None:
        """Go on with the conversation that was chosen."""
        if path is None or (self._file is not None and path == self._file.path):
            return
        if self._runs.is_busy:
            self._host.tell("Still writing; Esc stops it.")
            return
        try:
            self._show(path)
        except (EngineError, OSError) as error:
            self._host.tell(_describe(error), failed=True)

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
        self._runs.bring_back(restored.kept, restored.last_turn)
        note = f"↑ saved {changed:%Y-%m-%d %H:%M} · ctrl+t begins a new conversation"
        self._transcript.show_turns(page, len(restored.hidden), note)
        self._host.go_to_prompt()

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
        self._host.tell(
            f"This conversation is saved no further: {reason} ({conversations_folder()}). The app goes on; once that "
            "is mended, ctrl+t begins one that is saved.",
            failed=True,
        )


def _describe(error: EngineError | OSError) -> str:
    """An error as one sentence without its full stop."""
    if isinstance(error, EngineError):
        return f"{error.message}; {error.hint}" if error.hint else error.message
    return f"{error.filename or 'The conversations'} cannot be used: {error.strerror or error}"
