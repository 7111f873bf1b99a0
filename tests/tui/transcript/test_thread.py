"""A chat in the app: earlier turns go along, what branches or writes on stays in its thread, and the screen says so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Static

from core.backends.backend import Reply
from core.messages.protocol import Generate, Inspect, Inspected, Load, Loaded, RunStarted, Work
from core.messages.records import CandidateTable, Exchange, FinishReason
from core.models.registry import STARTER_FOLDER, resolve
from tests.core.gguf_files import GgufFile
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import INFO, FakeEngine
from tests.tui.main.test_candidates import entry
from tui.host import Target
from tui.main.panes.tokens import Breakdown
from tui.transcript.kept_run import Departure
from tui.transcript.turn import Turn

PARIS = Exchange("Capital of France?", "It is Paris.")
ROME = Exchange("And of Italy?", "Rome.")


class ChatEngine(FakeEngine):
    """A fake whose model has a chat template."""

    async def send(self, request: Work) -> Reply:
        reply = await super().send(request)
        if isinstance(request, Load):
            fresh = self.replies[reply.request_id] = Reply(self, reply.request_id)
            fresh.put(Loaded(reply.request_id, replace(INFO, chat=True)))
            return fresh
        return reply

    def begin(self, prompt_ids: tuple[int, ...] = (1, 2)) -> Reply:
        request, reply = self.last_run()
        exact = request.prompt_ids or (*prompt_ids, *request.begun_ids)
        info, chat = replace(INFO, chat=True), not request.prompt_ids
        reply.put(RunStarted(request.id, info, request.prompt, exact, request.params, chat, len(request.earlier)))
        return reply


def last(running: Running) -> Generate:
    return running.engine.last_run()[0]


def turns(running: Running) -> list[Turn]:
    return list(running.screen.query(Turn))


async def answer(running: Running, text: str, runs: int) -> None:
    """Let the newest run, the `runs`-th, be answered in one token."""
    await running.until(lambda: len(running.engine.of(Generate)) == runs)
    running.engine.begin()
    running.engine.write(text)
    running.engine.finish(text, FinishReason.EOS)
    await running.until(lambda: not running.screen.runs.is_busy)


async def say(running: Running, exchange: Exchange) -> None:
    runs = len(running.engine.of(Generate)) + 1
    running.screen.prompt.text = exchange.prompt
    await running.pilot.press("f2", "escape", "enter")
    await answer(running, exchange.answer, runs)


async def test_each_prompt_takes_the_earlier_turns_along(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
        assert last(running).earlier == ()
        await say(running, ROME)
        assert (last(running).prompt, last(running).earlier) == (ROME.prompt, (PARIS,))
        await say(running, Exchange("Thanks", "[/] 안녕"))
        assert last(running).earlier == (PARIS, ROME)
        assert str(turns(running)[1].content).startswith("And of Italy?\nRome.\n")


async def test_a_model_that_continues_is_sent_no_turns(launch: Launch) -> None:
    async with launch() as running:
        await say(running, PARIS)
        await say(running, ROME)
        assert last(running).earlier == ()
        assert str(turns(running)[1].content).startswith("And of Italy?Rome.\n")


async def test_again_asks_after_the_same_turns_as_before(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
        await say(running, ROME)
        await running.pilot.press("ctrl+r")
        await answer(running, "Florence, once.", 3)
        assert (last(running).prompt, last(running).earlier) == (ROME.prompt, (PARIS,))
        await say(running, Exchange("Sure?", "No."))
        assert last(running).earlier == (PARIS, Exchange(ROME.prompt, "Florence, once."))


async def test_writing_on_reads_the_answers_tokens_without_the_one_that_ended_it(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
        await running.pilot.press("ctrl+n")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        assert last(running).prompt_ids == (1, 2)
        await answer(running, " On the Seine.", 2)
        await say(running, ROME)
        assert last(running).earlier == (Exchange(PARIS.prompt, "It is Paris. On the Seine."),)


async def test_a_branch_stands_in_the_place_of_the_answer_it_leaves(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
        candidate = replace(entry(1, 1.0), id=9, text=" not")
        running.screen.runs.branch(PARIS.prompt + "It is", (1, 2, 3), candidate, Departure(0, 0, 1))
        await answer(running, " Lyon.", 2)
        assert last(running).prompt_ids == (1, 2, 3, 9)
        assert str(turns(running)[1].content).startswith("Capital of France?\nIt is not Lyon.\n")
        await say(running, ROME)
        assert last(running).earlier == (Exchange(PARIS.prompt, "It is not Lyon."),)


async def test_a_candidate_of_the_prompt_begins_the_answer(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
        candidate = replace(entry(1, 1.0), id=9, text="Oh")
        running.screen.runs.branch(ROME.prompt, (), candidate)
        await answer(running, ", Rome.", 2)
        assert (last(running).prompt, last(running).begun_ids) == (ROME.prompt, (9,))
        assert last(running).earlier == (PARIS,)
        assert str(turns(running)[1].content).startswith("And of Italy?\nOh, Rome.\n")
        await say(running, Exchange("Sure?", "Yes."))
        assert last(running).earlier == (PARIS, Exchange(ROME.prompt, "Oh, Rome."))


async def test_a_cleared_conversation_is_forgotten_by_the_chat_too(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
        running.screen.conversation.clear()
        await running.until(lambda: not turns(running))
        await say(running, ROME)
        assert last(running).earlier == ()


async def test_an_answer_of_nothing_is_no_turn(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, Exchange(PARIS.prompt, "  "))
        await say(running, ROME)
        assert last(running).earlier == ()


async def test_a_chat_goes_on_after_a_restart_of_the_app(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS)
    async with launch(engine=ChatEngine()) as running:
        await running.until(lambda: turns(running))
        assert str(turns(running)[0].content).startswith("Capital of France?\nIt is Paris.\n")
        await say(running, ROME)
        assert last(running).earlier == (PARIS,)


async def test_the_candidates_of_a_prompt_come_after_the_earlier_turns(launch: Launch) -> None:
    engine = ChatEngine()
    table = CandidateTable((entry(1, 1.0),), 0, 1, 1, 1.0, 1.0, 3)
    engine.script = lambda request: [Inspected(request.id, table)] if isinstance(request, Inspect) else []
    async with launch(engine=engine) as running:
        await say(running, PARIS)
        await running.pilot.press("f7")
        await running.until(lambda: running.engine.of(Inspect))
        request = running.engine.of(Inspect)[-1]
        assert isinstance(request, Inspect)
        assert request.earlier == (PARIS,)


async def test_the_tokens_of_a_gguf_file_come_with_its_conversion(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = GgufFile().write(tmp_path / "tiny.gguf")
    async with launch() as running:
        heading = running.screen.query_one(f"#{Breakdown.GENERATOR}-heading", Static)
        await running.until(lambda: "starter/gpt2" in str(heading.content))
        running.engine.loads = False
        running.screen.target = Target(str(file))
        await running.until(lambda: len(running.engine.of(Load)) == 2)
        assert "tiny.gguf · " in str(running.screen.status.content)
        shutil.copytree(STARTER_FOLDER / "gpt2", resolve(str(file)).folder)
        running.screen.prompt.text = "Once"
        request = running.engine.of(Load)[-1]
        running.engine.replies[request.id].put(Loaded(request.id, replace(INFO, name=str(file), source="gguf")))
        await running.until(lambda: str(file) in str(heading.content))
        assert not running.app._notifications


@pytest.mark.parametrize(("chat", "word"), [(True, "chat"), (False, "continues")])
@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_status_line_says_which_it_is(launch: Launch, chat: bool, word: str, size: tuple[int, int]) -> None:
    async with launch(size=size) as running:
        running.screen.show_model(replace(INFO, chat=chat))
        await running.until(lambda: f" · {word} · " in str(running.screen.status.content))
