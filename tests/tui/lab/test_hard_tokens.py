"""The panes of the lab draw the tokens that are hardest to draw, with nothing swallowed and in the cells they claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from rich.cells import cell_len
from textual.widgets import Static

from core.lab.few_shot import ScoredAnswer, ScoredAnswers, ScoredToken
from core.lab.masked_lm import Disguise, FilledMasks, Guess, MaskCandidate, MaskingGame, PlayedToken
from core.lab.records import Answer
from core.lab.sentiment import LabelScore, LeftOutWord, Sentiment
from core.lab.students import StudentEntry
from core.lab.wordpiece import walk
from core.text.visible import visible, visible_alone
from tests.tui.lab.lab import opened
from tests.tui.lab.test_attention import attention
from tests.tui.lab.test_students import ANSWER as STUDENTS
from tests.tui.vocabulary import HARD, TOKENIZERS, painted, squeezed, texts
from tui.lab.attention.pane import AttentionPane
from tui.lab.few_shot.pane import ANSWER_CELLS as ANSWER_CELLS
from tui.lab.few_shot.pane import FewShotPane
from tui.lab.masked_lm.fill_pane import FillPane
from tui.lab.masked_lm.masking_pane import MaskingPane
from tui.lab.pane import LabPane
from tui.lab.sentiment.pane import SENTIMENT_EXAMPLE, WORD_CELLS, SentimentPane
from tui.lab.students.pane import ENTRY_CELLS as STUDENT_CELLS
from tui.lab.students.pane import StudentsPane
from tui.lab.wordpiece.pane import WordPiecePane, _walk_rows
from tui.widgets.bars import fit
from tui.widgets.pictures import shading
from tui.widgets.pictures.attention_grid import TOKEN_CELLS, AttentionGrid

GUESSES = (Guess("river", 0.5),)
FILLED = FilledMasks(
    model="m",
    method="all at once",
    candidates=tuple(MaskCandidate(0, i + 1, i, token, 0.25, "") for i, token in enumerate(HARD)),
    targets=(),
    unknown_targets=(),
    best="".join(HARD),
    order=(0,),
)
SCORED = ScoredAnswers(
    model="m",
    prompt="\n".join(f"a{token}b" for token in HARD),
    prompt_tokens=9,
    answers=tuple(
        ScoredAnswer(token, token, tuple(ScoredToken(1, other, -1.0) for other in HARD), -1, -1, 0.5, 0.5, True, True)
        for token in HARD
    ),
)
SENTIMENT = Sentiment(
    model="m",
    index=0,
    text=SENTIMENT_EXAMPLE.split("\n")[0],
    label="\x1b[31m",
    scores=(LabelScore("\x1b[31m", 0.75), LabelScore("[/", 0.25)),
    truncated=False,
    words=tuple(LeftOutWord(token, 0, 1, 0.25, 0.5) for token in HARD),
)
STUDENT = tuple(StudentEntry(0, token, 0.5, 0.25, 1, 2) for token in HARD)


def game() -> MaskingGame:
    """A game with every hard token as it is, chosen, in another's place, and guessed."""
    tokens: list[PlayedToken] = []
    for token in HARD:
        tokens.append(PlayedToken(token, token, Disguise.NONE, 0.0, 0.0, 0, ()))
        tokens.append(PlayedToken(token, token, Disguise.RANDOM, 0.5, 0.5, 2, (Guess(token, 0.5), *GUESSES)))
    return MaskingGame("m", tuple(tokens), len(HARD), 0, 1.0, False)


def rows_of(pane: LabPane, name: str) -> list[str]:
    """The rows of one of a pane's texts."""
    return [row.rstrip() for row in painted(pane.query_one(name, Static))]


def labels(cells: int) -> Iterator[str]:
    """What a table shows of each hard token."""
    return (fit(token, cells).rstrip() for token in HARD)


