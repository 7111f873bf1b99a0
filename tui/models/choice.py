"""Which models are in use, for what, where and how exactly: what the Models screen changes of the main screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.backends.abilities import check_can, needs
from core.errors import EngineError
from core.memory import RESERVE_BYTES, free_bytes
from core.messages.protocol import Load
from core.models.registry import resolve
from core.precision import Precision
from tui.main.panes.similarity import SimilarityPane
from tui.models.board import Board, Writing
from tui.models.rows import ModelRow, Use
from tui.models.texts import Room
from tui.transcript.kept_run import History


class ModelChoice:
    """Uses models; the main screen owns which they are, and has them loaded."""

    def __init__(self, board: Board, writing: Writing, comparing: SimilarityPane, history: History) -> None:
        """Prepare; nothing changes yet.

        Args:
            board: where it is said what was chosen.
            writing: the model that writes.
            comparing: names the model that compares.
            history: the runs of this session.
        """
        self._board = board
        self._writing = writing
        self._comparing = comparing
        self._history = history

    @property
    def precision(self) -> str:
        """The precision of the model that writes; as chosen until it is loaded."""
        model = self._writing.model
        return model.dtype if model is not None else self._writing.target.dtype

    @property
    def room(self) -> Room:
        """What weights may take now; what the writing model holds is free once another takes its place."""
        model = self._writing.model
        place = (model.device if model is not None else self._writing.target.device).partition(":")[0]
        if place not in ("auto", "cpu", "mps"):
            return Room(0, place)
        weight_bytes = next((one.weight_bytes for one in Precision if model is not None and one == model.dtype), 0)
        held = model.parameters * weight_bytes if model is not None and place == "cpu" else 0
        return Room(max(1, free_bytes() + held - RESERVE_BYTES), place)

    @property
    def folders(self) -> tuple[Path | None, Path | None]:
        """Those of the model that writes and of the one that compares."""
        return folder_of(self._writing.target.model), folder_of(self._comparing.model)

    def opened(self) -> Iterator[str]:
        """The names that were used in this session."""
        yield from (self._writing.target.model, self._comparing.model)
        yield from (run.info.name for run in self._history.kept if run.info.source in ("folder", "gguf"))

    def use_of(self, row: ModelRow) -> str:
        """What a model is used for now, or another revision of it in the cache; empty when it is not."""
        writes, compares = map(_entry, self.folders)
        here = _entry(row.model.folder)
        return "writes now" if here == writes else "compares now" if here == compares else ""

    def use(self, row: ModelRow) -> None:
        """Use a model for what it is good for, or say where it can be used."""
        if row.problem or row.purpose is None:
            self._board.say(row.problem or f"{row.name} is being read; one moment", failed=bool(row.problem))
            return
        name, where = row.name, row.purpose.where
        match row.purpose.use:
            case Use.WRITE:
                self._write_with(name)
            case Use.COMPARE:
                self._comparing.model = name
                self._board.say(f"{name} compares from now on, in {where}; it is loaded there, at the first comparison")
            case Use.LAB:
                self._board.say(f"{name} is for the lab (F6 on the main screen): {where}; write its name there")
            case Use.NOTHING:
                self._board.say(f"{name}: {where}", failed=True)

    def run_on(self, device: str, precision: str) -> None:
        """Let the model that writes run elsewhere, or in another precision; it is loaded anew."""
        target = replace(self._writing.target, device=device, dtype=precision)
        try:
            check_can(self._writing.model, *needs(Load(target)))
        except EngineError as error:
            self._board.say(str(error), failed=True)
        else:
            self._writing.target = target

    def _write_with(self, name: str) -> None:
        writing = self._writing
        if writing.target.model == name and writing.model is not None:
            self._board.say(f"{name} writes already; Esc goes to it")
            return
        self._board.say(f"{name} writes from now on; Esc goes to it")
        if writing.target.model == name:
            writing.load_model()  # it failed before
        else:
            writing.target = replace(writing.target, model=name)


def _entry(folder: Path | None) -> Path | None:
    """The folder with all revisions, for a model of the cache; of others the folder itself."""
    return folder.parent.parent if folder is not None and folder.parent.name == "snapshots" else folder


def folder_of(name: str) -> Path | None:
    """Where a name leads; None when it leads nowhere any more."""
    try:
        return resolve(name).folder
    except EngineError:
        return None
