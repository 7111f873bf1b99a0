"""Fine-tune: a file of labelled texts becomes a model, while one watches the loss fall."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Checkbox, Input, Label, Static

from core.errors import InputError
from core.lab.finetuning import (
    Finetune,
    Finetuned,
    FinetuneMeasured,
    FinetunePaused,
    FinetuneStarted,
    FinetuneStep,
    FinetuneTask,
)
from core.lab.records import Answer, Question
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.lab.training_pane import CURVE_ROWS, MEASURED_SHOWN, TrainingPane, loss_curve, progress_line
from tui.lab.training_text import duration
from tui.widgets.bars import bar
from tui.widgets.check import Check
from tui.widgets.fields import Field
from tui.widgets.number_field import NumberField

LABELS_SHOWN = 5


class FinetunePane(TrainingPane[FinetuneStarted, FinetuneStep, FinetuneMeasured, Finetuned]):
    """A file, a task and a folder in; a model folder out."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_MASKED_LM}
    HELP = """\
# Fine-tune

A pre-trained BERT knows the language and not your task: put a small linear layer with one output a label on its [CLS] \
state, and a few hundred labelled rows are enough to train both together. The curve is the cross-entropy of each \
batch, which falls as the rows are learnt by heart; the accuracy below is that of rows held out, the only ones that \
say whether it learnt the task. Training ends when these stop getting better, and the state that did best becomes an \
ordinary model folder.

The file is TSV, CSV or JSON Lines with a text and a label in each row, or, with *pairs* on, two texts and a label; \
labels are any 2 to 20 words or numbers. **ctrl+r** starts, **Esc** stops and keeps a checkpoint, **ctrl+g** goes on \
from it. *overwrite* agrees to replace what is in the folder. Columns with unusual names, learning rate and seed are \
options of the command `nlp-tui finetune`.
"""

    file = query_one("#finetune-file", Input)
    out = query_one("#finetune-out", Input)
    epochs = query_one("#finetune-epochs", NumberField)
    pairs = query_one("#finetune-pairs", Checkbox)
    overwrite = query_one("#finetune-overwrite", Checkbox)
    answer = query_one("#finetune-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The file, the folder, the settings in a row, the course of the training."""
        for name, placeholder in (("file", "rows.tsv: a text and a label a row"), ("out", "the folder to be made")):
            with Horizontal(classes="lab-field"):
                yield Label(name)
                yield Field("", placeholder=placeholder, id=f"finetune-{name}", compact=True)
        with Horizontal(classes="lab-field"):
            yield Label("epochs")
            yield NumberField(3, name="epochs", id="finetune-epochs", step=1, low=1, high=1000)
            yield Check("pairs of texts", id="finetune-pairs", compact=True)
            yield Check("overwrite", id="finetune-overwrite", compact=True)
        with VerticalScroll(can_focus=False):
            yield Static("", id="finetune-answer")

    def training_question(self, *, resume: bool) -> Question:
        """Ask about the fields as they are."""
        if not self.file.value.strip():
            raise InputError("the file is missing", "name a TSV, CSV or JSON Lines file with texts and labels")
        if not self.out.value.strip():
            raise InputError("the folder is missing", "name one for the model, such as my-model")
        return Finetune(
            model=self.model(),
            path=self.file.value.strip(),
            task=FinetuneTask.SIMILAR if self.pairs.value else FinetuneTask.SENTIMENT,
            out=self.out.value.strip(),
            epochs=self.epochs.whole(),
            resume=resume,
            overwrite=self.overwrite.value,
        )

    def show_answer(self, answer: Answer) -> None:
        """Add a part to the course of the training."""
        match answer:
            case FinetuneStarted():
                self.started = answer
            case FinetuneStep():
                self.steps_taken.append(answer)
                self.paint_soon()
                return
            case FinetuneMeasured():
                self.measured.append(answer)
            case Finetuned():
                self.done = answer
                self.show_note("")
            case FinetunePaused():
                self.show_stopped(answer.step, answer.steps)
        self.paint_now()

    @on(Input.Changed)
    @on(Checkbox.Changed)
    def _keep_change(self, event: Input.Changed | Checkbox.Changed) -> None:
        event.stop()

    def paint(self) -> None:
        """Paint the course so far."""
        parts: list[Content] = []
        if self.started is not None:
            parts.append(_start_lines(self.started))
        if self.done is not None:
            parts.append(_end_lines(self.done))
        if self.steps_taken:
            last, losses = self.steps_taken[-1], [step.loss for step in self.steps_taken]
            if self.done is None:
                more = f"epoch {last.epoch}, {duration(last.seconds_left)} left"
                parts.append(progress_line(last.step, last.steps, more))
            parts.append(loss_curve(losses, ["loss", *[""] * (CURVE_ROWS - 2), f"{last.loss:.3f}"]))
        best = next((one for one in reversed(self.measured) if one.best), None)
        shown = self.measured[-MEASURED_SHOWN:]
        parts += [_measured_line(one, one is best) for one in ([best] if best and best not in shown else []) + shown]
        self.answer.update(Content("").join(parts))


def _start_lines(started: FinetuneStarted) -> Content:
    labels = ", ".join(f"{_short(label.label)} {label.rows:,}" for label in started.labels[:LABELS_SHOWN])
    more = f", {len(started.labels) - LABELS_SHOWN} more" if len(started.labels) > LABELS_SHOWN else ""
    *texts, label_column = map(_short, started.columns)
    passed = ""
    if started.skipped:
        first = started.skipped[0]
        passed = f"; {started.skipped_rows:,} passed over, line {first.line}: {_short(first.reason, 60)}"
    return Content.assemble(
        visible(f"{' + '.join(texts)} → {label_column}: {labels}{more}"),
        (visible(f"; {started.rows:,} rows, {started.held_out:,} held out{passed}"), "$text-muted"),
        "\n",
    )


def _measured_line(measured: FinetuneMeasured, is_best: bool) -> Content:
    when = f"step {measured.step}" if measured.step else "before"
    return Content.assemble(
        f"{when:<9} ",
        (bar(measured.accuracy, 12), "$success"),
        f" {measured.accuracy:>6.1%}",
        (f"  held-out loss {measured.loss:.3f}{' best' if is_best else ''}\n", "$text-muted"),
    )


def _end_lines(done: Finetuned) -> Content:
    early = ", ended early" if done.stopped_early else ""
    commonest = f"commonest label {done.majority_accuracy:.1%}"
    return Content.assemble(
        ("saved in ", "bold"),
        (visible(done.folder), "bold"),
        f"; held-out accuracy {done.held_out_accuracy:.1%}\n",
        (f"{done.steps:,} steps in {done.seconds:.0f} s{early}; {commonest}\n", "$text-muted"),
        f"use it as model in {_PANES[done.task]} and Evaluation, or with\n",
        f"nlp-tui {done.task.value} … and nlp-tui eval … --model FOLDER\n",
    )


def _short(text: str, length: int = 16) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


_PANES = {FinetuneTask.SENTIMENT: "Sentiment", FinetuneTask.SIMILAR: "Similarity"}
"""The titles of the panes that use a model of each task."""
