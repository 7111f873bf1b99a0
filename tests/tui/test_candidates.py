"""The candidates pane: follows the prompt and the knobs, scrolls through everything, searches, and branches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.protocol import Event, Generate, Inspect, Inspected, Work
from core.records import Candidate, CandidateTable, CutRule
from core.sampling_params import SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine
from tui.panes.candidates import sampler_order

VOCABULARY = 50257
WORDS = ("[/b]", " there", "\n", " 한국", "\x1b[31m", "", " [bold]")


def entry(place: int, temperature: float) -> Candidate:
    """One row of a made-up table."""
    kept = place < 5
    text, fate = WORDS[place % len(WORDS)], CutRule.NOT_CUT if kept else CutRule.TOP_K
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


async def test_the_table_follows_typing_after_a_pause(launch: Launch) -> None:
    async with looking(launch) as running:
        running.screen.prompt.focus()
        running.screen.prompt.text = "Once upon a"
        await running.until(lambda: asked(running)[-1].prompt == "Once upon a")


async def test_a_knob_re_ranks_the_same_table_and_leaves_a_ghost(launch: Launch) -> None:
    async with looking(launch) as running:
        before = shown(running)[0]
        running.screen.sampling.query_one("#setting-temperature").value = "2.5"  # type: ignore[attr-defined]
        await running.until(lambda: asked(running)[-1].params.temperature == 2.5)
        await running.until(lambda: "▓" in shown(running)[0])
        assert shown(running)[0] != before
        order = str(running.screen.candidates.query_one("#candidate-order").render())
        assert order == "temperature 2.5 → top_k 50 → top_p 0.95"


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
    assert sampler_order(SamplingParams()) == "temperature 0.8 → top_k 50 → top_p 0.95"
    greedy = sampler_order(SamplingParams(do_sample=False, repetition_penalty=1.2))
    assert greedy.startswith("penalty 1.2 → greedy")
    beams = sampler_order(SamplingParams(num_beams=4))
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
