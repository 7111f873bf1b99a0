"""The candidates pane: follows the prompt and the knobs, scrolls through everything, searches, and branches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.widgets import Input

from core.messages.protocol import Event, Generate, Inspect, Inspected, Retune, Work
from core.messages.records import Candidate, CandidateTable
from core.messages.sampling_params import SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine
from tui.widgets.sampler_line import KNOBS, knob_text, sampler_order

VOCABULARY = 50257
WORDS = ("[/b]", " there", "\n", " 한국", "\x1b[31m", "", " [bold]")


def entry(place: int, temperature: float) -> Candidate:
    """One row of a made-up table."""
    kept = place < 5
    text, fate = WORDS[place % len(WORDS)], "" if kept else "top_k"
    return Candidate(
        place + 1, place, text, 5.0 - place, 1 / (place + 2), temperature / 5 if kept else 0.0, 0.5, kept, fate
    )


def script(request: Work) -> list[Event]:
    """Tables of the whole vocabulary."""
    if not isinstance(request, Inspect):
        return []
    matches = 3 if request.search else VOCABULARY
    places = range(request.offset, min(request.offset + request.limit, matches))
    rows = tuple(entry(place, request.params.temperature) for place in places)
    return [Inspected(request.id, CandidateTable(rows, request.offset, matches, 5, 0.9, 2.5, 4))]


@asynccontextmanager
async def looking(
    launch: Launch, prompt: str = "Once upon", size: tuple[int, int] = (120, 40)
) -> AsyncIterator[Running]:
    """The app with the pane open."""
    engine = FakeEngine()
    engine.script = script
    async with launch(size=size, engine=engine, prompt=prompt) as running:
        await running.pilot.press("f7")
        await running.until(lambda: running.screen.candidates.rows.at_cursor)
        yield running


def shown(running: Running) -> list[str]:
    """The lines of the table."""
    rows = running.screen.candidates.rows
    return [rows.render_line(y).text for y in range(rows.size.height)]


def asked(running: Running) -> list[Inspect]:
    """Every question about candidates."""
    return [request for request in running.engine.requests if isinstance(request, Inspect)]


@pytest.mark.smoke
async def test_f7_shows_the_table_of_the_prompt_with_reasons(launch: Launch) -> None:
    async with looking(launch) as running:
        assert asked(running)[-1].prompt == "Once upon"
        lines = shown(running)
        assert "[/b]" in lines[0]
        assert "kept" in lines[0]
        assert "✗top_k" in lines[5]
        assert "\x1b" not in "".join(lines)
        summary = str(running.screen.candidates.query_one("#candidate-summary").render())
        assert "5 kept with 90.0%" in summary
        await running.pilot.press("f7")
        assert not running.screen.candidates.display


@pytest.mark.smoke
async def test_a_knob_re_ranks_the_same_table_and_leaves_a_ghost(launch: Launch) -> None:
    async with looking(launch) as running:
        before = shown(running)[0]
        running.screen.sampling.query_one("#setting-temperature").value = "2.5"  # type: ignore[attr-defined]
        await running.until(lambda: asked(running)[-1].params.temperature == 2.5)
        await running.until(lambda: "▓" in shown(running)[0])
        assert shown(running)[0] != before
        assert order(running) == "‹temperature 2.5› → top_k 50 → top_p 0.95"


def order(running: Running) -> str:
    """The line over the table."""
    return str(running.screen.candidates.query_one("#candidate-order").render())


async def test_a_knob_is_turned_with_the_table_in_view_on_a_small_screen(launch: Launch) -> None:
    async with looking(launch, size=(80, 24)) as running:
        assert order(running) == "‹temperature 0.8› → top_k 50 → top_p 0.95"
        before = shown(running)[0]
        await running.pilot.press("plus")
        await running.until(lambda: order(running) == "‹temperature 0.9› → top_k 50 → top_p 0.95")
        assert running.screen.sampling.params.temperature == 0.9
        assert running.screen.sampling.query_one("#setting-temperature", Input).value == "0.9"
        assert asked(running)[-1].params.temperature == 0.9
        assert shown(running)[0] != before
        assert running.screen.candidates.rows.has_focus
        assert running.screen.candidates.rows.is_on_screen
        await running.pilot.press("right_square_bracket")
        assert order(running) == "temperature 0.9 → ‹top_k 50› → top_p 0.95"
        await running.pilot.press("minus", "minus", "equals_sign")
        await running.until(lambda: order(running) == "temperature 0.9 → ‹top_k 45› → top_p 0.95")
        await running.pilot.press("left_square_bracket", "left_square_bracket")
        assert order(running) == "‹no_repeat 0 off› temperature 0.9 → top_k 45 → top_p 0.95"
        await running.pilot.press("plus")
        await running.until(lambda: order(running) == "‹no_repeat 1› → temperature 0.9 → top_k 45 → top_p 0.95")


async def test_every_knob_turns_its_own_setting_and_stays_in_range(launch: Launch) -> None:
    async with looking(launch) as running:
        for name in KNOBS:
            assert running.screen.candidates.rows.knob == name
            before = getattr(running.screen.sampling.params, name)
            for key in ("minus", "plus", "plus") if before else ("plus",):
                await running.pilot.press(key)
            await running.pilot.pause()
            after = getattr(running.screen.sampling.params, name)
            assert after == before if before == 1 and name.endswith("_p") else after > before
            await running.pilot.press("right_square_bracket")
        running.screen.candidates.rows.knob = "min_p"
        await running.pilot.press("minus", "minus", "minus")
        await running.until(lambda: running.screen.sampling.params.min_p == 0)


async def test_a_knob_that_does_nothing_says_why(launch: Launch) -> None:
    async with looking(launch) as running:
        running.screen.sampling.use_preset("greedy")
        await running.pilot.press("right_square_bracket", "minus")
        await running.until(lambda: order(running).startswith("‹top_k 45, greedy: no effect› greedy: the likeliest"))


async def test_a_knob_turns_from_the_last_good_value_and_changes_the_run_under_way(launch: Launch) -> None:
    async with looking(launch) as running:
        field = running.screen.sampling.query_one("#setting-temperature", Input)
        field.value = "hot"
        await running.until(lambda: field.has_class("-error"))
        running.screen.prompt.focus()
        await running.pilot.press("enter")
        await running.until(lambda: running.engine.of(Generate))
        running.engine.begin()
        await running.until(lambda: running.screen.runs.kept)
        running.screen.candidates.rows.focus()
        await running.pilot.press("plus")
        await running.until(lambda: running.engine.of(Retune))
        assert running.screen.sampling.params.temperature == 0.9
        assert not field.has_class("-error")


def test_the_knob_is_marked_in_the_order_or_stands_before_it() -> None:
    params = SamplingParams()
    assert "".join(sampler_order(params, knob_text("top_p", params))) == "temperature 0.8 → top_k 50 → ‹top_p 0.95›"
    later = params.changed(temperature=1.5)  # the table is of a run with other settings
    marked = "".join(sampler_order(params, knob_text("temperature", later)))
    assert marked == "‹temperature 1.5› temperature 0.8 → top_k 50 → top_p 0.95"
    plain = SamplingParams(temperature=1, top_k=0, top_p=1)
    assert "".join(sampler_order(plain, "min_p 0 off")) == "‹min_p 0 off› nothing is cut: the model's own distribution"
    assert knob_text("temperature", params.changed(temperature=0)) == "temperature 0"


async def test_every_entry_can_be_reached_and_is_fetched_once_it_is_seen(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.pilot.press("end")
        rows = running.screen.candidates.rows
        await running.until(lambda: rows.at_cursor is not None and rows.at_cursor.rank == VOCABULARY)
        assert asked(running)[-1].offset == 50200
        count = len(asked(running))
        await running.pilot.press("up", "down", "home", "end")
        await running.pilot.pause()
        assert len(asked(running)) == count


async def test_a_search_asks_for_other_rows(launch: Launch) -> None:
    async with looking(launch) as running:
        running.screen.candidates.search.focus()
        await running.type("the")
        await running.until(lambda: asked(running)[-1].search == "the")
        await running.until(lambda: running.screen.candidates.rows.virtual_size.height == 3)
        assert "3 found" in str(running.screen.candidates.query_one("#candidate-summary").render())


async def test_a_slash_goes_to_the_search_which_takes_tokens_as_they_are_shown(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.pilot.press("slash")
        await running.until(lambda: running.screen.candidates.search.has_focus)
        running.screen.candidates.search.value = "·the↵"
        await running.until(lambda: asked(running)[-1].search == " the\n")


async def test_a_search_without_a_match_says_so_in_the_table(launch: Launch) -> None:
    async with looking(launch) as running:
        table = CandidateTable((), 0, 0, 5, 0.9, 2.5, 4)
        running.screen.candidates.show(table, SamplingParams(), fresh=True, same_context=False)
        assert shown(running)[0].strip() == "no token holds this"


def test_the_order_of_the_samplers_leaves_out_what_does_nothing() -> None:
    assert "".join(sampler_order(SamplingParams())) == "temperature 0.8 → top_k 50 → top_p 0.95"
    greedy = "".join(sampler_order(SamplingParams(do_sample=False, repetition_penalty=1.2)))
    assert greedy.startswith("penalty 1.2 → greedy")
    beams = "".join(sampler_order(SamplingParams(num_beams=4)))
    assert beams.startswith("4 beams")
    assert "top_k" not in beams


async def test_enter_goes_on_with_the_entry_under_the_cursor(launch: Launch) -> None:
    async with looking(launch) as running:
        await running.pilot.press("down", "enter")
        await running.until(lambda: running.engine.of(Generate))
        request, _ = running.engine.last_run()
        assert request.prompt == "Once upon there"


async def test_the_pane_has_a_tab_of_its_own_when_folded(launch: Launch) -> None:
    async with looking(launch, size=(80, 24)) as running:
        assert running.screen.candidates.display
        assert not running.screen.conversation.display
        assert len(shown(running)) > 5
