"""Verifying, deleting and bringing back models, for the Models screen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from core.errors import EngineError
from core.models.hub.cache import split_revision
from core.models.hub.refusals import size_text
from core.models.registry import STARTERS, ResolvedModel, Source, weight_files
from core.models.trash import bring_back, folder_bytes, move_to_trash, trashed_names
from core.models.verifying import FileCheck, FileState, check_files
from tui.models.board import Board
from tui.models.rows import ModelRow
from tui.widgets.bars import bar

_BAR_CELLS = 20
TICK_S = 0.1
"""How often it is said how far a verification is."""
BAD_SHOWN = 4
"""How many damaged files are named."""


class _StoppedError(Exception):
    """The user has seen enough."""


@dataclass(slots=True)
class _Reading:
    """A verification under way; its thread counts what it reads and looks whether it shall go on."""

    name: str
    total_bytes: int = 0
    read_bytes: int = 0
    stopped: bool = False

    def count(self, count: int) -> None:
        """Called in the thread."""
        self.read_bytes += count
        if self.stopped:
            raise _StoppedError

    def __str__(self) -> str:
        share = min(1.0, self.read_bytes / self.total_bytes) if self.total_bytes else 0.0
        read = f"{size_text(self.read_bytes)} of {size_text(self.total_bytes)} read"
        return f"verifying {self.name}  {bar(share, _BAR_CELLS)} {share:.0%}, {read} · Esc stops it"


class ModelCare:
    """What the keys v, d and u do."""

    def __init__(self, board: Board, tick_s: float = TICK_S) -> None:
        self._board = board
        self._tick_s = tick_s
        self._deleted: list[str] = []
        """What was deleted here, the last at the end."""
        self._reading: _Reading | None = None

    # -- verify -------------------------------------------------------------------------------------------------------

    @property
    def verifying(self) -> str:
        """The model that is being verified; empty when none is."""
        return "" if self._reading is None else self._reading.name

    def stop(self) -> bool:
        """End the verification; False when there is none."""
        if self._reading is None:
            return False
        self._reading.stopped = True
        return True

    async def verify(self, row: ModelRow) -> None:
        """Compare a model's files with their hashes, in a thread, and say which are bad."""
        if self._reading is not None:
            self._board.say(f"{self.verifying} is being verified; Esc stops it", failed=True)
            return
        reading = self._reading = _Reading(row.name)
        ticking = self._board.work(self._tick(reading), "verifying")
        try:
            reading.total_bytes = await asyncio.to_thread(_size_to_check, row.model)
            checks = await asyncio.to_thread(lambda: list(check_files(row.model, reading.count)))
            self._report(row, checks)
        except _StoppedError:
            self._board.say(f"stopped; {row.name} was not verified to the end")
        except EngineError as error:
            self._board.say(str(error), failed=True)
        except OSError as error:
            self._board.say(f"{row.name} cannot be read: {error.strerror or error}", failed=True)
        finally:
            reading.stopped = True  # for the thread, where the worker was cancelled
            ticking.cancel()
            self._board.show_verifying("")
            self._reading = None

    async def _tick(self, reading: _Reading) -> None:
        """Say how far it is, until it is cancelled."""
        while True:
            await asyncio.sleep(self._tick_s)
            self._board.show_verifying(str(reading))

    def _report(self, row: ModelRow, checks: list[FileCheck]) -> None:
        bad = [check for check in checks if check.state in (FileState.DAMAGED, FileState.MISSING)]
        unchecked = sum(check.state is FileState.UNCHECKED for check in checks)
        if not bad:
            more = f"; of {unchecked} nobody noted it" if unchecked else ""
            self._board.say(f"{row.name}: {len(checks) - unchecked} files have the hash they should have{more}")
            return
        lines = [f"{len(bad)} of {len(checks)} files of {row.name} are damaged or missing"]
        for check in bad[:BAD_SHOWN]:
            hashes = f": its hash is {check.found[:12]}, not {check.expected[:12]}" if check.found else ""
            lines.append(f"{check.state} {check.file}{hashes}")
        if len(bad) > BAD_SHOWN:
            lines.append(f"and {len(bad) - BAD_SHOWN} more")
        starter = row.name in STARTERS
        lines.append("install nlp-tui again" if starter else "d deletes it; its name typed above downloads it again")
        self._board.say("\n".join(lines), failed=True)

    # -- delete and bring back ----------------------------------------------------------------------------------------

    async def delete(self, row: ModelRow, in_use: str) -> None:
        """Move a model with all its revisions to the trash; of a gguf file, what it was converted into.

        Args:
            row: the model.
            in_use: what it is used for; empty when it is not.
        """
        repository = split_revision(row.name)[0] if row.model.source is Source.CACHE else row.name
        if in_use and row.model.source in (Source.CACHE, Source.GGUF):
            self._board.say(f"{row.name} {in_use}; use another one first, then delete it", failed=True)
            return
        if self.verifying == row.name:
            self._board.say(f"{row.name} is being verified; Esc stops it", failed=True)
            return
        try:
            folder = await asyncio.to_thread(move_to_trash, repository)
            size = await asyncio.to_thread(folder_bytes, folder)
        except EngineError as error:
            self._board.say(str(error), failed=True)
            return
        if repository in self._deleted:
            self._deleted.remove(repository)  # the trash keeps one copy of each
        self._deleted.append(repository)
        self._board.read()
        emptying = "nlp-tui models rm --empty gives its space back"
        what = f"the conversion of {repository}" if row.model.source is Source.GGUF else repository
        self._board.say(f"{what} ({size_text(size)}) is in the trash; u brings it back, {emptying}")

    async def undo(self) -> None:
        """Bring back what was deleted last."""
        if not self._deleted:
            names = ", ".join(await asyncio.to_thread(trashed_names))
            earlier = f"; in the trash from before: {names} (nlp-tui models rm --undo NAME)" if names else ""
            self._board.say(f"nothing was deleted here{earlier}")
            return
        name = self._deleted[-1]
        try:
            await asyncio.to_thread(bring_back, name)
        except EngineError as error:
            self._board.say(str(error), failed=True)
            return
        self._deleted.pop()
        self._board.read(then=name)
        self._board.say(f"{name} is back")


def _size_to_check(model: ResolvedModel) -> int:
    """How many bytes a verification reads at most."""
    if model.source is Source.CACHE:
        return sum(path.stat().st_size for path in model.folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in weight_files(model))
