"""The X-ray: the last run token by token, its lenses, its candidates, and branches from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from core.errors import EngineError
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
from core.messages.records import CandidateTable, FinishReason, RunStats, StepRecord, TokenScore
from core.messages.sampling_params import PRESETS, SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine, stats, step
from tests.tui.fake_host import Sitting, settle
from tests.tui.main.test_candidates import entry
from tests.tui.main.test_live_candidates import Looking
from tui.main.panes.ribbon import RibbonPane
from tui.main.xray import Xray
from tui.transcript.kept_run import KeptRun
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


class FakeRibbon(RibbonPane):
    """Notes what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.view = RibbonView()
        self.title, self.tokens, self.stats = "", list[RibbonToken](), list[RunStats | None]()

    def show_run(
        self,
        title: str,
        tokens: Sequence[RibbonToken],
        stats: RunStats | None,
        params: SamplingParams,
        *,
        cursor: int,
    ) -> None:
        self.title, self.tokens = title, list(tokens)
        self.stats.append(stats)
        self.view.set_reactive(RibbonView.cursor, cursor)

    def at(self, place: int) -> RibbonToken:
        """Its token, from 0; below 0 from the end."""
        return self.tokens[place]


class Looked:
    """The hand and what it shows and asks, an engine that answers at once behind it."""

    def __init__(self, sitting: Sitting) -> None:
        self.sitting, self.host, self.runs, self.engine = sitting, sitting.host, sitting.runs, sitting.engine
        self.engine.script = script
        self.looking, self.pane = Looking(sitting), FakeRibbon()
        self.filled: list[KeptRun] = []
        self.hand = Xray(self.host, self.engine, self.runs, self.pane, self.looking.hand, self.filled.append)

    async def run(self, prompt: str = "Once upon", sequences: int = 1) -> None:
        """Run a prompt to its end, then look at it."""
        self.runs.start(prompt, params=SamplingParams(num_return_sequences=sequences))
        await settle()
        reply = self.engine.begin()
        for sequence in range(sequences):
            for index, text in enumerate(TEXTS):
                record = replace(replace_index(text, index), sequence=sequence)
                reply.put(TokenGenerated(reply.request_id, record))
        await self.sitting.end("".join(TEXTS), sequences=sequences)
        assert self.hand.open()
        await settle()


@pytest.fixture
def looked(sit_down: type[Sitting]) -> Looked:
    return Looked(sit_down())


async def test_without_a_run_there_is_nothing_to_show(looked: Looked) -> None:
    assert not looked.hand.open()
    assert looked.hand.shown is None
    looked.hand.step(1, 0)
    looked.hand.look_at(token(0))
    await settle()
    assert looked.engine.requests == []


async def test_the_newest_run_is_shown_at_its_first_new_token_and_its_prompt_scored_once(looked: Looked) -> None:
    await looked.run()
    assert looked.pane.title == "run 1 of 1"
    assert [one.text for one in looked.pane.tokens] == ["Once", " upon", *TEXTS]
    assert looked.pane.view.cursor == 2
    assert [one.rank for one in looked.pane.tokens[:2]] == [0, 2]
    assert looked.pane.stats == [stats(), stats()]
    assert looked.hand.shown == (looked.runs.kept[0], 0)
    assert looked.filled == [looked.runs.kept[0]] * 2
    looked.hand.open()
    await settle()
    assert len(looked.engine.of(ScoreTokens)) == 1


async def test_walking_shows_each_token_s_candidates_from_its_own_context(looked: Looked) -> None:
    await looked.run()
    looked.hand.look_at(looked.pane.at(4))
    await settle()
    assert looked.looking.asked[-1].context_ids == (1, 2, 100, 101)
    assert looked.looking.pane.chosen_id == 102
    assert looked.looking.pane.places[-1] == "new token 3 · as it was run"
    looked.hand.look_at(looked.pane.at(1))
    await settle()
    request = looked.looking.asked[-1]
    assert (request.context_ids, request.prompt) == ((1,), "Once")
    assert looked.looking.pane.places[-1] == "token 2 of the prompt · as it was run"
    looked.hand.look_at(looked.pane.at(0))  # nothing predicts it
    await settle()
    assert looked.looking.asked[-1] is request


