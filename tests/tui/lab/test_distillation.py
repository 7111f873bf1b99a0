"""The distillation pane: nothing runs unasked, the course is painted, a stopped run goes on by key."""

from __future__ import annotations

import math
from typing import Any

from textual.pilot import Pilot

from core.lab.distillation import Distil, Distilled, DistilMeasured, DistilPaused, DistilStarted, DistilStep
from core.lab.records import Answer
from core.messages.protocol import Answered, Ask, Event, Work
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.distillation.pane import DistillationPane

STARTED = DistilStarted("starter/bert", 22_744_506, 17_420_346, 6, (0, 2, 5), 11_786, 64, 174, 16, 8, 0, 60, "cpu")
STEPS = tuple(DistilStep(step, 60, 0.9 + math.exp(-step / 9), 0.6, 4.4, 0.25, 0.6) for step in range(1, 61))
MEASURED = tuple(
    DistilMeasured(step, 0.5 + 1.24 * math.exp(-step / 12), 0.33 + step / 200) for step in range(0, 61, 10)
)
DONE = Distilled("starter/bert", 60, 1.74, 0.51, 0.33, 0.63, 22_744_506, 17_420_346, 41.0, "/home/me/[bold] 학생")
PARTS: tuple[Answer, ...] = (STARTED, MEASURED[0], *STEPS, *MEASURED[1:], DONE)


async def start(pilot: Pilot[None], pane: Any) -> None:
    """Press the key that starts it."""
    await pilot.press("ctrl+r")


async def test_nothing_is_asked_before_the_key_is_pressed() -> None:
    async with opened(DistillationPane, *PARTS) as (running, pane):
        pane.ask()
        await running.pilot.press("enter")
        assert questions(running.engine) == []


async def test_the_key_starts_it_with_what_the_fields_say() -> None:
    async with opened(DistillationPane, *PARTS) as (running, pane):
        pane.text.text = "한국어 text [/b]"
        pane.steps.value = "30"
        pane.seed.value = "3"
        pane.folder.value = " my student "
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "done in 41 s" in str(pane.answer.content))
        assert questions(running.engine) == [
            Distil("starter/bert", "한국어 text [/b]", 30, 2e-4, 2.0, 3, "my student", resume=False)
        ]
        shown = str(pane.answer.content)
        assert "1.74 → 0.51 nats (−71%)" in shown
        assert "step 60/60" in shown
        assert "1.79" in shown
        assert "[bold] 학생" in str(pane.query_one(".lab-note").render())


async def test_a_run_in_progress_is_neither_restarted_nor_hurried() -> None:
    def unfinished(request: Work) -> list[Event]:
        if not isinstance(request, Ask):
            return []
        return [Answered(request.id, part) for part in (STARTED, STEPS[0], MEASURED[0])]

    async with opened(DistillationPane, script=unfinished) as (running, pane):
        await running.pilot.press("ctrl+r")
        await running.until(lambda: "step 1/60" in str(pane.answer.content))
        assert "35 s left" in str(pane.answer.content)
        await running.pilot.press("ctrl+r")
        assert "Esc stops it" in str(pane.query_one(".lab-note").render())
        assert len(questions(running.engine)) == 1


async def test_a_stopped_run_goes_on_by_key() -> None:
    async with opened(DistillationPane, STARTED, DistilPaused(11, 60, "/state/distillation.pt")) as (
        running,
        pane,
    ):
        await running.pilot.press("ctrl+g")
        await running.until(lambda: "ctrl+g goes on" in str(pane.query_one(".lab-note").render()))
        (question,) = questions(running.engine)
        assert isinstance(question, Distil)
        assert question.resume


async def test_a_broken_setting_is_one_line() -> None:
    async with opened(DistillationPane, *PARTS) as (running, pane):
        for field, value, said in (
            (pane.steps, "2.5", "whole number"),
            (pane.rate, "fast", "must be a number"),
            (pane.temperature, "0", "temperature must be in"),
        ):
            before, field.value = field.value, value
            await running.pilot.press("ctrl+r")
            assert said in str(pane.query_one(".lab-note").render())
            field.value = before
        assert questions(running.engine) == []


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see a full bar, a falling curve with its numbers, and the held-out KL shrinking bar by bar."""
    assert snap_pane(DistillationPane, *PARTS, use=start)