@pytest.mark.parametrize(
    ("kind", "answer", "name", "cells"),
    [
        (FillPane, FILLED, "#fill-answer", 14),
        (FewShotPane, SCORED, "#few-shot-scores", ANSWER_CELLS),
        (SentimentPane, SENTIMENT, "#sentiment-words", WORD_CELLS),
    ],
)
async def test_every_hard_token_has_its_row(kind: type[LabPane], answer: Answer, name: str, cells: int) -> None:
    async with opened(kind, answer, size=(120, 40)) as (running, pane):
        await running.until(lambda: len(rows_of(pane, name)) > len(HARD))
        rows = iter(rows_of(pane, name))
        for label in labels(cells):
            assert any(row.startswith(label) for row in rows), ascii(label)


async def test_the_best_sentence_and_the_prompt_are_whole() -> None:
    async with opened(FillPane, FILLED) as (running, pane):
        await running.until(lambda: len(rows_of(pane, "#fill-answer")) > len(HARD))
        assert squeezed("".join(rows_of(pane, "#fill-answer"))).endswith(squeezed(visible("".join(HARD))))
    async with opened(FewShotPane, SCORED) as (running, other):
        await running.until(lambda: len(rows_of(other, "#few-shot-scores")) > len(HARD))
        shown = squeezed("".join(rows_of(other, "#few-shot-scores")))
        assert all(squeezed(visible_alone(token)) in shown for token in HARD)
        assert all(f"{squeezed(shading.name(token))}-1.00" in shown for token in HARD)
        assert shown.endswith(squeezed("".join(f"│{visible(line)}" for line in SCORED.prompt.split("\n"))))


async def test_every_hard_token_is_played() -> None:
    async with opened(MaskingPane, game(), size=(120, 40)) as (running, pane):
        await running.until(lambda: len(rows_of(pane, "#masking-answer")) > len(HARD))
        shown = squeezed("".join(rows_of(pane, "#masking-answer")))
        for token in HARD:
            bare = token.removeprefix("##") or token
            assert squeezed(visible(bare)) in shown
            assert squeezed(f"≠{visible_alone(bare)}≠") in shown, ascii(token)
            assert squeezed(f"{visible_alone(token)} 50") in shown, ascii(token)


async def test_every_hard_token_stands_between_teacher_and_student() -> None:
    async with opened(StudentsPane, replace(STUDENTS, entries=STUDENT)) as (running, pane):
        await running.until(lambda: len(rows_of(pane, "#students-answer")) > len(HARD))
        rows = iter(rows_of(pane, "#students-answer"))
        for label in labels(STUDENT_CELLS):
            assert any(row.startswith(label) for row in rows), ascii(label)


def is_filled(grid: AttentionGrid) -> bool:
    """Whether a grid shows weights."""
    return grid.attention is not None


async def test_every_hard_token_is_a_row_of_attention() -> None:
    step = 23
    for start in range(0, len(HARD), step):
        words = list(HARD[start : start + step])
        weights = attention(0, words, causal=True)
        async with opened(AttentionPane, weights, size=(120, 40)) as (running, pane):
            grid = pane.query(AttentionGrid).first()
            await running.until(partial(is_filled, grid))
            rows = list(painted(grid))
            for number, word in enumerate(words, start=1):
                label = f"{number:>2} {shading.fitted(shading.name(word), TOKEN_CELLS)}"
                assert any(row[1:].startswith(label) for row in rows), ascii(label)


def test_every_token_has_a_name_beside_its_row_of_attention() -> None:
    for name in TOKENIZERS:
        for text in texts(name):
            shown = shading.name(text)
            assert cell_len(shown) >= 1, ascii(text)
            assert cell_len(shading.fitted(shown, TOKEN_CELLS)) == TOKEN_CELLS
            assert visible_alone(shown) == shown


@pytest.mark.parametrize("word", [token for token in HARD if token.strip() and " " not in token][:60])
def test_every_hard_word_is_cut_in_the_open(word: str) -> None:
    rows = str(_walk_rows(walk(word, {"한", "##국"})))
    assert visible_alone(word)[:20] in rows
    assert "\x1b" not in rows


async def test_a_word_of_marks_is_cut_and_shown() -> None:
    async with opened(WordPiecePane) as (running, pane):
        assert isinstance(pane, WordPiecePane)
        await running.until(lambda: pane._tokenizer is not None)
        pane.use_berts.value = True
        pane.text.value = "한국 का [/"
        await running.until(lambda: "##◌ᅡ" in squeezed("".join(rows_of(pane, "#wordpiece-answer"))))
