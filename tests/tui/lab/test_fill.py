"""The fill-mask pane: it follows typing, masks words, and shows bars."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from core.lab.masked_lm import FilledMasks, FillMasks, MaskCandidate
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import last_question, opened, questions
from tui.lab.masked_lm.fill_pane import FillPane

ANSWER = FilledMasks(
    model="starter/bert",
    method="all masks at once",
    candidates=(
        MaskCandidate(0, 1, 3573, "store", 0.62, "I went to the store to buy some milk."),
        MaskCandidate(0, 2, 3006, "[/market]", 0.25, "I went to the [/market] to buy some milk."),
        MaskCandidate(0, 3, 4497, "가게", 0.04, "I went to the 가게 to buy some milk."),
    ),
    targets=(MaskCandidate(0, 41, 2082, "school", 0.001, "I went to the school to buy some milk."),),
    unknown_targets=("우유",),
    best="i went to the store to buy some milk.",
    order=(0,),
)


async def test_the_example_is_asked_about_at_once() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        await running.until(lambda: "store" in str(pane.answer.content))
        assert questions(running.engine) == [FillMasks("starter/bert", "I went to the [MASK] to buy some milk.")]
        shown = str(pane.answer.content)
        assert "[/market]" in shown
        assert "rank 41" in shown


async def test_typing_asks_again_with_the_words_to_compare() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        pane.targets.focus()
        await running.type("store school")
        asked = FillMasks("starter/bert", pane.text.value, targets=("store", "school"))
        await running.until(lambda: last_question(running.engine) == asked)


async def test_ctrl_t_masks_the_word_under_the_cursor() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        pane.text.value = "The cat sat."
        pane.text.focus()
        pane.text.cursor_position = len("The cat s")
        await running.pilot.press("ctrl+t")
        assert pane.text.value == "The cat [MASK]."


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('He said "he|llo" twice.', 'He said "[MASK]" twice.'),
        ('He said |"hello" twice.', 'He said [MASK]hello" twice.'),
        ("(br|ackets), then", "([MASK]), then"),
        ("a well-kn|own film", "a well-[MASK] film"),
        ("a well|-known film", "a well[MASK]known film"),
        ("they d|on't know", "they [MASK] know"),
        ("they don’|t know", "they [MASK] know"),
        ("The cat sat.|", "The cat [MASK]."),
        ("The cat | sat", "The [MASK]  sat"),
        ("the [MA|SK] sat", "the [MASK] sat"),
        ("안녕 세|상!", "안녕 [MASK]!"),
    ],
)
async def test_ctrl_t_keeps_the_signs_around_the_word(text: str, masked: str) -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        pane.text.value = text.replace("|", "")
        pane.text.focus()
        pane.text.cursor_position = text.index("|")
        await running.pilot.press("ctrl+t")
        assert pane.text.value == masked


async def test_ctrl_t_on_nothing_says_so() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        pane.text.value = " "
        await running.until(lambda: "write [MASK]" in str(pane.query_one(".lab-note").render()))
        pane.text.focus()
        await running.pilot.press("ctrl+t")
        assert pane.text.value == " "
        assert "no word" in str(pane.query_one(".lab-note").render())


async def test_the_number_of_candidates_is_asked_for() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        pane.top.focus()
        await running.pilot.press("up", "up")
        await running.until(lambda: len(questions(running.engine)) > 1)
        question = questions(running.engine)[-1]
        assert isinstance(question, FillMasks)
        assert question.top == 7


async def test_a_starter_s_name_says_that_it_is_not_the_original() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        origin = pane.query_one(".lab-origin")
        assert "not the original" in str(origin.render())
        name = pane.query_one("#fill-model", Input)
        name.value = "bert-base-uncased"
        await running.until(lambda: str(origin.render()) == "")
        name.value = ""
        await running.until(lambda: "not the original" in str(origin.render()))


async def test_a_text_without_a_mask_says_what_to_do() -> None:
    async with opened(FillPane, ANSWER) as (running, pane):
        pane.text.value = "no gap"
        pane.ask()
        assert len(questions(running.engine)) == 1
        assert "[MASK]" in str(pane.query_one(".lab-note").render())


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see the list of labs, the sentence, three bars and a wanted word with its rank."""
    assert snap_pane(FillPane, ANSWER)
