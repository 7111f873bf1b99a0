"""The fine-tuning pane: it trains when a key says so, shows the course of it, and says how to go on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from core.lab.finetuning import (
    Finetune,
    Finetuned,
    FinetuneMeasured,
    FinetunePaused,
    FinetuneStarted,
    FinetuneStep,
    FinetuneTask,
    LabelCount,
    SkippedRow,
)
from core.lab.records import Answer
from core.messages.protocol import Answered, Ask, Cancel, Event, Work
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.finetuning.pane import FinetunePane
from tui.widgets.pictures.curve import EIGHTHS, curve

STARTED = FinetuneStarted(
    model="starter/bert",
    task=FinetuneTask.SENTIMENT,
    columns=("sentence", "[/label]"),
    labels=(LabelCount("나쁨", "나쁨", 90), LabelCount("[bold]", "[bold]", 110)),
    rows=200,
    held_out=20,
    truncated=0,
    skipped=(SkippedRow(7, "1 column instead of 2"),),
    skipped_rows=1,
    steps=18,
    step=0,
    device="cpu",
    precision="bfloat16",
)
STEPS = tuple(FinetuneStep(step, 18, 1 + step // 6, 0.9 - 0.045 * step, 75.0 - step) for step in range(1, 13))
MEASURED = (
    FinetuneMeasured(0, 0.9, 0.45, 0.4, False),
    FinetuneMeasured(3, 0.6, 0.7, 0.7, True),
    FinetuneMeasured(6, 0.4, 0.9, 0.9, True),
    FinetuneMeasured(9, 0.42, 0.85, 0.85, False),
    FinetuneMeasured(12, 0.44, 0.85, 0.85, False),
)
DONE = Finetuned(
    folder="my-[model]",
    model="starter/bert",
    task=FinetuneTask.SENTIMENT,
    labels=("나쁨", "[bold]"),
    rows=200,
    held_out=20,
    steps=12,
    best_step=6,
    stopped_early=True,
    held_out_loss=0.4,
    held_out_accuracy=0.9,
    held_out_f1=0.9,
    majority_accuracy=0.55,
    seconds=34.0,
    rows_per_s=31.0,
)
COURSE: tuple[Answer, ...] = (STARTED, MEASURED[0], *STEPS, *MEASURED[1:])


def fill_in(pane: FinetunePane) -> None:
    pane.file.value, pane.out.value = "rows.tsv", "my-[model]"


def shown(pane: FinetunePane) -> str:
    return str(pane.answer.content)


def note(pane: FinetunePane) -> str:
    return str(pane.query_one(".lab-note").render())


async def test_nothing_is_asked_before_the_key() -> None:
    async with opened(FinetunePane, DONE) as (running, pane):
        fill_in(pane)
        pane.file.focus()
        await running.pilot.press("enter")
        await running.until(lambda: "ctrl+r" in note(pane))
        assert questions(running.engine) == []


async def test_ctrl_r_asks_with_the_fields_as_they_are() -> None:
    async with opened(FinetunePane, *COURSE, DONE) as (running, pane):
        fill_in(pane)
        pane.epochs.focus()
        await running.pilot.press("up")
        pane.pairs.value = True
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "my-[model]" in shown(pane))
        asked = Finetune("starter/bert", "rows.tsv", FinetuneTask.SIMILAR, "my-[model]", epochs=4)
        assert questions(running.engine) == [asked]
        assert "나쁨 90, [bold] 110" in shown(pane)
        assert "line 7: 1 column instead of 2" in shown(pane)
        assert "held-out accuracy 90.0%" in shown(pane)
        assert "before" not in shown(pane)  # the last few measurements, and the best
        assert "best" in shown(pane)


async def test_missing_fields_are_said_in_one_line() -> None:
    async with opened(FinetunePane) as (running, pane):
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "the file is missing" in note(pane))
        pane.file.value = "rows.tsv"
        await running.pilot.press("ctrl+g")
        await running.until(lambda: "the folder is missing" in note(pane))
        pane.out.value, pane.epochs.value = "out", "2.5"
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "whole number" in note(pane))
        assert questions(running.engine) == []


async def test_escape_stops_and_ctrl_g_goes_on() -> None:
    def script(request: Work) -> list[Event]:
        return [Answered(request.id, part) for part in COURSE] if isinstance(request, Ask) else []

    async with opened(FinetunePane, script=script) as (running, pane):
        fill_in(pane)
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "step 12" in shown(pane))
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "Esc stops it" in note(pane))
        assert len(questions(running.engine)) == 1
        await running.pilot.press("escape")
        (cancelled,) = running.engine.of(Cancel)
        assert isinstance(cancelled, Cancel)
        reply = running.engine.replies[cancelled.target]
        reply.put(Answered(reply.request_id, FinetunePaused("my-[model]", 12, 18)))
        await running.until(lambda: "stopped at step 12 of 18" in note(pane))
        reply.end()
        await running.until(lambda: not pane.has_class("-busy"))
        await running.pilot.press("ctrl+g")
        await running.until(lambda: len(questions(running.engine)) == 2)
        question = questions(running.engine)[-1]
        assert isinstance(question, Finetune)
        assert question.resume


async def _train(pilot: Pilot[None], pane: Any) -> None:
    fill_in(pane)
    await pilot.press("ctrl+r")


@pytest.mark.parametrize("answers", [COURSE, (*COURSE, DONE)], ids=["training", "finished"])
def test_the_pane_at_80_by_24(snap_pane: SnapPane, answers: tuple[Answer, ...]) -> None:
    """You should see file, folder, epochs, a falling curve of blocks, and bars of the held-out accuracy."""
    assert snap_pane(FinetunePane, *answers, use=_train)


@given(st.lists(st.floats(0, 1e6), max_size=300), st.integers(1, 60), st.integers(1, 8))
def test_a_curve_fits_its_place_and_its_highest_column_fills_it(values: list[float], cells: int, rows: int) -> None:
    lines = curve(values, cells, rows)
    assert len(lines) == rows
    assert all(len(line) == min(cells, len(values)) for line in lines)
    if any(values):
        assert "█" in lines[0]


def test_a_curve_s_columns_are_the_means_of_their_values() -> None:
    assert curve([8, 8, 2, 4], 2, 1) == [f"█{EIGHTHS[3]}"]
    assert curve([0, 0], 2, 2) == ["  ", "  "]
    assert curve([16, 4], 2, 2) == ["█ ", f"█{EIGHTHS[4]}"]
