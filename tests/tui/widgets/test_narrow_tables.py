"""What the X-ray and the candidates show where room or numbers are small."""

from __future__ import annotations

from functools import partial

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.widgets import Static

from core.messages.records import Candidate, CandidateTable
from core.messages.sampling_params import SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.main.test_candidates import looking as looking_at_candidates
from tests.tui.main.test_xray import looking, told
from tui.main.panes.candidates import CandidatesPane
from tui.widgets.bars import change_bar
from tui.widgets.candidate_columns import CandidateColumns
from tui.widgets.ribbon_view import RibbonToken, RibbonView


def tells(running: Running, text: str) -> bool:
    """Whether the line about the token under the cursor says something."""
    return text in told(running)


async def test_another_lens_is_named_at_once(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.until(lambda: "lens surprisal" in told(running))
        for name in ("probability", "rank", "entropy"):
            await running.pilot.press("l")
            await running.until(partial(tells, running, f"lens {name}"))


async def test_a_probability_of_almost_nothing_is_no_row_of_zeros(launch: Launch) -> None:
    async with looking(launch) as running:
        token = RibbonToken(" x", 1, 0, 4e-05, 7500, 1.0, 0.0, 13, 0.8)
        running.screen.ribbon.show_run("a run", [token], None, SamplingParams(), cursor=0)
        assert "p 4e-05" in told(running)
        assert "drawn with 0.0000 of 13" in told(running)


@pytest.mark.parametrize(
    ("width", "cells"), [(120, 10), (80, 10), (79, 9), (75, 5), (74, 4), (66, 9), (61, 4), (60, 0)]
)
def test_bars_give_way_before_numbers_do(width: int, cells: int) -> None:
    columns = CandidateColumns.within(width)
    assert columns.bar == cells
    assert cell_len(columns.heading) <= width
    row = Candidate(50257, 50256, "word", -98.765, 1.0, 1.0, 1.0, False, "no_repeat_ngram_size")
    assert cell_len(columns.row(row, mark="▶", before=1.0)) == cell_len(columns.heading)


def test_a_small_change_shows_in_a_bar_of_few_cells() -> None:
    assert change_bar(0.048, 0.075, 4) == "▓···"
    assert change_bar(0.075, 0.048, 4) == "▒···"
    assert change_bar(0.5, 0.5, 4) == "██··"
    assert change_bar(0.25, 0.75, 4) == "█▓▓·"
    assert change_bar(1.0, 0.985, 4) == "████"


class Viewer(App[None]):
    def compose(self) -> ComposeResult:
        yield RibbonView()


async def test_a_token_wider_than_the_ribbon_says_that_it_goes_on() -> None:
    app = Viewer()
    async with app.run_test(size=(30, 10)):
        view = app.query_one(RibbonView)
        view.show([RibbonToken("-" * 64, 1, 0, 0.5, 1, 1.0, 0.5, 3, 0.9)], cursor=0)
        assert view.render_line(0).text.rstrip().endswith("-…")
        assert cell_len(view.render_line(1).text.rstrip()) <= 30


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (160, 50)])
async def test_every_column_stands_under_its_name(launch: Launch, size: tuple[int, int]) -> None:
    async with looking_at_candidates(launch, size=size) as running:
        pane = running.screen.candidates
        assert isinstance(pane, CandidatesPane)
        row = Candidate(7, 12345, "word", -98.765, 0.25, 0.5, 0.75, True, "")
        table = CandidateTable((row,), 0, 1, 1, 0.5, 1.0, 3)
        pane.show(table, SamplingParams(), fresh=True, same_context=False)
        await running.pilot.pause()
        names = str(pane.query_one("#candidate-heading", Static).content)
        line = pane.rows.render_line(0).text
        narrow = size == (100, 30)
        for name, text in (
            ("rank", "7"),
            ("model", "25.0%"),
            ("final", "50.0%"),
            ("cumu" if narrow else "cumul.", "75%" if narrow else "75.0%"),
            ("logit", "-98.8" if narrow else "-98.765"),
            ("id", "12345"),
        ):
            end = names.index(name) + len(name)
            assert line[:end].endswith(text), (name, line)
        for name, text in (("token", "word"), ("fate", "kept")):
            assert line[names.index(name) :].startswith(text), (name, line)


async def test_the_columns_keep_their_names_when_a_scrollbar_comes(launch: Launch) -> None:
    async with looking_at_candidates(launch, size=(120, 40)) as running:
        pane = running.screen.candidates
        rows = tuple(Candidate(n, n, "word", 1.0, 0.01, 0.01, 0.5, True, "") for n in range(1, 61))
        for count in (1, 60, 1):
            table = CandidateTable(rows[:count], 0, count, count, 0.5, 1.0, 3)
            pane.show(table, SamplingParams(), fresh=True, same_context=False)
            await running.until(lambda count=count: pane.rows.show_vertical_scrollbar == (count > 1))  # type: ignore[misc]
            await running.pilot.pause()
            heading = str(pane.query_one("#candidate-heading", Static).content)
            assert heading == CandidateColumns.within(pane.rows.row_cells).heading
