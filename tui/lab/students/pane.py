"""Teacher and student: two models of one task on the same input, how far apart they are and what each costs."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Label, Static

from core.lab.records import Answer, Question
from core.lab.students import CompareStudents, StudentEntry, StudentsCompared, StudentSize
from core.models.registry import DEFAULT_MASKED_LM
from core.text.visible import visible
from tui.lab.pane import LabPane
from tui.widgets.bars import fit
from tui.widgets.fields import Field
from tui.widgets.number_field import NumberField

STUDENTS_EXAMPLE = "Once upon a time there was a little [MASK]."
_TOP = 3
ENTRY_CELLS, _BAR_CELLS = 13, 6
_EIGHTHS = " ▏▎▍▌▋▊▉"

DEFAULT_STUDENT = "starter/distilbert"


class StudentsPane(LabPane):
    """Two models and a text in; both distributions, their distance, sizes and speeds out."""

    MODELS: ClassVar[dict[str, str]] = {"teacher": DEFAULT_MASKED_LM, "student": DEFAULT_STUDENT}
    HELP = """\
# Teacher & student

A distilled student has half of its teacher's layers and is trained to give the teacher's whole distribution, its \
soft labels, and not just the right word. KL(teacher ‖ student) says in nats how far its distribution is from the \
teacher's on this input: 0 is the same. A temperature above 1 divides the logits of both first, which lifts the small \
probabilities in which the teacher's knowledge of what is *almost* right lies.

Write a sentence with `[MASK]` for masked language models, or name two classifiers such as `starter/sst2` and any \
text; a second text makes a pair. `half` as the student is every other layer of the teacher itself, untrained: see \
*Live distillation* for what training makes of it. Latencies are measured here and now, one input at a time; \
"layers" leaves out the head, which for a small masked language model costs more than its layers. How much of the \
teacher's quality a student keeps is a matter of many rows: measure both with `nlp-tui eval`.
"""

    text = query_one("#students-text", Input)
    second = query_one("#students-second", Input)
    temperature = query_one("#students-temperature", NumberField)
    answer = query_one("#students-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The input, the temperature, the answer."""
        yield Field(STUDENTS_EXAMPLE, id="students-text", compact=True)
        yield Field("", placeholder="second text of a pair; empty: none", id="students-second", compact=True)
        with Horizontal(classes="lab-field"):
            yield Label("temperature")
            yield NumberField(1, name="temperature", id="students-temperature", step=0.5, low=0.05, high=100)
        with VerticalScroll():
            yield Static("", id="students-answer")

    def question(self) -> Question | None:
        """Ask about the text as it is."""
        if not self.text.value.strip():
            self.show_note("write a text")
            return None
        temperature = self.temperature.number()
        models = (self.model("teacher"), self.model("student"))
        return CompareStudents(*models, self.text.value, self.second.value.strip(), temperature, _TOP)

    def show_answer(self, answer: Answer) -> None:
        """Both distributions side by side, their distance, and what each model costs."""
        assert isinstance(answer, StudentsCompared)
        several = len({entry.mask for entry in answer.entries}) > 1
        head = f"{'':<{ENTRY_CELLS}}{'teacher':>13}{'rank':>7}  {'student':>13}{'rank':>7}\n"
        parts = [Content.styled(head, "$text-muted")]
        parts += [_entry_row(entry, several) for entry in answer.entries]
        same = "yes" if answer.agreement == 1 else "no" if answer.agreement == 0 else f"{answer.agreement:.0%}"
        parts.append(
            Content.assemble(
                ("KL(teacher ‖ student) ", "bold"),
                (f"{answer.kl:.3f} nats", "bold"),
                f" at T {answer.temperature:g}, same first: {same}\n\n",
            )
        )
        parts.append(_sizes(answer))
        self.answer.update(Content("").join(parts))
        pairing = "" if answer.by_name else "; labels with other names are paired by number"
        self.show_note(f"measured here: median of {answer.forwards} forwards, {answer.tokens} tokens{pairing}")

    @on(Input.Changed, "#students-text, #students-second, #students-temperature")
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted, "#students-text, #students-second, #students-temperature")
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()


def _entry_row(entry: StudentEntry, several: bool) -> Content:
    label = f"{entry.mask + 1}: {entry.label}" if several else entry.label
    parts: list[str | tuple[str, str]] = [fit(label, ENTRY_CELLS)]
    sides = ((entry.teacher_prob, entry.teacher_rank, "$success"), (entry.student_prob, entry.student_rank, "$warning"))
    for probability, rank, style in sides:
        parts += [(_bar(probability), style), f"{probability:>7.1%}", (f"{f'#{rank}':>7}  ", "$text-muted")]
    return Content.assemble(*parts, "\n")


def _bar(probability: float) -> str:
    """`BAR_CELLS` cells, filled to an eighth of a cell: most probabilities here are small."""
    whole, eighths = divmod(round(min(max(probability, 0.0), 1.0) * _BAR_CELLS * 8), 8)
    return f"{'█' * whole}{_EIGHTHS[eighths].strip()}".ljust(_BAR_CELLS, "·")


def _sizes(answer: StudentsCompared) -> Content:
    teacher, student = answer.teacher, answer.student
    head = f"{'':<8}{'layers':>7}{'parameters':>12}{'on disk':>10}{'layers':>9}{'+ head':>9}\n"
    rows = f"{_size_row('teacher', teacher)}{_size_row('student', student)}"
    ratios = (
        f"{teacher.parameters / student.parameters:.2f}×",
        f"{teacher.encoder_s / student.encoder_s:.2f}×",
        f"{teacher.forward_s / student.forward_s:.2f}×",
    )
    last = f"{'ratio':<8}{'':>7}{ratios[0]:>12}{'':>10}{ratios[1]:>9}{ratios[2]:>9}\n"
    return Content.assemble(
        (head, "$text-muted"), rows, (last, "bold"), (f"student: {visible(student.name)}", "$text-muted")
    )


def _size_row(role: str, size: StudentSize) -> str:
    disk = f"{size.disk_bytes / 1e6:.1f} MB" if size.disk_bytes else "–"
    times = f"{1000 * size.encoder_s:>6.1f} ms{1000 * size.forward_s:>6.1f} ms"
    return f"{role:<8}{size.layers:>7}{size.parameters / 1e6:>10.1f} M{disk:>10}{times}\n"
