"""The families pane: a table that fits, and the facts of the highlighted row."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.pilot import Pilot

from core.lab.families import FAMILIES
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.families.pane import FamiliesPane


def tells_of(pane: FamiliesPane, name: str) -> bool:
    return str(pane.details.content).startswith(f"{name}  ")


async def test_the_arrow_keys_walk_the_families_and_show_their_facts() -> None:
    async with opened(FamiliesPane) as (running, pane):
        await running.until(lambda: "Bidirectional Transformers" in str(pane.details.content))
        await running.until(lambda: running.app.focused is pane.table)
        for family in FAMILIES[1:]:
            await running.pilot.press("down")
            await running.until(partial(tells_of, pane, family.name))
        assert "cannot be tried here" in str(pane.details.content)
        assert questions(running.engine) == []


async def test_the_table_fits_a_terminal_of_80_columns() -> None:
    async with opened(FamiliesPane) as (running, pane):
        await running.until(lambda: pane.table.row_count == len(FAMILIES))
        await running.until(lambda: pane.table.virtual_size.width > 0)
        assert pane.table.virtual_size.width <= pane.table.size.width
        assert pane.table.virtual_size.height <= pane.table.size.height


async def test_page_keys_scroll_the_facts() -> None:
    async with opened(FamiliesPane, size=(80, 16)) as (running, pane):
        await running.until(lambda: pane.query_one("#families-facts").max_scroll_y > 0)
        await running.pilot.press("pagedown")
        await running.until(lambda: pane.query_one("#families-facts").scroll_y > 0)
        await running.pilot.press("pageup")
        await running.until(lambda: pane.query_one("#families-facts").scroll_y == 0)


def test_the_families_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see seven families in a table, GPT-2 highlighted, and its facts with two commands below."""

    async def go_to_gpt_2(pilot: Pilot[None], pane: Any) -> None:
        await pilot.press("down", "down", "down", "down")
        await pilot.pause()

    assert snap_pane(FamiliesPane, use=go_to_gpt_2)
