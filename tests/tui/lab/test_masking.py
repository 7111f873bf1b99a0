"""The masking game's pane: it follows the text and the rate, draws again, and shows what is disguised how."""

from __future__ import annotations

from dataclasses import replace

from core.lab.masked_lm import Disguise, Guess, MaskingGame, PlayedToken, PlayMasking
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.masked_lm.masking_pane import MASKING_EXAMPLE, MaskingPane


def plain(token: str) -> PlayedToken:
    """A token that was not chosen."""
    return PlayedToken(token, token, Disguise.NONE, 0.0, 0.0, 0, ())


GUESSES = (Guess("river", 0.621), Guess("[/", 0.2), Guess("우물", 0.04), Guess("house", 0.01))
GAME = MaskingGame(
    model="starter/bert",
    tokens=(
        *map(plain, ("[CLS]", "she", "went", "to", "the")),
        PlayedToken("river", "[MASK]", Disguise.MASK, 0.621, 0.476, 1, GUESSES),
        *map(plain, ("to", "fetch")),
        PlayedToken("some", "[unused7]", Disguise.RANDOM, 0.0003, 8.112, 412, GUESSES),
        PlayedToken("water", "water", Disguise.KEEP, 0.97, 0.03, 1, GUESSES),
        *map(plain, ("##fall", ".", "[SEP]")),
    ),
    chosen=3,
    right=2,
    loss=2.873,
    truncated=False,
)


async def test_the_example_is_played_at_once_and_shows_every_disguise() -> None:
    async with opened(MaskingPane, GAME) as (running, pane):
        await running.until(lambda: "river" in str(pane.answer.content))
        assert questions(running.engine) == [PlayMasking("starter/bert", MASKING_EXAMPLE, 0.15, 0, 6)]
        shown = str(pane.answer.content)
        assert "she went to the ▒mask▒ to fetch ≠[unused7]≠ =water=fall ." in shown
        assert "loss 2.873 in the mean, 2 of 3 guessed first" in shown
        assert "river     ▒mask▒     62.1%  0.48     1✓ river 62 [/ 20\n" in shown
        assert "some      ≠[unused…  <0.1%  8.11   412  river 62" in shown


async def test_a_wider_terminal_shows_more_guesses() -> None:
    async with opened(MaskingPane, GAME) as (running, pane):
        await running.until(lambda: "river 62 [/ 20\n" in str(pane.answer.content))
        await running.pilot.resize_terminal(120, 40)
        await running.until(lambda: "river 62 [/ 20 우물 4 house 1\n" in str(pane.answer.content))


async def test_ctrl_d_draws_again_with_the_next_seed() -> None:
    async with opened(MaskingPane, GAME) as (running, pane):
        pane.text.focus()
        await running.pilot.press("ctrl+d", "ctrl+d")
        await running.until(lambda: len(questions(running.engine)) == 3)
        assert [question.seed for question in questions(running.engine) if isinstance(question, PlayMasking)] == [
            0,
            1,
            2,
        ]
        assert pane.text.text == MASKING_EXAMPLE


async def test_the_rate_follows_the_arrow_keys_and_stays_in_its_range() -> None:
    async with opened(MaskingPane, GAME) as (running, pane):
        pane.rate.focus()
        await running.pilot.press("up")
        await running.until(lambda: len(questions(running.engine)) == 2)
        question = questions(running.engine)[-1]
        assert isinstance(question, PlayMasking)
        assert question.rate == 0.2
        await running.pilot.press(*["down"] * 9)
        assert pane.rate.value == "0.01"
        pane.rate.value = "7"
        await running.until(lambda: "rate must be in [0.01, 1], got 7" in str(pane.query_one(".lab-note").render()))


async def test_any_text_is_played_and_an_empty_one_says_so() -> None:
    async with opened(MaskingPane, GAME) as (running, pane):
        pane.text.text = "안녕 [bold] [/ 🦊\x1b"
        await running.until(lambda: len(questions(running.engine)) == 2)
        question = questions(running.engine)[-1]
        assert isinstance(question, PlayMasking)
        assert question.text.startswith("안녕 [bold] [/ 🦊")
        pane.text.text = "  "
        await running.until(lambda: "the text is empty" in str(pane.query_one(".lab-note").render()))


async def test_tokens_of_a_byte_level_vocabulary_keep_their_spaces() -> None:
    tokens = (plain("<s>"), plain("The"), plain("Ġplay"), plain("ing"), plain("Ġ▁odd"))
    async with opened(MaskingPane, replace(GAME, tokens=(*tokens, *GAME.tokens[5:6]))) as (running, pane):
        await running.until(lambda: "playing" in str(pane.answer.content))


def test_the_masking_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see the text, the rate, the sentence with three disguises, a legend, and a row for each of them."""
    assert snap_pane(MaskingPane, GAME)
