"""The X-ray: the last run token by token, its lenses, its candidates, and branches from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from core.messages.protocol import (
    Done,
    Event,
    Generate,
    Inspect,
    Inspected,
    Scored,
    ScoreTokens,
    SequenceDone,
    TokenGenerated,
    Work,
)
from core.messages.records import CandidateTable, FinishReason, StepRecord, TokenScore
from core.messages.sampling_params import PRESETS, SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine, stats, step
from tests.tui.main.test_candidates import entry
from tui.transcript.run_numbers import loop_share
from tui.transcript.turn import Turn
from tui.widgets.ribbon_view import Lens, RibbonToken, RibbonView, surprisal_line

TEXTS = (" a", " time", "\n", " [bold]", " 한", "\x1b[31m")


def script(request: Work) -> list[Event]:
    """Scores for a prompt of two tokens, and some table."""
    match request:
        case ScoreTokens():
            scores = (
                TokenScore(1, "Once", "", 0.0, 0, 0.0),
                TokenScore(2, " upon", "", -0.693147, 2, 3.5),
            )
            return [Scored(request.id, scores), Done(request.id)]
        case Inspect():
            rows = tuple(entry(place, 1.0) for place in range(10))
            return [Inspected(request.id, CandidateTable(rows, 0, 10, 5, 0.9, 2.5, len(request.context_ids)))]
        case _:
            return []


@asynccontextmanager
async def looking(launch: Launch, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Running]:
    """The app with one finished run under the X-ray."""
    engine = FakeEngine()
    engine.script = script
    async with launch(size=size, engine=engine) as running:
        running.screen.prompt.text = "Once upon"
        await running.pilot.press("f2", "escape", "enter")
        await running.until(lambda: engine.of(Generate))
        request, reply = engine.last_run()
        engine.begin()
        for index, text in enumerate(TEXTS):
            reply.put(TokenGenerated(request.id, replace_index(text, index)))
        reply.put(SequenceDone(request.id, 0, FinishReason.LENGTH, "".join(TEXTS), (1,) * len(TEXTS), stats()))
        reply.put(Done(request.id))
        await running.until(lambda: any("ended" in str(turn.content) for turn in running.screen.query(Turn)))
        await running.pilot.press("f9")
        await running.until(lambda: running.screen.ribbon.view.has_focus)
        await running.until(lambda: running.screen.ribbon.view.tokens[1].rank == 2)
        yield running


def replace_index(text: str, index: int) -> StepRecord:
    """A record of new token `index`."""
    return replace(step(text), index=index, id=100 + index)


def told(running: Running) -> str:
    """What the line about the token under the cursor says."""
    return str(running.screen.ribbon.query_one("#ribbon-token", Static).render())


def asked(running: Running) -> list[Inspect]:
    """Every question about candidates."""
    return [request for request in running.engine.requests if isinstance(request, Inspect)]


async def test_f9_shows_prompt_and_new_tokens_with_their_numbers(launch: Launch) -> None:
    async with looking(launch) as running:
        view = running.screen.ribbon.view
        assert [token.text for token in view.tokens] == ["Once", " upon", *TEXTS]
        assert view.tokens[1].prob == pytest.approx(0.5, abs=1e-4)
        await running.until(lambda: "new token 1" in told(running))
        lines = [view.render_line(y).text for y in range(4)]
        assert "[bold]" in lines[0] + lines[2]
        assert "\x1b" not in "".join(lines)
        numbers = str(running.screen.ribbon.query_one("#ribbon-numbers", Static).render())
        assert "TTFT 20 ms" in numbers
        assert "surprisal" in numbers


async def test_walking_shows_each_token_s_candidates_from_its_own_context(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.pilot.press("right", "right")
        await running.until(lambda: asked(running)[-1].context_ids == (1, 2, 100, 101))
        assert running.screen.candidates.rows.chosen_id == 102
        await running.pilot.press("home", "right")
        await running.until(lambda: asked(running)[-1].context_ids == (1,))
        await running.until(lambda: "of the prompt · as it was run" in str(running.screen.candidates.border_title))
        await running.pilot.press("home")
        await running.until(lambda: "nothing predicts it" in told(running))


async def test_a_turned_knob_shows_what_if_until_another_run_is_looked_at(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.pilot.press("right", "right")
        await running.until(lambda: asked(running)[-1].context_ids == (1, 2, 100, 101))
        recorded = asked(running)[-1].params
        running.screen.sampling.use_preset("creative")
        await running.until(lambda: "what if" in str(running.screen.candidates.border_title))
        assert asked(running)[-1].params != recorded
        await running.pilot.press("left")
        await running.until(lambda: asked(running)[-1].context_ids == (1, 2, 100))
        assert asked(running)[-1].params.top_p == PRESETS["creative"].top_p
        assert "what if" in str(running.screen.candidates.border_title)


async def test_a_beam_search_is_not_said_to_draw(launch: Launch) -> None:
    async with looking(launch) as running:
        token = RibbonToken(" x", 1, 0, 0.5, 1, 1.0, 1.0, 1, 0.5, "top_k 5 → 6")
        running.screen.ribbon.show_run("a run", [token], None, SamplingParams(num_beams=4), cursor=0)
        assert "followed by one of 4 beams" in told(running)
        assert "drawn" not in told(running)
        assert "⟲ top_k 5 → 6" in told(running)


async def test_enter_goes_to_the_candidates_and_enter_there_branches(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.pilot.press("right")
        await running.until(lambda: asked(running)[-1].context_ids == (1, 2, 100))
        await running.pilot.press("enter", "down", "enter")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        request, _ = running.engine.last_run()
        assert request.prompt_ids == (1, 2, 100, 1)
        assert request.prompt == "Once upon a there"
        assert running.screen.conversation.display


async def test_the_lens_changes_and_escape_goes_back(launch: Launch) -> None:
    async with looking(launch) as running:
        seen = [running.screen.ribbon.view.lens]
        for _ in range(4):
            await running.pilot.press("l")
            seen.append(running.screen.ribbon.view.lens)
        assert seen == [*Lens, Lens.SURPRISAL]
        await running.pilot.press("escape")
        assert running.screen.conversation.display
        assert running.screen.prompt.has_focus


async def test_without_a_run_f9_says_what_to_do(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("f9")
        assert not running.screen.ribbon.display
        assert any("Run a prompt first" in notice.message for notice in running.app._notifications)


async def test_the_x_ray_folds_into_tabs(launch: Launch) -> None:
    async with looking(launch, size=(80, 24)) as running:
        assert running.screen.ribbon.display
        await running.pilot.press("f7")
        await running.until(lambda: running.screen.candidates.display)
        assert not running.screen.ribbon.display


def token(index: int, prob: float = 0.5) -> RibbonToken:
    """A token of a ribbon."""
    return RibbonToken(f" t{index}", index, index, prob, 1, 1.0, 0.5, 3, 0.9)


class Viewer(App[None]):
    def compose(self) -> ComposeResult:
        yield RibbonView()


async def test_a_thousand_tokens_walk_to_the_end_and_back() -> None:
    app = Viewer()
    async with app.run_test(size=(80, 24)) as pilot:
        view = app.query_one(RibbonView)
        view.show([token(index) for index in range(1000)], cursor=0)
        view.focus()
        await pilot.press("end")
        assert view.cursor == 999
        await pilot.pause()
        assert view.scroll_offset.y > 0
        await pilot.press("up", "left")
        assert view.cursor < 990
        await pilot.press("home")
        assert view.cursor == 0


def test_the_curve_is_high_where_the_text_surprises() -> None:
    line = surprisal_line([*(token(i, 0.9) for i in range(10)), *(token(i, 1e-6) for i in range(10))], 20)
    assert line == "▁" * 10 + "█" * 10
    assert surprisal_line([], 10) == ""


def test_a_loop_is_told_from_a_text() -> None:
    assert loop_share([1, 2, 3, 4] * 20) > 0.9
    assert loop_share(list(range(50))) == 0
    assert loop_share([1]) == 0


def test_levels_follow_the_lens() -> None:
    sure, doubtful = token(0, 0.99), token(0, 0.001)
    for lens in (Lens.SURPRISAL, Lens.PROBABILITY):
        assert sure.level(lens) == 0
        assert doubtful.level(lens) > 3
