"""The teacher-and-student pane: both distributions side by side, distance, sizes and speeds."""

from __future__ import annotations

from dataclasses import replace

from core.lab.students import CompareStudents, StudentEntry, StudentsCompared, StudentSize, StudentTask
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.students.pane import STUDENTS_EXAMPLE, StudentsPane

ANSWER = StudentsCompared(
    task=StudentTask.MASKED_LM,
    temperature=1.0,
    entries=(
        StudentEntry(0, "girl", 0.62, 0.31, 1, 2),
        StudentEntry(0, "[/bold]", 0.11, 0.4, 2, 1),
        StudentEntry(0, "소녀", 0.01, 0.00004, 9, 30522),
    ),
    by_name=True,
    kl=1.7012,
    agreement=0.0,
    teacher=StudentSize("starter/bert", "BertForMaskedLM", 6, 22_744_506, 45_859_932, 0.0186, 0.0503),
    student=StudentSize("half of starter/bert", "DistilBertForMaskedLM", 3, 17_420_346, 0, 0.0093, 0.0431),
    tokens=12,
    forwards=7,
    dtype="float32",
)


async def test_the_example_is_compared_at_once() -> None:
    async with opened(StudentsPane, ANSWER) as (running, pane):
        await running.until(lambda: "girl" in str(pane.answer.content))
        (question,) = questions(running.engine)
        assert isinstance(question, CompareStudents)
        assert (question.teacher, question.text, question.temperature) == ("starter/bert", STUDENTS_EXAMPLE, 1.0)
        shown = str(pane.answer.content)
        assert "[/bold]" in shown
        assert "#30522" in shown
        assert "1.701 nats" in shown
        assert "2.00×" in shown


async def test_a_changed_temperature_asks_again_and_names_of_models_wait_for_enter() -> None:
    async with opened(StudentsPane, ANSWER) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 1)
        pane.temperature.focus()
        await running.pilot.press("up")
        await running.until(lambda: len(questions(running.engine)) == 2)
        pane.query_one("#students-student").focus()
        await running.type("x")
        await running.pilot.press("enter")
        await running.until(lambda: len(questions(running.engine)) == 3)
        warmer, other = questions(running.engine)[1:]
        assert isinstance(warmer, CompareStudents)
        assert isinstance(other, CompareStudents)
        assert warmer.temperature == 1.5
        assert "x" in other.student


async def test_a_temperature_out_of_range_says_so() -> None:
    async with opened(StudentsPane, ANSWER) as (running, pane):
        pane.temperature.value = "0"
        pane.ask()
        await running.until(lambda: "temperature must be in" in str(pane.query_one(".lab-note").render()))


async def test_labels_paired_by_number_are_named_so() -> None:
    async with opened(StudentsPane, replace(ANSWER, by_name=False)) as (running, pane):
        await running.until(lambda: "by number" in str(pane.query_one(".lab-note").render()))


def test_the_default_student_is_made_of_the_teacher_where_no_starter_is() -> None:
    assert StudentsPane.MODELS["student"] == "starter/distilbert"


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see three entries with a bar and a rank for either model, the KL, and a table of sizes and times."""
    assert snap_pane(StudentsPane, ANSWER)
