"""What a key press paints anew: what it changed, in one frame, and nothing around it."""

from __future__ import annotations

import pytest
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from core.messages.protocol import Event, Inspect, Work
from core.messages.sampling_params import SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.main import test_candidates, test_xray
from tui.main.panes.candidates import CandidateList, CandidatesPane
from tui.main.panes.sampling import SamplingPane
from tui.widgets import shared_frame
from tui.widgets.ribbon_view import RibbonToken, RibbonView


def painted(monkeypatch: pytest.MonkeyPatch, kind: type[Widget]) -> list[int]:
    """A list that grows by each row which a kind of widget paints."""
    rows, paint = list[int](), kind.render_line

    def note(widget: Widget, y: int) -> Strip:
        rows.append(y)
        return paint(widget, y)

    monkeypatch.setattr(kind, "render_line", note)
    return rows


def frames(monkeypatch: pytest.MonkeyPatch, running: Running) -> list[tuple[str, str]]:
    """A list that grows by each frame: the temperature as written and as the table's samplers have it."""
    seen = list[tuple[str, str]]()
    setting = running.screen.sampling.query_one("#setting-temperature", Input)
    order = running.screen.candidates.query_one("#candidate-order")

    def note() -> None:
        seen.append((f"temperature {setting.value}", str(order.render()).partition(" →")[0].strip("‹›")))

    monkeypatch.setattr(running.app, "post_display_hook", note)
    setting.focus()
    return seen


def show_long_run(running: Running) -> None:
    """A ribbon of more lines than are in view, the cursor on its first token."""
    tokens = [RibbonToken(" word", index, index, 0.5, 1, 1.0, 0.5, 5, 0.9) for index in range(500)]
    running.screen.ribbon.show_run("a run", tokens, None, SamplingParams(), cursor=0)


async def test_a_step_in_the_ribbon_paints_the_lines_of_the_cursor_alone(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with test_xray.looking(launch) as running:
        show_long_run(running)
        await running.until(lambda: "new token 1 " in test_xray.told(running))
        await running.pilot.pause()
        rows = painted(monkeypatch, RibbonView)
        await running.pilot.press("right")
        await running.until(lambda: rows)
        assert set(rows) == {0, 1}
        await running.pilot.pause()
        rows.clear()
        await running.pilot.press("down")
        await running.until(lambda: rows)
        assert set(rows) == {0, 1, 2, 3}


async def test_a_step_out_of_view_scrolls_the_ribbon(launch: Launch) -> None:
    async with test_xray.looking(launch) as running:
        show_long_run(running)
        view = running.screen.ribbon.view
        await running.pilot.press("end")
        await running.until(lambda: "new token 500 " in test_xray.told(running))
        assert "▲" in view.render_line(view.scrollable_content_region.height - 1).text
        assert view.at_cursor == view.tokens[-1]


async def test_the_numbers_of_a_token_are_told_as_soon_as_the_cursor_stands_on_it(launch: Launch) -> None:
    async with test_xray.looking(launch) as running:
        show_long_run(running)
        running.screen.ribbon.view.cursor = 41
        assert "new token 42 " in test_xray.told(running)


async def test_a_knob_paints_the_table_but_not_the_panes_around_it(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with test_candidates.looking(launch) as running:
        setting = running.screen.sampling.query_one("#setting-temperature")
        setting.focus()
        await running.pilot.press("up")
        await running.until(lambda: running.screen.sampling.params.temperature == 0.9)
        await running.pilot.pause()
        rows, frames = painted(monkeypatch, CandidateList), painted(monkeypatch, CandidatesPane)
        settings = painted(monkeypatch, SamplingPane)
        await running.pilot.press("up")
        await running.until(lambda: rows)
        await running.pilot.pause()
        assert not frames
        assert not settings


async def test_a_knob_and_the_table_with_it_are_painted_in_one_frame(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_frame, "FRAME_PATIENCE_S", 10.0)
    async with test_candidates.looking(launch) as running:
        seen = frames(monkeypatch, running)
        await running.pilot.press("up")
        await running.until(lambda: seen and seen[-1][1] == "temperature 0.9")
        assert all(written == used for written, used in seen)


async def test_a_knob_is_painted_without_a_table_that_does_not_come(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_answers(request: Work) -> list[Event]:
        return [] if isinstance(request, Inspect) else test_candidates.script(request)

    async with test_candidates.looking(launch) as running:
        seen = frames(monkeypatch, running)
        running.engine.script = without_answers
        await running.pilot.press("up", "up", "up")
        await running.until(lambda: seen and seen[-1] == ("temperature 1.1", "temperature 0.8"))
