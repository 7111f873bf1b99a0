"""The softmax pane: probabilities as one types, temperature by key, and the overflow."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.pilot import Pilot

from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.softmax.pane import ROWS, SoftmaxPane


def shown(pane: SoftmaxPane) -> str:
    return str(pane.answer.content)


def note(pane: SoftmaxPane) -> str:
    return str(pane.query_one(".lab-note").render())


def notes(pane: SoftmaxPane, expected: str) -> bool:
    return expected in note(pane)


async def test_the_courses_logits_are_worked_out_at_once_without_the_engine() -> None:
    async with opened(SoftmaxPane) as (running, pane):
        await running.until(lambda: "0.7361" in shown(pane))
        assert "    2.500    2.500    0.000    1.000  0.7361 ███████" in shown(pane)
        assert all(prob in shown(pane) for prob in ("0.1643", "0.0996"))
        assert "no exponential overflows" in shown(pane)
        assert questions(running.engine) == []


async def test_up_and_down_change_the_temperature_and_0_is_greedy() -> None:
    async with opened(SoftmaxPane) as (running, pane):
        pane.temperature.focus()
        await running.pilot.press("up")
        await running.until(lambda: "2.273" in shown(pane))
        assert pane.temperature.value == "1.1"
        await running.pilot.press(*["down"] * 15)
        assert pane.temperature.value == "0"
        await running.until(lambda: "That is greedy decoding" in shown(pane))
        assert "1.0000 ██████████" in shown(pane)


async def test_large_logits_show_what_subtracting_the_maximum_avoids() -> None:
    async with opened(SoftmaxPane) as (running, pane):
        pane.logits.value = "1000 1001 1002"
        await running.until(lambda: "overflow" in shown(pane) and "0.6652" in shown(pane))
        assert "inf      nan" in shown(pane)
        pane.logits.value = "-1000 -1001"
        await running.until(lambda: "underflow: every exponential is 0" in shown(pane))
        pane.logits.value = "-103 -104"
        await running.until(lambda: "too small for float32's digits" in shown(pane))


async def test_what_cannot_be_used_is_said_in_one_line() -> None:
    async with opened(SoftmaxPane) as (running, pane):
        for text, expected in (("", "no logits"), ("1, [/", "'[/' is no number"), ("nan", "no softmax")):
            pane.logits.value = text
            await running.until(partial(notes, pane, expected))
        pane.logits.value = "1 2"
        pane.temperature.value = "-1"
        await running.until(lambda: "temperature must be in [0, 100], got -1" in note(pane))
        pane.temperature.value = "가"
        await running.until(lambda: "temperature must be a number" in note(pane))


async def test_many_logits_all_count_and_the_first_are_shown() -> None:
    async with opened(SoftmaxPane) as (running, pane):
        pane.logits.value = "1 " * (ROWS + 1)
        await running.until(lambda: f"{ROWS + 1} logits" in note(pane))
        assert f"the first {ROWS} are shown" in note(pane)


def test_the_softmax_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see three large logits, their steps with bars, and inf and nan without the maximum subtracted."""

    async def overflow(pilot: Pilot[None], pane: Any) -> None:
        pane.logits.value = "1000 1001 1002"
        await pilot.pause()

    assert snap_pane(SoftmaxPane, use=overflow)
