"""Running prompts from the keyboard: streaming, stopping, continuing, failing."""

from __future__ import annotations

from core.errors import EngineStoppedError, PromptTooLongError
from core.messages.protocol import Cancel, Generate, Load, Retune, Retuned
from core.messages.records import FinishReason
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import FakeEngine
from tui.transcript.turn import Turn
from tui.widgets.dialogs import ChoiceDialog


def turns(running: Running) -> list[Turn]:
    return list(running.screen.query(Turn))


def painted(turn: Turn) -> str:
    return str(turn.content)


async def run_prompt(running: Running, text: str) -> None:
    running.screen.prompt.text = text
    await running.pilot.press("enter")
    await running.until(lambda: running.engine.of(Generate))


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


async def test_ctrl_n_writes_on_in_the_same_turn_and_ctrl_r_runs_the_prompt_again(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "The")
        running.engine.begin()
        running.engine.finish(" cat")
        await running.until(lambda: not running.screen.runs.is_busy)
        await running.pilot.press("ctrl+n")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        assert running.engine.last_run()[0].prompt == "The cat"
        running.engine.begin()
        running.engine.write(" sat")
        running.engine.finish(" sat")
        await running.until(lambda: turns(running)[0].text == "The cat sat")
        await running.until(lambda: not running.screen.runs.is_busy)
        await running.pilot.press("ctrl+r")
        await running.until(lambda: len(running.engine.of(Generate)) == 3)
        assert running.engine.last_run()[0].prompt == "The"
        assert len(turns(running)) == 2


async def test_a_second_run_is_refused_while_one_is_writing(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "The")
        running.engine.begin()
        await running.until(lambda: running.screen.status.state == "generating")
        await running.pilot.press("enter")
        await running.pilot.pause()
        assert len(running.engine.of(Generate)) == 1


async def test_a_run_asked_for_while_the_model_loads_waits_and_can_be_cancelled(launch: Launch) -> None:
    async with launch(engine=FakeEngine(loads=False), ready=False) as running:
        await run_prompt(running, "The")
        assert "waiting" in painted(turns(running)[0])
        await running.pilot.press("escape")
        await running.until(lambda: "stopped before it began" in painted(turns(running)[0]))


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


async def test_an_engine_that_cannot_start_is_not_started_for_ever(launch: Launch) -> None:
    engine = FakeEngine()
    engine.load_error = EngineStoppedError("the engine stopped with exit status 1")
    async with launch(engine=engine, ready=False) as running:
        await running.until(lambda: running.screen.status.failed and len(engine.of(Load)) == 4)
        await running.pilot.pause()
        assert len(engine.of(Load)) == 4
        assert "exit status 1" in running.screen.status.state


async def test_a_prompt_that_is_too_long_offers_to_use_its_end(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "long")
        running.engine.fail(
            PromptTooLongError("the prompt has 600 tokens, starter/gpt2 has 512 positions", "shorten it")
        )
        await running.until(lambda: isinstance(running.app.screen, ChoiceDialog))
        await running.pilot.press("enter")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        assert running.engine.last_run()[0].truncate
        assert len(turns(running)) == 1


async def test_a_prompt_that_is_too_long_can_go_back_to_the_prompt(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "long")
        running.engine.fail(
            PromptTooLongError("the prompt has 600 tokens, starter/gpt2 has 512 positions", "shorten it")
        )
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


async def test_a_changed_setting_acts_on_the_run_under_way_and_the_place_is_marked(launch: Launch) -> None:
    async with launch() as running:
        await run_prompt(running, "Once")
        request, reply = running.engine.last_run()
        running.engine.begin()
        running.engine.write(" upon")
        await running.until(lambda: "Once upon" in painted(turns(running)[0]))
        running.screen.sampling.use_preset("greedy")
        await running.until(lambda: running.engine.of(Retune))
        (asked,) = running.engine.of(Retune)
        assert isinstance(asked, Retune)
        assert (asked.target, asked.params.do_sample) == (request.id, False)
        assert request.trace  # every run of the app is a record that says which weights wrote it
        reply.put(Retuned(request.id, 1, asked.params))
        running.engine.write(" a")
        await running.until(lambda: "Once upon⟲ a" in painted(turns(running)[0]))
        (kept,) = running.screen.runs.kept
        assert kept.params_at(0) == request.params
        assert kept.params_at(1) == asked.params
        running.engine.finish(" upon a")
        await running.until(lambda: not running.screen.runs.is_busy)
        assert "⟲ do_sample True → False" in painted(turns(running)[0])
        running.screen.sampling.use_preset("creative")
        await running.pilot.pause()
        assert len(running.engine.of(Retune)) == 1