async def test_a_turned_knob_shows_what_if_until_another_run_is_looked_at(looked: Looked) -> None:
    await looked.run()
    looked.hand.look_at(looked.pane.at(4))
    await settle()
    recorded = looked.looking.asked[-1].params
    looked.looking.turn(PRESETS["creative"])
    looked.hand.look_at(looked.pane.at(3))
    await settle()
    assert looked.looking.asked[-1].params == PRESETS["creative"] != recorded
    assert looked.looking.pane.places[-1] == "new token 2 · what if, by the settings of F4"
    await looked.run()
    looked.hand.look_at(looked.pane.at(3))
    await settle()
    assert looked.looking.asked[-1].params == looked.runs.kept[1].params
    assert looked.looking.pane.places[-1] == "new token 2 · as it was run"


async def test_neighbouring_runs_and_sequences_are_stepped_through(looked: Looked) -> None:
    await looked.run()
    await looked.run("Twice", sequences=2)
    assert looked.pane.title == "run 2 of 2, sequence 1 of 2"
    looked.pane.view.set_reactive(RibbonView.cursor, 5)
    looked.hand.step(0, 1)
    assert (looked.pane.title, looked.pane.view.cursor) == ("run 2 of 2, sequence 2 of 2", 5)
    looked.hand.step(0, 1)
    assert looked.pane.title == "run 2 of 2, sequence 1 of 2"
    looked.hand.step(-5, 0)
    assert (looked.pane.title, looked.pane.view.cursor) == ("run 1 of 2", 2)
    looked.hand.step(5, 0)
    looked.hand.show(looked.runs.kept[1], 1, 3)
    assert (looked.pane.title, looked.pane.view.cursor) == ("run 2 of 2, sequence 2 of 2", 5)
    looked.hand.look_at(looked.pane.at(3))
    await settle()
    assert looked.looking.asked[-1].context_ids == (1, 2, 100)


async def test_a_prompt_that_cannot_be_scored_is_said_and_its_run_shown_all_the_same(looked: Looked) -> None:
    looked.engine.script = None
    await looked.run()
    looked.engine.replies[looked.engine.of(ScoreTokens)[0].id].fail(EngineError("out of memory"))
    await settle()
    assert looked.host.told == ["out of memory"]
    assert [one.text for one in looked.pane.tokens] == ["…", "…", *TEXTS]


async def test_scores_that_come_too_late_are_kept_but_not_shown(looked: Looked) -> None:
    looked.engine.script = None
    await looked.run()
    (request,) = looked.engine.of(ScoreTokens)
    assert isinstance(request, ScoreTokens)
    looked.runs.bring_back((), None)
    for event in script(request):
        looked.engine.replies[request.id].put(event)
    await settle()
    assert [one.text for one in looked.pane.tokens][:2] == ["…", "…"]


async def test_where_settings_changed_on_the_way_is_told_with_the_token(looked: Looked) -> None:
    await looked.run()
    (run,) = looked.runs.kept
    run.retunes.append((2, run.params.changed(top_k=5)))
    looked.hand.open()
    assert [one.retuned for one in looked.pane.tokens] == ["", "", "", "", "top_k 50 → 5", "", "", ""]


# -- with keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
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
        await running.pilot.press("right", "right")
        await running.until(lambda: running.screen.candidates.rows.chosen_id == 102)
        await running.pilot.press("home")
        await running.until(lambda: "nothing predicts it" in told(running))


@pytest.mark.smoke
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


class PaneViewer(App[None]):
    def compose(self) -> ComposeResult:
        yield RibbonPane()


async def test_a_beam_search_is_not_said_to_draw() -> None:
    app = PaneViewer()
    async with app.run_test(size=(80, 24)):
        pane = app.query_one(RibbonPane)
        token = RibbonToken(" x", 1, 0, 0.5, 1, 1.0, 1.0, 1, 0.5, "top_k 5 → 6")
        pane.show_run("a run", [token], None, SamplingParams(num_beams=4), cursor=0)
        told = str(pane.query_one("#ribbon-token", Static).render())
        assert "followed by one of 4 beams" in told
        assert "drawn" not in told
        assert "⟲ top_k 5 → 6" in told


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
