"""The question-answering pane: what it needs, the marked answer, and the next best one."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from core.lab.question_answering import AnsweredQuestion, AnswerQuestion, AnswerSpan
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import last_question, opened, questions
from tui.lab.question_answering.pane import EXAMPLE_CONTEXT, EXAMPLE_QUESTION, AnswerPane


def span(rank: int, text: str, score: float) -> AnswerSpan:
    """A span of the example."""
    start = EXAMPLE_CONTEXT.index(text)
    return AnswerSpan(rank, text, start, start + len(text), score, score**0.5, score**0.5, 0)


ANSWER = AnsweredQuestion(
    model="some/squad",
    spans=(span(1, "in a basket", 0.64), span(2, "a basket full of warm towels", 0.2), span(3, "garden", 0.01)),
    no_answer=0.002,
    windows=1,
    window_tokens=384,
)


async def _name_a_model(pilot: Pilot[None], pane: Any) -> None:
    box = pane.query_one("#answer-model", Input)
    box.value = "some/squad"
    box.focus()
    await pilot.press("enter")


async def test_without_a_model_it_says_which_kind_is_needed() -> None:
    async with opened(AnswerPane, ANSWER) as (running, pane):
        await running.until(lambda: "SQuAD" in str(pane.query_one(".lab-note").render()))
        assert questions(running.engine) == []


async def test_the_best_span_stands_between_marks_and_ctrl_t_marks_the_next() -> None:
    async with opened(AnswerPane, ANSWER) as (running, pane):
        await _name_a_model(running.pilot, pane)
        await running.until(lambda: "▸in a basket◂" in str(pane.marked.content))
        assert questions(running.engine) == [AnswerQuestion("some/squad", EXAMPLE_QUESTION, EXAMPLE_CONTEXT)]
        assert "start  80% × end  80%" in str(pane.spans.content)
        await running.pilot.press("ctrl+t")
        assert "▸a basket full of warm towels◂" in str(pane.marked.content)
        await running.pilot.press("ctrl+t", "ctrl+t")
        assert "▸in a basket◂" in str(pane.marked.content)


async def test_a_stopped_question_says_so() -> None:
    async with opened(AnswerPane) as (running, pane):
        await _name_a_model(running.pilot, pane)
        await running.until(lambda: "stopped" in str(pane.query_one(".lab-note").render()))


async def test_typing_another_question_asks_again() -> None:
    async with opened(AnswerPane, ANSWER) as (running, pane):
        await _name_a_model(running.pilot, pane)
        await running.until(lambda: len(questions(running.engine)) == 1)
        pane.asked.focus()
        await running.type("Who?")
        await running.until(lambda: getattr(last_question(running.engine), "question", "").endswith("Who?"))


async def test_markup_and_control_characters_of_the_text_stay_text() -> None:
    text = "[bold]한국[/] \x1b[31m slept"
    found = AnswerSpan(1, "[/] \x1b", 8, 13, 0.5, 0.7, 0.7, 0)
    assert text[found.start : found.end] == found.text
    async with opened(AnswerPane, AnsweredQuestion("m", (found,), 0.0, 1, 384)) as (running, pane):
        pane.context.text = text
        await _name_a_model(running.pilot, pane)
        await running.until(lambda: "[bold]한국▸[/] ␛◂[31m slept" in str(pane.marked.content))


async def test_an_empty_text_says_what_to_do() -> None:
    async with opened(AnswerPane, ANSWER) as (_, pane):
        pane.context.text = " "
        pane.ask()
        assert "text is empty" in str(pane.query_one(".lab-note").render())


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see three spans with bars, and the text with `▸in a basket◂` marked in it."""
    assert snap_pane(AnswerPane, ANSWER, use=_name_a_model)
