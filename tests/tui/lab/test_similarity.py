"""The similarity pane: the list ranked against its first line, and the heat map of all with all."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from core.lab.sentence_pairs import CompareAll, RankedSentence, RankedSentences, RankSentences, SimilarityMatrix
from core.messages.protocol import Answered, Ask, Done, Event, Work
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.pane import LabPane
from tui.lab.sentence_pairs.similarity_pane import SIMILARITY_EXAMPLE, SimilarityLab
from tui.widgets.pictures.pair_map import cell_text

LINES = tuple(SIMILARITY_EXAMPLE.split("\n"))
RANKED = RankedSentences(
    model="starter/mrpc",
    method="P(equivalent | A, B)",
    sentence=LINES[0],
    ranked=(
        RankedSentence(1, 0, LINES[1], 0.66, 0.65, 0.67, 0.02, 0.52, truncated=False),
        RankedSentence(2, 4, "고양이 [/b] 🐈 a rather long sentence", 0.38, 0.56, 0.2, 0.36, 0.1, truncated=True),
        RankedSentence(3, 2, "esc \x1b[31m", 0.15, 0.14, 0.16, 0.02, -0.01, truncated=False),
    ),
)


def matrix_of(sentences: tuple[str, ...]) -> SimilarityMatrix:
    """Numbers that name their row and column."""
    count = len(sentences)
    similar = tuple(
        tuple(1.0 if row == column else (7 * row + column) % 100 / 100 for column in range(count))
        for row in range(count)
    )
    cosine = tuple(tuple(1 - abs(row - column) / count for column in range(count)) for row in range(count))
    return SimilarityMatrix("starter/mrpc", "P(equivalent | A, B)", sentences, similar, cosine, truncated=0)


def script(request: Work) -> list[Event]:
    """Answers what is asked."""
    if not isinstance(request, Ask):
        return []
    question = request.question
    answer = matrix_of(question.sentences) if isinstance(question, CompareAll) else RANKED
    return [Answered(request.id, answer), Done(request.id)]


def note(pane: LabPane) -> str:
    """The line at the bottom."""
    return str(pane.query_one(".lab-note").render())


async def test_the_first_line_is_ranked_against_the_others() -> None:
    async with opened(SimilarityLab, script=script) as (running, pane):
        await running.until(lambda: "66.0%" in str(pane.ranking.content))
        assert questions(running.engine) == [RankSentences("starter/mrpc", LINES[0], LINES[1:])]
        shown = str(pane.ranking.content)
        assert "[/b]" in shown
        assert "\x1b" not in shown
        assert "1 cut" in note(pane)
        assert not pane.map.display


async def test_ctrl_t_asks_for_all_pairs_and_the_arrow_keys_tell_them() -> None:
    async with opened(SimilarityLab, script=script) as (running, pane):
        await running.pilot.press("ctrl+t")
        await running.until(lambda: "1→2" in note(pane))
        assert questions(running.engine)[-1] == CompareAll("starter/mrpc", LINES)
        assert pane.map.display
        pane.map.focus()
        await running.pilot.press("down", "right", "right")
        await running.until(lambda: note(pane).startswith("2→4 10.0%  4→2 22.0%  cosine 0.67"))
        await running.pilot.press("up", "up", "left")
        await running.until(lambda: note(pane).startswith("1→3 2.0%"))
        await running.pilot.press("ctrl+t")
        await running.until(lambda: not pane.map.display)


async def test_typing_a_line_asks_again() -> None:
    async with opened(SimilarityLab, script=script) as (running, pane):
        pane.sentences.text = "one\n\n  two  "
        await running.until(lambda: questions(running.engine)[-1] == RankSentences("starter/mrpc", "one", ("two",)))


async def test_too_few_and_too_many_lines_say_what_to_do() -> None:
    async with opened(SimilarityLab, script=script) as (running, pane):
        pane.sentences.text = "alone\n \n"
        pane.ask()
        assert "at least two" in note(pane)
        pane.is_map = True
        pane.sentences.text = "\n".join(f"sentence {number}" for number in range(201))
        pane.ask()
        assert "2 to 200 sentences, got 201" in note(pane)
        assert len(questions(running.engine)) == 1


async def test_a_map_wider_and_longer_than_the_pane_keeps_its_heads_in_sight() -> None:
    async with opened(SimilarityLab, script=script) as (running, pane):
        pane.sentences.text = "\n".join(f"number {number} of many" for number in range(1, 41))
        pane.is_map = True
        pane.ask()
        await running.until(lambda: len(pane.map._sentences) == 40)
        pane.map.focus()
        pane.map.cursor = (29, 39)
        await running.until(lambda: note(pane).startswith("30→40"))
        await running.pilot.pause()
        rows = [pane.map.render_line(y).text for y in range(pane.map.scrollable_content_region.height)]
        assert rows[0].rstrip().endswith(" 40")
        (at_cursor,) = [row for row in rows if "▸" in row]
        assert at_cursor.startswith(" 30 ")
        assert f"▸{cell_text((7 * 29 + 39) % 100 / 100)}" in at_cursor
        await running.pilot.press("end")
        await running.until(
            lambda: pane.map.render_line(pane.map.scrollable_content_region.height - 1).text.startswith(" 40 number 40")
        )


def test_cells_have_two_digits_and_a_shade() -> None:
    assert [cell_text(share) for share in (0.0, 0.073, 0.2, 0.5, 0.66, 0.8, 0.994, 1.0)] == [
        *("00 ", "07 ", "20░", "50▒", "66▓", "80█", "99█", "99█"),
    ]


def test_the_ranking_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see six sentences, then three ranked ones with bars, both orders, their spread and the cosine."""
    assert snap_pane(SimilarityLab, RANKED)


def test_the_heat_map_of_twelve_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see all of a 12 × 12 map: digits and shades, numbers on top and at the left, ▸ in row 2, column 3."""
    sentences = (*(f"sentence {number}" for number in range(1, 12)), "열두 번째 [/b]")

    async def use(pilot: Pilot[None], pane: Any) -> None:
        await pilot.press("ctrl+t")
        await pilot.app.workers.wait_for_complete([w for w in pilot.app.workers if w.group == "similarity"])
        pane.map.focus()
        await pilot.press("down", "right")

    assert snap_pane(SimilarityLab, matrix_of(sentences), use=use)
