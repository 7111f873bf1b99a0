"""Live distillation: half of a BERT learns from the whole while one watches it come nearer."""

from __future__ import annotations

from statistics import median
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Label, Static, TextArea

from core.lab.distillation import (
    MAX_STEPS,
    Distil,
    Distilled,
    DistilMeasured,
    DistilPaused,
    DistilStarted,
    DistilStep,
)
from core.lab.records import Answer, Question
from core.models.registry import DEFAULT_MASKED_LM
from tui.lab.training_pane import CURVE_ROWS, MEASURED_SHOWN, TrainingPane, loss_curve, progress_line
from tui.lab.training_text import duration
from tui.widgets.bars import bar
from tui.widgets.fields import Area, Field
from tui.widgets.number_field import NumberField

RECENT_STEPS = 9
"""How many steps the time to go is judged by."""


class DistillationPane(TrainingPane[DistilStarted, DistilStep, DistilMeasured, Distilled]):
    """A teacher and a text in; a student that learns, and perhaps its folder, out."""

    MODELS: ClassVar[dict[str, str]] = {"teacher": DEFAULT_MASKED_LM}
    HELP = """\
# Live distillation

DistilBERT is a BERT with every other layer left out that learns to say what the whole one says: here it happens in a \
minute. Each step hides 15 % of the tokens in a few pieces of text and lowers three losses at once: the distance from \
the teacher's softened distribution, the plain masked-LM loss, and one minus the cosine of the two last hidden states, \
weighted 5 : 2 : 1. The held-out KL is measured on pieces it never learns from, always the same ones: when it falls, \
the student has come nearer to its teacher.

Paste a text, or leave it empty for stories that the starter GPT-2 made up. **ctrl+r** starts, **Esc** stops and keeps \
a checkpoint, **ctrl+g** goes on from it with the same settings (more steps are fine). Give a folder to *save to*, and \
the finished student is a model that *Fill masks* and *Teacher & student* take by that name. Twice as \
fast with 95 % of the quality is what the course says of a student that learnt for 90 hours on eight GPUs: see the \
speed of yours in *Teacher & student*, and measure both models' quality with `nlp-tui eval`.
"""

    text = query_one("#distil-text", TextArea)
    steps = query_one("#distil-steps", NumberField)
    rate = query_one("#distil-rate", NumberField)
    temperature = query_one("#distil-temperature", NumberField)
    seed = query_one("#distil-seed", NumberField)
    folder = query_one("#distil-folder", Input)
    answer = query_one("#distil-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The text, the settings in a row, the folder, the course of the learning."""
        yield Area("", placeholder="text to learn on; empty: bundled stories", id="distil-text", compact=True)
        with Horizontal(id="distil-settings"):
            for label, value, step, low, high in (
                ("steps", 60, 10, 1, MAX_STEPS),
                ("rate", 2e-4, 1e-4, 1e-6, 1),
                ("temperature", 2, 0.5, 0.05, 100),
                ("seed", 0, 1, 0, 2**31),
            ):
                yield Label("T" if label == "temperature" else label)
                yield NumberField(value, name=label, id=f"distil-{label}", step=step, low=low, high=high)
        with Horizontal(classes="lab-field"):
            yield Label("save to")
            yield Field("", placeholder="a folder to be made; empty: nowhere", id="distil-folder", compact=True)
        with VerticalScroll(can_focus=False):
            yield Static("", id="distil-answer")

    def training_question(self, *, resume: bool) -> Question:
        """Ask about the fields as they are."""
        return Distil(
            teacher=self.model("teacher"),
            text=self.text.text if self.text.text.strip() else "",
            steps=self.steps.whole(),
            learning_rate=self.rate.number(),
            temperature=self.temperature.number(),
            seed=self.seed.whole(),
            save_to=self.folder.value.strip(),
            resume=resume,
        )

    def show_answer(self, answer: Answer) -> None:
        """Add a part to the course of the learning."""
        match answer:
            case DistilStarted():
                self.started = answer
            case DistilStep():
                self.steps_taken.append(answer)
                self.paint_soon()
                return
            case DistilMeasured():
                self.measured.append(answer)
            case Distilled():
                self.done = answer
                self.show_note(f"saved in {answer.folder}" if answer.folder else "")
            case DistilPaused():
                self.show_stopped(answer.step, answer.steps, is_kept=bool(answer.checkpoint))
        self.paint_now()

    def paint(self) -> None:
        """Paint the course so far."""
        parts: list[Content] = []
        if self.started is not None:
            parts.append(_start_line(self.started))
        if self.steps_taken:
            parts += [_step_line(self.steps_taken, self.done), _loss_lines(self.steps_taken)]
        if self.measured:
            parts.append(_distance_lines(self.measured))
        self.answer.update(Content("").join(parts))


def _start_line(started: DistilStarted) -> Content:
    layers = ", ".join(str(layer + 1) for layer in started.kept_layers)
    sizes = f"{started.student_parameters / 1e6:.1f} of {started.teacher_parameters / 1e6:.1f} M parameters"
    text = f"{started.blocks:,} pieces of {started.block_tokens} tokens, {started.held_out} held out"
    return Content.assemble(
        f"layers {layers} of {started.teacher_layers}; {sizes}\n",
        (f"{text}\n", "$text-muted"),
    )


def _step_line(steps: list[DistilStep], done: Distilled | None) -> Content:
    last = steps[-1]
    seconds = median(step.seconds for step in steps[-RECENT_STEPS:])
    left = f"{duration(seconds * (last.steps - last.step))} left"
    ends = f"done in {done.seconds:.0f} s" if done is not None else left
    return progress_line(last.step, last.steps, f"{seconds:.2f} s each, {ends}")


def _loss_lines(steps: list[DistilStep]) -> Content:
    losses = [step.loss for step in steps]
    least = min(losses)
    notes = [f"{max(losses):.2f}", "loss", *[""] * (CURVE_ROWS - 3), f"{least:.2f}"]
    last = steps[-1]
    return Content.assemble(
        loss_curve([loss - least for loss in losses], notes),
        f"{'now':>6} {last.loss:.3f}",
        (f": soft {last.soft:.3f}, hard {last.hard:.3f}, cosine {last.cosine:.3f}\n", "$text-muted"),
    )


def _distance_lines(measured: list[DistilMeasured]) -> Content:
    first, last = measured[0], measured[-1]
    change = f" ({last.kl / first.kl - 1:+.0%})".replace("-", "−") if len(measured) > 1 and first.kl > 0 else ""
    parts = [
        Content.assemble(
            ("held-out KL ", "bold"),
            (f"{first.kl:.2f} → {last.kl:.2f} nats{change}", "bold"),
            f", agreement {first.agreement:.0%} → {last.agreement:.0%}\n",
        )
    ]
    highest = max(one.kl for one in measured) or 1.0
    shown = measured if len(measured) <= MEASURED_SHOWN + 1 else [first, *measured[-MEASURED_SHOWN:]]
    parts += [
        Content.assemble(
            f"{f'step {one.step}':<10} ", (bar(one.kl / highest, 20), "$success"), f" {one.kl:>6.3f} nats\n"
        )
        for one in shown
    ]
    return Content("").join(parts)
