"""Evaluation: how good a model is on a file, and where it is surely wrong."""

from __future__ import annotations

import os
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Label, Select, Static

from core.errors import InputError
from core.lab.evaluation import (
    DEFAULT_MODELS,
    CausalEvaluation,
    ClassifierEvaluation,
    Evaluate,
    EvaluationProgress,
    EvaluationTask,
    FillEvaluation,
    RowsSkipped,
)
from core.lab.records import Answer, Question
from core.tables.columns import Columns
from core.text.visible import visible
from tui.lab.catalogue import Lab
from tui.lab.evaluation.tables import bin_rows, cell, confusion_rows, headline, remarks, score_rows, worst
from tui.lab.pane import LabPane
from tui.widgets.bars import bar
from tui.widgets.fields import Field

SCORE_CELLS = 25
_BAR_CELLS = 7
PROGRESS_CELLS = 20
MISTAKES = 50


class EvaluationPane(LabPane):
    """A file in; scores, calibration and the worst mistakes out."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_MODELS[EvaluationTask.SIMILAR]}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "evaluate", "Evaluate", tooltip="Judge the model on the file", priority=True),
        Binding("ctrl+t", "next_task", "Next task", tooltip="similar, sentiment, fill, lm", priority=True),
        Binding("up", "walk(-1)", "Mistake before", show=False),
        Binding("down", "walk(1)", "Next mistake", show=False),
    ]
    HELP = """\
# Evaluation

A model is worth what it gets right on texts that it has never seen and whose answers are known: *accuracy* is the \
share it gets right, and *F1* balances how many of its "yes" are true (precision) with how many of the true ones it \
finds (recall), so a model that always says "yes" cannot hide. The *confusion matrix* shows which label it takes for \
which, and *calibration* whether it may be believed when it says 90 %: then nine of ten such answers should be right. \
A language model has no answers to get wrong, so its surprise is counted: *perplexity* is among how many equally \
likely tokens it would have to guess.

