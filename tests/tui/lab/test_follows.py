"""The next-sentence pane: it follows typing in both fields and shows both orders."""

from __future__ import annotations

from dataclasses import replace

from core.lab.sentence_pairs import Follows, NextSentence
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.sentence_pairs.follows_pane import FIRST, SECOND, FollowsPane

ANSWER = NextSentence("starter/bert", 0.9625, 0.0375, 0.25, 0.75, truncated=False)


async def test_the_example_is_asked_about_at_once() -> None:
    async with opened(FollowsPane, ANSWER) as (running, pane):
        await running.until(lambda: "96.2%" in str(pane.answer.content))
        assert questions(running.engine) == [Follows("starter/bert", FIRST, SECOND)]
        assert "B→A is next" in str(pane.answer.content)
        assert "not 75.0%" in str(pane.answer.content)
        assert "B follows A" in str(pane.answer.content)


async def test_typing_asks_again_and_ctrl_t_swaps() -> None:
    async with opened(FollowsPane, ANSWER) as (running, pane):
        pane.second.value = ""
        pane.second.focus()
        await running.type("[/b]")
        await running.until(lambda: Follows("starter/bert", FIRST, "[/b]") in questions(running.engine))
        await running.pilot.press("ctrl+t")
        await running.until(lambda: Follows("starter/bert", "[/b]", FIRST) in questions(running.engine))


async def test_a_missing_sentence_says_what_to_do() -> None:
    async with opened(FollowsPane, ANSWER) as (running, pane):
        pane.first.value = " "
        pane.ask()
        assert len(questions(running.engine)) == 1
        assert "two sentences" in str(pane.query_one(".lab-note").render())
        assert str(pane.answer.content) == ""


async def test_a_cut_pair_says_so() -> None:
    async with opened(FollowsPane, replace(ANSWER, truncated=True)) as (running, pane):
        await running.until(lambda: "cut" in str(pane.query_one(".lab-note").render()))


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see two sentences, a long bar for A→B, a short one for B→A, and what the model says."""
    assert snap_pane(FollowsPane, ANSWER)
