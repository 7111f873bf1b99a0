"""The few-shot pane: the prompt that its fields make, and the answers' scores."""

from __future__ import annotations

from core.lab.few_shot import ScoreAnswers, ScoredAnswer, ScoredAnswers, ScoredToken
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.few_shot.pane import FewShotPane

PROMPT = """\
Is the child happy or sad?
Tim got a big cake for his birthday. => happy
The dog was lost in the dark. => sad
The boy fell and cried. =>"""

ANSWER = ScoredAnswers(
    model="starter/gpt2",
    prompt=PROMPT,
    prompt_tokens=38,
    answers=(
        ScoredAnswer(
            answer="[/happy]",
            read=" [/happy]",
            tokens=(ScoredToken(1, " [/happy]", -2.0),),
            sum=-2.0,
            mean=-2.0,
            prob=0.73,
            prob_per_token=0.27,
            best=True,
            best_per_token=False,
        ),
        ScoredAnswer(
            answer="아주 슬픈",
            read=" 아주 슬픈",
            tokens=(ScoredToken(2, " 아주", -1.5), ScoredToken(3, " 슬픈", -1.5)),
            sum=-3.0,
            mean=-1.5,
            prob=0.27,
            prob_per_token=0.73,
            best=False,
            best_per_token=True,
        ),
    ),
)


async def test_the_fields_make_the_prompt() -> None:
    async with opened(FewShotPane, ANSWER) as (running, pane):
        await running.until(lambda: "prompt" in str(pane.scores.content))
        assert questions(running.engine) == [ScoreAnswers("starter/gpt2", PROMPT, ("happy", "sad"))]


async def test_the_scores_show_both_winners_the_tokens_and_the_prompt() -> None:
    async with opened(FewShotPane, ANSWER) as (running, pane):
        await running.until(lambda: "prompt" in str(pane.scores.content))
        shown = str(pane.scores.content)
        assert "[/happy]    ▸████░░  73%   -2.00  ██░░░░  27%   -2.00" in shown
        assert "아주 -1.50 슬픈 -1.50" in shown
        assert "│ The boy fell and cried. =>" in shown
        assert "whole: [/happy] wins; per token: 아주 슬픈" in str(pane.query_one(".lab-note").render())


async def test_ctrl_t_goes_from_few_shot_to_zero_shot() -> None:
    async with opened(FewShotPane, ANSWER) as (running, pane):
        await running.until(lambda: "prompt" in str(pane.scores.content))
        await running.pilot.press("ctrl+t")
        await running.until(lambda: len(questions(running.engine)) == 2)
        question = questions(running.engine)[-1]
        assert isinstance(question, ScoreAnswers)
        assert question.prompt == "Is the child happy or sad?\nThe boy fell and cried. =>"


async def test_what_is_missing_is_one_line() -> None:
    async with opened(FewShotPane, ANSWER) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 1)
        pane.examples.text = "no arrow"
        pane.ask()
        assert "not of the form" in str(pane.query_one(".lab-note").render())
        pane.examples.text = ""
        pane.query_one("#few-shot-answers").value = " | "  # type: ignore[attr-defined]
        pane.ask()
        assert "no answer on offer" in str(pane.query_one(".lab-note").render())
        assert len(questions(running.engine)) == 1


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see the fields, two rows with two bars each and a ▸ in either column, and the prompt's beginning."""
    assert snap_pane(FewShotPane, ANSWER)
