"""Running prompts: streaming, stopping, continuing, failing. What needs a screen is pressed on one."""

from __future__ import annotations

import pytest

from core.errors import EngineError, EngineStoppedError, PromptTooLongError
from core.messages.protocol import BeamsAdvanced, Cancel, Generate, Load, Progress, Retune, Retuned
from core.messages.records import Beam, FinishReason
from core.messages.sampling_params import PRESETS, SamplingParams
from tests.tui.conftest import Launch, Running
from tests.tui.fake_host import Sitting, settle
from tui.transcript.turn import Turn
from tui.widgets.dialogs import ChoiceDialog

TOO_LONG = PromptTooLongError("the prompt has 600 tokens, starter/gpt2 has 512 positions", "shorten it")


def turns(running: Running) -> list[Turn]:
    return list(running.screen.query(Turn))


def painted(turn: Turn) -> str:
    return str(turn.content)


def runs_of(sitting: Sitting) -> list[Generate]:
    return [request for request in sitting.engine.requests if isinstance(request, Generate)]


async def run_prompt(running: Running, text: str) -> None:
    running.screen.prompt.text = text
    await running.pilot.press("enter")
    await running.until(lambda: running.engine.of(Generate))


async def test_two_requests_in_one_burst_begin_one_run(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    sitting.runs.start("One")
    sitting.runs.start("Two")
    assert sitting.runs.is_busy
    await settle()
    assert [request.prompt for request in runs_of(sitting)] == ["One"]
    assert [turn.prompt for turn in sitting.transcript.turns] == ["One"]
    assert sitting.host.told == ["Still writing; Esc stops it."]


async def test_ctrl_n_writes_on_in_the_same_turn_and_ctrl_r_runs_the_prompt_again(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    sitting.runs.go_on()
    sitting.runs.again()
    assert not sitting.runs.is_busy  # there is nothing yet
    await sitting.run("The", " cat")
    sitting.runs.go_on()
    await settle()
    assert sitting.engine.last_run()[0].prompt == "The cat"
    sitting.engine.begin()
    sitting.engine.write(" sat")
    await sitting.end(" sat")
    assert sitting.transcript.turns[0].text == "The cat sat"
    sitting.runs.again()
    await settle()
    assert sitting.engine.last_run()[0].prompt == "The"
    assert len(sitting.transcript.turns) == 2


async def test_a_second_run_is_refused_while_one_is_writing(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    await sitting.begin("The", " cat")
    sitting.runs.start("The")
    sitting.runs.again()
    sitting.runs.go_on()
    await settle()
    assert len(runs_of(sitting)) == 1
    assert sitting.host.told == ["Still writing; Esc stops it."] * 3
    await sitting.end(" cat")
    assert not sitting.runs.is_busy


async def test_a_run_asked_for_while_the_model_loads_waits_and_can_be_cancelled(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    sitting.host.model = None
    assert not sitting.runs.stop()
    await sitting.ask("The")
    assert "waiting" in sitting.transcript.text
    _, reply = sitting.engine.last_run()
    reply.put(Progress(reply.request_id, "weights", 0.5))
    await settle()
    assert sitting.host.states == ["loading 50% weights"]
    assert sitting.runs.stop()
    assert sitting.engine.of(Cancel)
    await sitting.host.done("generate")
    assert "stopped before it began" in sitting.transcript.text
    assert sitting.host.states[-1] == "loading"


async def test_a_run_that_fails_keeps_its_text_and_says_why(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    for error, recoveries in (
        (EngineError("out of memory", "close something"), 0),
        (EngineStoppedError("killed"), 1),
    ):
        await sitting.begin("The", " cat")
        sitting.engine.fail(error)
        await sitting.host.done("generate")
        assert sitting.transcript.turns[-1].text == "The cat"
        assert error.message in str(sitting.transcript.turns[-1].content)
        assert sitting.host.errors[-1].message == error.message
        assert sitting.host.recoveries == recoveries
        assert not sitting.runs.is_busy


async def test_a_prompt_that_is_too_long_offers_to_use_its_end(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    await sitting.ask("long")
    sitting.engine.fail(TOO_LONG)
    await settle()
    assert sitting.host.questions == [f"{TOO_LONG.message}. The model can read the end of it."]
    assert [request.truncate for request in runs_of(sitting)] == [False, True]
    sitting.engine.begin()
    await sitting.end(" text")
    assert sitting.transcript.turns[0].text == "long text"
    assert len(sitting.transcript.turns) == 1


async def test_a_changed_setting_acts_on_the_run_under_way_and_the_place_is_marked(sit_down: type[Sitting]) -> None:
    sitting, greedy = sit_down(), PRESETS["greedy"]
    sitting.runs.retune(greedy)
    await sitting.begin("Once", " upon")
    request, reply = sitting.engine.last_run()
    sitting.runs.retune(greedy)
    (asked,) = sitting.engine.of(Retune)
    assert isinstance(asked, Retune)
    assert (asked.target, asked.params.do_sample) == (request.id, False)
    assert request.trace  # every run of the app is a record that says which weights wrote it
    reply.put(Retuned(request.id, 1, asked.params))
    sitting.engine.write(" a")
    await settle()
    assert "Once upon⟲ a" in sitting.transcript.text
    (kept,) = sitting.runs.kept
    assert kept.params_at(0) == request.params
    assert kept.params_at(1) == asked.params
    await sitting.end(" upon a")
    assert "⟲ do_sample True → False" in sitting.transcript.text
    sitting.runs.retune(PRESETS["creative"])
    assert len(sitting.engine.of(Retune)) == 1


async def test_a_fixed_seed_is_used_again_and_none_is_a_new_one_each_time(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    for seed in (None, None, 7, 7):
        sitting.sampling.fixed_seed = seed
        await sitting.run("The", " cat")
    first, second, *fixed = (request.params.seed for request in runs_of(sitting))
    assert first != second
    assert fixed == [7, 7]


async def test_a_beam_search_shows_its_best_beams_and_its_speed(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    sitting.runs.start("The", params=SamplingParams(num_beams=2, num_return_sequences=2))
    await settle()
    reply = sitting.engine.begin()
    beams = (Beam(-1.25, 0, 5, " cat"), Beam(-2.0, 0, 6, " dog"))
    reply.put(BeamsAdvanced(reply.request_id, 0, beams))
    await settle()
    assert sitting.transcript.turns[0].outputs == [" cat", " dog"]
    for sequence, text in enumerate((" cat", " dog")):
        sitting.engine.write(text, sequence)
    await settle()
    assert sitting.host.states[:2] == ["generating", "0 tok/s"]
    await sitting.end(" cat", sequences=2)
    assert sitting.host.stats is not None
    assert sitting.transcript.turns[0].outputs == [" cat", " cat"]


# -- with keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.smoke
async def test_enter_runs_the_typed_prompt_and_streams_the_text_as_it_comes(launch: Launch) -> None:
    async with launch() as running:
        await running.type("Once upon")
        await running.pilot.press("enter")
        await running.until(lambda: running.engine.of(Generate))
        request, _ = running.engine.last_run()
        assert request.prompt == "Once upon"
        running.engine.begin()
        running.engine.write(" a time")
        await running.until(lambda: "Once upon a time" in painted(turns(running)[0]))
        assert running.screen.status.state == "generating"
        running.engine.write(", there")
        running.engine.finish(" a time, there")
        await running.until(lambda: "ended by length" in painted(turns(running)[0]))
        assert painted(turns(running)[0]).startswith("Once upon a time, there\n")
        assert running.screen.status.state == "ready"
        assert "90.0 tok/s" in str(running.screen.status.content)


async def test_after_a_run_starts_the_prompt_is_selected_so_that_typing_replaces_it(launch: Launch) -> None:
    async with launch() as running:
        await running.type("abc")
        await running.pilot.press("enter", "x")
        assert running.screen.prompt.text == "x"


async def test_ctrl_j_adds_a_line_and_a_pasted_text_keeps_its_lines(launch: Launch) -> None:
    async with launch() as running:
        await running.type("a")
        await running.pilot.press("ctrl+j")
        await running.type("b")
        assert running.screen.prompt.text == "a\nb"
        assert not running.engine.of(Generate)


async def test_an_empty_prompt_is_not_run(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("space", "enter")
        await running.pilot.pause()
        assert not running.engine.of(Generate)


@pytest.mark.smoke
async def test_escape_stops_the_run_and_keeps_what_was_written(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "The")
        running.engine.begin()
        running.engine.write(" cat")
        await running.until(lambda: "The cat" in painted(turns(running)[0]))
        await running.pilot.press("escape")
        await running.until(lambda: running.engine.of(Cancel))
        running.engine.finish(" cat", FinishReason.CANCELLED)
        await running.until(lambda: "stopped by you" in painted(turns(running)[0]))
        assert turns(running)[0].text == "The cat"
        assert not running.screen.runs.is_busy


@pytest.mark.smoke
async def test_a_dead_engine_is_one_line_the_text_stays_and_the_model_is_loaded_again(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "The")
        running.engine.begin()
        running.engine.write(" cat")
        await running.until(lambda: "The cat" in painted(turns(running)[0]))
        running.engine.fail(EngineStoppedError("the engine was killed", "run it again"))
        await running.until(lambda: "the engine was killed" in painted(turns(running)[0]))
        assert painted(turns(running)[0]).startswith("The cat\n")
        assert running.screen.prompt.text == "The"
        await running.until(lambda: len(running.engine.of(Load)) == 2)
        await running.until(lambda: running.screen.status.state == "ready")


async def test_a_prompt_that_is_too_long_can_go_back_to_the_prompt(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "long")
        running.engine.fail(TOO_LONG)
        await running.until(lambda: isinstance(running.app.screen, ChoiceDialog))
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)
        assert len(running.engine.of(Generate)) == 1
        assert "600 tokens" in painted(turns(running)[0])


async def test_markup_and_control_characters_of_prompt_and_model_are_shown_as_they_are(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "[/bold] [red]x\x1b[31m\x00")
        running.engine.begin()
        running.engine.write("[/] \x1b]0;t\x07 \x9b1m �")
        running.engine.finish("[/] \x1b]0;t\x07 \x9b1m �")
        await running.until(lambda: "ended by" in painted(turns(running)[0]))
        shown = painted(turns(running)[0])
        assert shown.startswith("[/bold] [red]x␛[31m␀[/] ␛]0;t␇ <009B>1m <FFFD>\n")
        lines = [strip.text for strip in running.app.screen._compositor.render_strips()]
        assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for line in lines for character in line)


async def test_quitting_closes_the_engine(launch: Launch) -> None:
    async with launch() as running:
        await running.pilot.press("ctrl+q")
        await running.until(lambda: running.app._exit)
    assert running.engine.closed
