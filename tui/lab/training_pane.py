"""What the panes that train share: a key starts, Esc stops, a key goes on; the course is painted now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input

from core.lab.records import Question
from tui.lab.catalogue import Lab
from tui.lab.pane import LabPane
from tui.widgets.bars import bar
from tui.widgets.pictures.curve import curve

CURVE_CELLS, CURVE_ROWS = 46, 4
MEASURED_SHOWN = 3
PAINT_EVERY_S = 0.2
"""How often the course of a training is painted at most."""

Started = TypeVar("Started")
_Step = TypeVar("_Step")
_Measured = TypeVar("_Measured")
_Done = TypeVar("_Done")


class TrainingPane(LabPane, Generic[Started, _Step, _Measured, _Done]):
    """A pane whose question trains a model, and is asked by a key alone.

    A subclass writes `training_question`, `show_answer` and `paint`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "Train", tooltip="Start training; Esc stops it", priority=True),
        Binding("ctrl+g", "go_on", "Go on", tooltip="Go on with the run that was stopped", priority=True),
    ]

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._wanted = ""
        """The key that was pressed; empty when nothing is to be asked."""
        self._painted_at = 0.0
        self.clear()

    def training_question(self, *, resume: bool) -> Question:
        """What to ask about the fields as they are.

        Raises:
            EngineError: a field cannot be used.
        """
        raise NotImplementedError

    def clear(self) -> None:
        """Forget the course of the last training."""
        self.started: Started | None = None
        self.done: _Done | None = None
        self.steps_taken: list[_Step] = []
        self.measured: list[_Measured] = []

    def paint(self) -> None:
        """Paint the course so far."""
        raise NotImplementedError

    def question(self) -> Question | None:
        """Ask when a key was pressed for it."""
        wanted, self._wanted = self._wanted, ""
        if not wanted:
            return None
        question = self.training_question(resume=wanted == "go on")
        self.clear()
        self.paint_now()
        return question

    def show_end(self) -> None:
        """Paint the last steps, too."""
        self.paint_now()

    def show_stopped(self, step: int, steps: int, *, is_kept: bool = True) -> None:
        """Say where the training was stopped, and how it goes on."""
        self.show_note(f"stopped at step {step} of {steps}{'; ctrl+g goes on from there' if is_kept else ''}")

    def paint_now(self) -> None:
        """Paint, and remember when."""
        self._painted_at = time.monotonic()
        self.paint()

    def paint_soon(self) -> None:
        """Paint unless something was painted just now."""
        if time.monotonic() - self._painted_at >= PAINT_EVERY_S:
            self.paint_now()

    def action_start(self) -> None:
        """Start training."""
        self._want("start")

    def action_go_on(self) -> None:
        """Go on from the checkpoint."""
        self._want("go on")

    @on(Input.Submitted)
    def _say_how(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.has_class("-busy"):
            self.show_note("ctrl+r starts")

    def _want(self, wanted: str) -> None:
        if self.has_class("-busy"):
            self.show_note("it is training; Esc stops it")
            return
        self._wanted = wanted
        self.ask()


def progress_line(step: int, steps: int, more: str) -> Content:
    """How much is done, as a bar and in words."""
    return Content.assemble((bar(step / steps, 10), "$success"), f" step {step}/{steps}, {more}\n")


def loss_curve(losses: Sequence[float], notes: Sequence[str]) -> Content:
    """The losses of all steps as columns.

    Args:
        losses: none below 0.
        notes: one a row, to its left.
    """
    rows = zip(notes, curve(losses, CURVE_CELLS, CURVE_ROWS), strict=True)
    return Content("").join(
        Content.assemble((f"{note:>6} ", "$text-muted"), (f"{line}\n", "$warning")) for note, line in rows
    )