Give a **file** (GLUE's TSV, CSV, JSON Lines or plain text) and press Enter or **ctrl+r**; **Esc** stops, and the \
next **ctrl+r** goes on from there. **ctrl+t** changes the task: `similar` (pairs), `sentiment`, `fill` (a text with \
`[MASK]` and the word, or any text), `lm` (perplexity). *rows* reads only so many; *columns* names them where they \
cannot be guessed: text, second text, label. **↑ ↓** walk the mistakes, the surest first; Tab to them for more room.
"""

    path = query_one("#eval-path", Input)
    tasks = query_one("#eval-task", Select)
    rows = query_one("#eval-rows", Input)
    columns = query_one("#eval-columns", Input)
    progress = query_one("#eval-progress", Static)
    result = query_one("#eval-result", Static)
    mistake = query_one("#eval-mistake", Static)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._wanted = False
        """Whether an evaluation was asked for: none starts by itself."""
        self._finished = True
        self._skipped = 0
        self._worst: list[tuple[str, tuple[str, ...]]] = []
        self._shown = 0

    def compose_body(self) -> ComposeResult:
        """The file, what to do with it, how far it is, the result, one mistake."""
        with Horizontal(classes="lab-model"):
            yield Label("file")
            yield Field("", placeholder="MRPC/dev.tsv, SST-2/dev.tsv, …", id="eval-path", compact=True)
        with Horizontal(classes="lab-model"):
            yield Label("task")
            names = [(task.value, task.value) for task in EvaluationTask]
            value = EvaluationTask.SIMILAR.value
            yield Select(names, value=value, allow_blank=False, compact=True, id="eval-task")
            yield Label("rows", classes="eval-name")
            yield Field("", placeholder="all", id="eval-rows", compact=True)
            yield Label("columns", classes="eval-name")
            yield Field("", placeholder="guessed", id="eval-columns", compact=True)
        yield Static("", id="eval-progress")
        with VerticalScroll(can_focus=False, id="eval-scroll"):
            yield Static("", id="eval-result")
        mistake = Static("", id="eval-mistake")
        mistake.can_focus = True
        yield mistake

    def question(self) -> Question | None:
        """Ask once it was asked for.

        Raises:
            InputError: no file, or a number of rows that is none.
        """
        if not self._wanted:
            self.show_note("give a file and press Enter or ctrl+r")
            return None
        self._wanted = False
        if not self.path.value.strip():
            raise InputError("there is no file", "give the path of a TSV, CSV or JSON Lines file")
        rows = self.rows.value.strip() or "0"
        if not (rows.isascii() and rows.isdigit()):
            raise InputError(f"rows must be a whole number, got {rows!r}", "leave it empty to read all")
        columns = self._columns()
        question = Evaluate(
            task=self._chosen(),
            model=self.model(),
            path=os.path.abspath(os.path.expanduser(self.path.value.strip())),
            limit=int(rows),
            mistakes=MISTAKES,
            text=columns.text,
            text_b=columns.text_b,
            label=columns.label,
        )
        self._finished, self._skipped, self._worst = False, 0, []
        for part in (self.progress, self.result, self.mistake):
            part.update("")
        return question

    def show_answer(self, answer: Answer) -> None:
        """How far it is, or the result."""
        match answer:
            case RowsSkipped():
                self._skipped += len(answer.rows)
                last = answer.rows[-1]
                told = f"{self._skipped:,} rows skipped, the last of them line {last.line}: {last.reason}"
                self.result.update(Content(visible(told)))
            case EvaluationProgress():
                self._show_progress(answer)
            case ClassifierEvaluation() | FillEvaluation() | CausalEvaluation():
                self._conclude(answer)
            case _:
                raise AssertionError(f"no evaluation: {answer!r}")

    def show_end(self) -> None:
        """Say how to go on when it was stopped."""
        if not self._finished:
            self.show_note("stopped; ctrl+r goes on from there")

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_evaluate(self) -> None:
        """Judge the model on the file."""
        self._wanted = True
        self.ask()

    def action_next_task(self) -> None:
        """Go to the next task."""
        tasks = list(EvaluationTask)
        self.tasks.value = tasks[(tasks.index(self._chosen()) + 1) % len(tasks)].value

    def action_walk(self, by: int) -> None:
        """Go to a neighbouring mistake."""
        if self._worst:
            self._shown = min(max(self._shown + by, 0), len(self._worst) - 1)
            self._show_mistake()

    # -- messages -----------------------------------------------------------------------------------------------------

    @on(Select.Changed, "#eval-task")
    def _use_default_model(self, event: Select.Changed) -> None:
        """A starter gives way to the task's own; a model that was named stays."""
        event.stop()
        box = self.query_one("#eval-model", Input)
        if box.value.strip() in (*DEFAULT_MODELS.values(), ""):
            box.value = DEFAULT_MODELS[self._chosen()]

    @on(Input.Submitted)
    def _start(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_evaluate()

    @on(Input.Changed)
    def _keep_change(self, event: Input.Changed) -> None:
        event.stop()

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _chosen(self) -> EvaluationTask:
        return EvaluationTask(str(self.tasks.value))

    def _columns(self) -> Columns:
        """What the columns field names: text, second text (of a pair), label."""
        pair = ("text_b",) if self._chosen() is EvaluationTask.SIMILAR else ()
        names = [name.strip() for name in self.columns.value.split(",")] if self.columns.value.strip() else []
        fields = ("text", *pair, "label")
        if len(names) > len(fields):
            raise InputError(f"there are {len(names)} columns", f"give at most {len(fields)}: {', '.join(fields)}")
        return Columns(**dict(zip(fields, names, strict=False)))

    def _show_progress(self, progress: EvaluationProgress) -> None:
        done = f"{progress.done:,}/{progress.total:,}"
        state = f"{done}  {progress.accuracy:.1%} right  {progress.seconds_left:,.0f} s left"
        self.progress.update(Content(f"{bar(progress.fraction, PROGRESS_CELLS)} {state}"))

    def _conclude(self, answer: ClassifierEvaluation | FillEvaluation | CausalEvaluation) -> None:
        """Show the result and the worst row."""
        self._finished = True
        if isinstance(answer, ClassifierEvaluation):
            left = [_spread(name, value) for name, value in score_rows(answer)]
            lines = [*_beside(left, bin_rows(answer, _BAR_CELLS)), "", *confusion_rows(answer, 14)]
        else:
            lines = [f"{cell(name, 18)} {value}" for name, value in score_rows(answer)]
        self.progress.update(Content(headline(answer.run)))
        self.result.update(Content("\n".join(lines)))
        self._worst, self._shown = worst(answer), 0
        self._show_mistake()
        self.show_note("; ".join(remarks(answer.run)))

    def _show_mistake(self) -> None:
        if not self._worst:
            self.mistake.update("no mistakes")
            return
        head, texts = self._worst[self._shown]
        place = f"{self._shown + 1}/{len(self._worst)} ↑↓ "
        body = "".join(f"\n{mark} {text}" for mark, text in zip("AB" if len(texts) > 1 else " ", texts, strict=True))
        self.mistake.update(Content.assemble((place, "bold"), (head, "bold"), body))


def _spread(name: str, value: str) -> str:
    """A name at the left and its value at the right."""
    return f"{cell(name, SCORE_CELLS - len(value) - 1)} {value}"


def _beside(left: list[str], right: list[str]) -> list[str]:
    """Two blocks next to each other."""
    height = max(len(left), len(right))
    columns = ([*block, *[""] * (height - len(block))] for block in (left, right))
    return [f"{cell(one, SCORE_CELLS)}  {other}".rstrip() for one, other in zip(*columns, strict=True)]
