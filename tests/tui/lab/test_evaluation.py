"""The evaluation pane: it waits to be asked, shows how far it is, what came out, and one mistake after the other."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from core.lab.evaluation import (
    CalibrationBin,
    CausalEvaluation,
    ClassifierEvaluation,
    ClassScores,
    Evaluate,
    EvaluationProgress,
    EvaluationRun,
    EvaluationTask,
    FillEvaluation,
    HardText,
    Mistake,
    RowsSkipped,
)
from core.messages.protocol import Answered, Ask, Cancel, Event, Work
from core.tables.rows import BrokenRow
from tests.tui.conftest import until
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.evaluation.pane import EvaluationPane

COLUMNS = ("#1 String", "#2 String", "Quality")
RUN = EvaluationRun(EvaluationTask.SIMILAR, "starter/mrpc", "/data/dev.tsv", COLUMNS, 408, 4.1, 2, 32, 0)
BINS = tuple(
    CalibrationBin(place / 10, (place + 1) / 10, n, place / 10 + 0.05, right)
    for place, (n, right) in enumerate([(0, 0.0)] * 5 + [(24, 0.46), (35, 0.4), (26, 0.62), (46, 0.65), (277, 0.88)])
)
ANSWER = ClassifierEvaluation(
    run=RUN,
    accuracy=0.7696,
    f1=0.8412,
    precision=0.7955,
    recall=0.8925,
    average="binary",
    positive="equivalent",
    loss=0.5215,
    calibration_error=0.1183,
    classes=(
        ClassScores("not_equivalent", 0.6842, 0.5039, 0.5804, 129),
        ClassScores("equivalent", 0.7955, 0.8925, 0.8412, 279),
    ),
    confusion=((65, 64), (30, 249)),
    bins=BINS,
    mistakes=(
        Mistake(203, ("The [/b] cat.", "가게 고양이 \x1b[31m 🦊"), "not_equivalent", "equivalent", 0.987, 0.013),
        Mistake(37, ("Prices rose.", "[bold]Prices fell."), "equivalent", "not_equivalent", 0.912, 0.088),
    ),
)
PROGRESS = EvaluationProgress(204, 408, 0.6, 0.81, 3.2)
SKIPPED = RowsSkipped((BrokenRow(3, "unknown label '[x'; the model has no, yes (0-1)"),))


async def test_nothing_starts_by_itself() -> None:
    async with opened(EvaluationPane, ANSWER) as (running, pane):
        await running.until(lambda: "ctrl+r" in str(pane.query_one(".lab-note").render()))
        pane.path.value = "dev.tsv"
        await running.pilot.pause()
        assert pane._waiting is None  # no question is on its way either
        assert questions(running.engine) == []


async def test_enter_in_the_file_asks_about_the_fields_as_they_are() -> None:
    async with opened(EvaluationPane, SKIPPED, PROGRESS, ANSWER) as (running, pane):
        await running.type("dev.tsv")
        pane.rows.value, pane.columns.value = "40", "one, two,3"
        await running.pilot.press("enter")
        await running.until(lambda: "84.12%" in str(pane.result.content))
        (question,) = questions(running.engine)
        assert isinstance(question, Evaluate)
        assert (question.task, question.model, question.limit) == (EvaluationTask.SIMILAR, "starter/mrpc", 40)
        assert question.path.startswith("/")
        assert question.path.endswith("/dev.tsv")
        assert (question.text, question.text_b, question.label) == ("one", "two", "3")
        shown = str(pane.result.content)
        for part in ("F1 (equivalent)    84.12%", "90%–100%   277 ██████░  88%", "right↓ said→", "not_equivalent"):
            assert part in shown
        note = str(pane.query_one(".lab-note").render())
        assert "2 rows skipped" in note
        assert "32 answers were in the journal" in note


async def test_the_arrows_walk_the_mistakes_from_the_file_field() -> None:
    async with opened(EvaluationPane, ANSWER) as (running, pane):
        await running.type("dev.tsv")
        await running.pilot.press("enter")
        await running.until(lambda: "line 203" in str(pane.mistake.content))
        assert "The [/b] cat." in str(pane.mistake.content)
        assert "␛[31m" in str(pane.mistake.content)
        await running.pilot.press("down")
        assert "line 37: said not_equivalent 91.2%, is equivalent" in str(pane.mistake.content)
        await running.pilot.press("down")
        assert "2/2" in str(pane.mistake.content)
        await running.pilot.press("up")
        assert "[/b]" in str(pane.mistake.content)


async def test_ctrl_t_goes_round_the_tasks_and_changes_a_starter_but_no_model_that_was_named() -> None:
    async with opened(EvaluationPane) as (running, pane):
        box = pane.query_one("#eval-model", Input)
        seen = []
        for _ in EvaluationTask:
            await running.pilot.press("ctrl+t")
            await running.pilot.pause()
            seen.append((pane.tasks.value, box.value))
        assert seen == [
            *(("sentiment", "starter/distilbert-sst2"), ("fill", "starter/bert"), ("lm", "starter/gpt2")),
            ("similar", "starter/mrpc"),
        ]
        box.value = "org/mine"
        await running.pilot.press("ctrl+t")
        assert box.value == "org/mine"


async def test_progress_shows_and_escape_stops_with_a_way_to_go_on() -> None:
    def script(request: Work) -> list[Event]:
        return [Answered(request.id, PROGRESS)] if isinstance(request, Ask) else []

    async with opened(EvaluationPane, script=script) as (running, pane):
        await running.type("dev.tsv")
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "204/408" in str(pane.progress.content))
        assert "81.0% right  3 s left" in str(pane.progress.content)
        await running.pilot.press("escape")
        assert running.engine.of(Cancel)
        (asked,) = (request for request in running.engine.requests if isinstance(request, Ask))
        running.engine.replies[asked.id].end()
        await running.until(lambda: "goes on" in str(pane.query_one(".lab-note").render()))


async def test_what_is_missing_or_no_number_is_one_line() -> None:
    async with opened(EvaluationPane, ANSWER) as (running, pane):
        for path, rows, columns, told in (
            ("", "", "", "no file"),
            ("a.tsv", "many", "", "whole number"),
            ("a.tsv", "", "a,b,c,d", "at most 3"),
        ):
            pane.path.value, pane.rows.value, pane.columns.value = path, rows, columns
            await running.pilot.press("ctrl+r")
            assert told in str(pane.query_one(".lab-note").render())
        assert questions(running.engine) == []


async def test_the_other_tasks_show_their_own_scores() -> None:
    fill = FillEvaluation(RUN, "the file's [MASK] and words", 12, 0.25, 0.5, 2.0, 7.39, ANSWER.mistakes[:1])
    hard = HardText(7, "우유 [b]", 9, 5.25)
    causal = CausalEvaluation(RUN, "each token", 64, 32, 900, 4000, 4100, 0.31, 3.2, 24.53, 1.04, 1.01, (hard,))
    async with opened(EvaluationPane, fill) as (running, pane):
        await running.type("a.tsv")
        await running.pilot.press("enter")
        await running.until(lambda: "accuracy@5" in str(pane.result.content))
        assert "[MASK]" in str(pane.result.content)
    async with opened(EvaluationPane, causal) as (running, other):
        await running.type("a.tsv")
        await running.pilot.press("enter")
        await running.until(lambda: "bits per byte" in str(other.result.content))
        assert "24.53" in str(other.result.content)
        assert "line 7: 5.250 nats a token over 9 tokens\n  우유 [b]" in str(other.mistake.content)


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see the file and the task, the scores beside the calibration's bars, the matrix, and one mistake."""

    async def use(pilot: Pilot[None], pane: Any) -> None:
        pane.path.value = "/data/dev.tsv"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "84.12%" in str(pane.result.content))

    assert snap_pane(EvaluationPane, SKIPPED, PROGRESS, ANSWER, use=use)
