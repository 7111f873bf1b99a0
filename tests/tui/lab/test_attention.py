"""The attention pane: two grids, their cursors, and the keys for layers and heads."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from core.lab.attention import Attend, AttendedToken, Attention, CompareAttention
from tests.tui.conftest import Running
from tests.tui.lab.conftest import SnapPane
from tests.tui.lab.lab import opened, questions
from tui.lab.attention.pane import AttentionPane
from tui.widgets.pictures import shading
from tui.widgets.pictures.attention_grid import AttentionGrid


def attention(view: int, words: list[str], *, causal: bool, cut: int = 0, **place: int) -> Attention:
    """Weights that fall off with the distance; a causal model's are zero for what comes later."""
    rows = []
    for t in range(len(words)):
        raw = [0.0 if causal and s > t else 2.0 ** -abs(t - s) for s in range(len(words))]
        rows.append(tuple(weight / sum(raw) for weight in raw))
    where: dict[str, int] = {"layer": 1, "layers": 6, "head": 0, "heads": 12} | place
    return Attention(
        view=view,
        model="starter/gpt2" if causal else "starter/bert",
        causal=causal,
        tokens=tuple(AttendedToken(word, word) for word in words),
        weights=tuple(rows),
        text_tokens=len(words) + cut,
        kept=len(words),
        **where,
    )


WORDS = ["The", " cat", "[/bold]", "한 1/2", "한 2/2", "\x1b", "."]
BOTH_WAYS = attention(0, ["[CLS]", *WORDS, "[SEP]"], causal=False)
CAUSAL = attention(1, WORDS, causal=True, heads=4)


def asked(running: Running) -> list[list[tuple[int, int]]]:
    """Layer and head of each view of every question."""
    found = []
    for question in questions(running.engine):
        assert isinstance(question, CompareAttention)
        found.append([(view.layer, view.head) for view in question.views])
    return found


def grids(pane: AttentionPane) -> tuple[AttentionGrid, AttentionGrid]:
    """The two-directional grid and the causal one."""
    first, second = pane.query(AttentionGrid)
    return first, second


async def test_both_models_are_asked_about_the_same_text() -> None:
    async with opened(AttentionPane, BOTH_WAYS, CAUSAL) as (running, pane):
        first, second = grids(pane)
        await running.until(lambda: second.attention is not None)
        text = "The cat sat on the mat because it was tired."
        assert questions(running.engine) == [
            CompareAttention((Attend("starter/bert", text, 1, 0, 46), Attend("starter/gpt2", text, 1, 0, 46)))
        ]
        assert first.display
        assert second.display
        shown = str(second.render())
        assert "[/bold]" in shown
        assert "한 1/2" in shown
        assert "\x1b" not in shown
        assert "█······" in shown


async def test_the_cursor_walks_the_rows_and_tells_them() -> None:
    async with opened(AttentionPane, BOTH_WAYS, CAUSAL) as (running, pane):
        _, second = grids(pane)
        await running.until(lambda: second.attention is not None)
        second.focus()
        await running.pilot.press("down")
        shown = str(second.render())
        assert "▸ 2 cat" in shown
        assert "`cat` (2) looks at: `cat` 67%, `The` 33%" in " ".join(shown.split())
        await running.pilot.press("end", "down")
        assert second.cursor == len(WORDS) - 1
        assert "▸ 7 ." in str(second.render())


async def test_keys_choose_layer_and_head_of_the_focused_grid_round_and_round() -> None:
    async with opened(AttentionPane, BOTH_WAYS, CAUSAL) as (running, pane):
        first, second = grids(pane)
        await running.until(lambda: second.attention is not None)
        second.focus()
        await running.pilot.press("right", "right", "pagedown")
        await running.until(lambda: asked(running)[-1] == [(1, 0), (2, 2)])
        first.focus()
        await running.pilot.press("left", "pageup")
        await running.until(lambda: asked(running)[-1] == [(6, 12), (2, 2)])
        await running.pilot.press("right", "pagedown")
        await running.until(lambda: asked(running)[-1] == [(1, 0), (2, 2)])


async def test_another_model_starts_at_its_first_layer() -> None:
    async with opened(AttentionPane, BOTH_WAYS, CAUSAL) as (running, pane):
        first, second = grids(pane)
        await running.until(lambda: second.attention is not None)
        first.focus()
        await running.pilot.press("pageup")
        await running.until(lambda: asked(running)[-1] == [(6, 0), (1, 0)])
        box = pane.query_one("#attention-both-ways")
        box.value = "other/bert"  # type: ignore[attr-defined]
        box.focus()
        await running.pilot.press("enter")
        await running.until(lambda: asked(running)[-1] == [(1, 0), (1, 0)])


async def test_a_long_text_shows_one_grid_at_a_time_and_says_that_it_was_cut() -> None:
    words = [f"w{number}" for number in range(40)]
    answers = attention(0, words, causal=False), attention(1, words, causal=True, cut=9)
    async with opened(AttentionPane, *answers) as (running, pane):
        first, second = grids(pane)
        await running.until(lambda: second.attention is not None)
        await running.until(lambda: first.display and not second.display)
        await running.pilot.press("ctrl+t")
        await running.until(lambda: second.display and not first.display)
        assert second.has_focus
        assert "first 40 of 49 tokens" in str(pane.query_one(".lab-note").render())


async def test_an_empty_text_says_what_to_do() -> None:
    async with opened(AttentionPane, BOTH_WAYS, CAUSAL) as (running, pane):
        await running.until(lambda: len(questions(running.engine)) == 1)
        pane.text.value = "  "
        pane.ask()
        assert "write a few words" in str(pane.query_one(".lab-note").render())
        assert len(questions(running.engine)) == 1


def test_shades_rise_with_the_weight() -> None:
    assert [shading.shade(weight) for weight in (0.0, 0.019, 0.02, 0.1, 0.25, 0.5, 1.0)] == [*"  ░▒▓██"]


def test_a_row_of_a_causal_model_is_empty_after_its_own_column() -> None:
    for row in range(len(WORDS)):
        shown = shading.row(CAUSAL, row, 1)
        assert shown[row + 1 :] == "·" * (len(WORDS) - row - 1)
        assert "·" not in shown[: row + 1]
        assert "·" not in shading.row(BOTH_WAYS, row, 1)


async def _walk(pilot: Pilot[None], pane: Any) -> None:
    pane.query_one("#attention-1").focus()
    await pilot.press("down", "down")


def test_the_pane_at_80_by_24(snap_pane: SnapPane) -> None:
    """You should see two grids side by side; the right one is a triangle, its third row is marked and told below."""
    assert snap_pane(AttentionPane, BOTH_WAYS, CAUSAL, use=_walk)
