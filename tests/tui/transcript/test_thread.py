"""A chat in the app: earlier turns go along, what branches or writes on stays in its thread, and the screen says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.backends.backend import Reply
from core.messages.protocol import Generate, Load, Loaded, RunStarted, Work
from core.messages.records import Exchange, FinishReason, Target
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import INFO, FakeEngine
from tests.tui.fake_host import Sitting, settle
from tests.tui.main.test_candidates import entry
from tests.tui.main.test_live_candidates import Looking
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


class Chat(Sitting):
    """The hands, with a model that answers."""

    def __init__(self, engine: FakeEngine | None = None, *, restore: bool = False) -> None:
        super().__init__(engine or ChatEngine(), restore=restore)
        self.host.model = replace(INFO, chat=True)

    def last(self) -> Generate:
        return self.engine.last_run()[0]

    async def answer(self, text: str) -> None:
        """Let the run that was asked for be answered in one token."""
        await settle()
        self.engine.begin()
        self.engine.write(text)
        await self.end(text, reason=FinishReason.EOS)

    async def say(self, exchange: Exchange) -> None:
        """A prompt and its answer."""
        self.runs.start(exchange.prompt)
        await self.answer(exchange.answer)


@pytest.fixture
def chat(sit_down: type[Sitting]) -> Chat:
    """As the fixture that it uses, with a model that answers."""
    return Chat()


async def test_a_thread_grows_by_a_turn_with_each_answer(chat: Chat) -> None:
    await chat.say(PARIS)
    assert chat.last().earlier == ()
    await chat.say(ROME)
    assert (chat.last().prompt, chat.last().earlier) == (ROME.prompt, (PARIS,))
    await chat.say(Exchange("Thanks", "[/] 안녕"))
    assert chat.last().earlier == (PARIS, ROME)
    assert str(chat.transcript.turns[1].content).startswith("And of Italy?\nRome.\n")


async def test_a_model_that_continues_is_sent_no_turns(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    await sitting.run(PARIS.prompt, PARIS.answer)
    await sitting.run(ROME.prompt, ROME.answer)
    assert sitting.engine.last_run()[0].earlier == ()
    assert str(sitting.transcript.turns[1].content).startswith("And of Italy?Rome.\n")


async def test_again_asks_after_the_same_turns_as_before(chat: Chat) -> None:
    await chat.say(PARIS)
    await chat.say(ROME)
    chat.runs.again()
    await chat.answer("Florence, once.")
    assert (chat.last().prompt, chat.last().earlier) == (ROME.prompt, (PARIS,))
    await chat.say(Exchange("Sure?", "No."))
    assert chat.last().earlier == (PARIS, Exchange(ROME.prompt, "Florence, once."))


async def test_asking_again_while_an_answer_comes_changes_nothing(chat: Chat) -> None:
    await chat.say(PARIS)
    await chat.begin(ROME.prompt, "Ro")
    chat.runs.again()
    chat.runs.branch("Sure?", (), replace(entry(1, 1.0), id=9, text="Oh"))
    assert chat.host.told == ["Still writing; Esc stops it."] * 2
    await chat.end("Rome.", reason=FinishReason.EOS)
    await chat.say(Exchange("Sure?", "Yes."))
    assert chat.last().earlier == (PARIS, Exchange(ROME.prompt, "Rome."))


async def test_writing_on_reads_the_answers_tokens_without_the_one_that_ended_it(chat: Chat) -> None:
    await chat.say(PARIS)
    chat.runs.go_on()
    await chat.answer(" On the Seine.")
    assert chat.last().prompt_ids == (1, 2)
    await chat.say(ROME)
    assert chat.last().earlier == (Exchange(PARIS.prompt, "It is Paris. On the Seine."),)


async def test_a_branch_stands_in_the_place_of_the_answer_it_leaves(chat: Chat) -> None:
    await chat.say(PARIS)
    candidate = replace(entry(1, 1.0), id=9, text=" not")
    chat.runs.branch(PARIS.prompt + "It is", (1, 2, 3), candidate, Departure(0, 0, 1))
    await chat.answer(" Lyon.")
    assert chat.last().prompt_ids == (1, 2, 3, 9)
    assert str(chat.transcript.turns[1].content).startswith("Capital of France?\nIt is not Lyon.\n")
    await chat.say(ROME)
    assert chat.last().earlier == (Exchange(PARIS.prompt, "It is not Lyon."),)


async def test_a_candidate_of_the_prompt_begins_the_answer(chat: Chat) -> None:
    await chat.say(PARIS)
    candidate = replace(entry(1, 1.0), id=9, text="Oh")
    chat.runs.branch(ROME.prompt, (), candidate)
    await chat.answer(", Rome.")
    assert (chat.last().prompt, chat.last().begun_ids) == (ROME.prompt, (9,))
    assert chat.last().earlier == (PARIS,)
    assert str(chat.transcript.turns[1].content).startswith("And of Italy?\nOh, Rome.\n")
    await chat.say(Exchange("Sure?", "Yes."))
    assert chat.last().earlier == (PARIS, Exchange(ROME.prompt, "Oh, Rome."))


async def test_a_cleared_conversation_is_forgotten_by_the_chat_too(chat: Chat) -> None:
    await chat.say(PARIS)
    chat.transcript.clear()
    await chat.say(ROME)
    assert chat.last().earlier == ()


async def test_an_answer_of_nothing_is_no_turn(chat: Chat) -> None:
    await chat.say(Exchange(PARIS.prompt, "  "))
    await chat.say(ROME)
    assert chat.last().earlier == ()


async def test_a_chat_goes_on_after_a_restart_of_the_app(chat: Chat) -> None:
    await chat.say(PARIS)
    chat.close()
    later = Chat(restore=True)
    assert later.transcript.text.startswith("Capital of France?\nIt is Paris.\n")
    await later.say(ROME)
    assert later.last().earlier == (PARIS,)


async def test_the_candidates_of_a_prompt_come_after_the_earlier_turns(chat: Chat) -> None:
    await chat.say(PARIS)
    looking = Looking(chat, ROME.prompt)
    looking.hand.begin()
    await settle()
    assert looking.asked[-1].earlier == (PARIS,)


async def test_the_status_line_names_a_gguf_file_shortly_until_it_is_loaded(launch: Launch) -> None:
    async with launch() as running:
        running.engine.loads = False
        running.screen.target = Target("/models/tiny.gguf")
        await running.until(lambda: len(running.engine.of(Load)) == 2)
        assert str(running.screen.status.content).startswith(" tiny.gguf · ")


# -- with keys ---------------------------------------------------------------------------------------------------------


async def say(running: Running, exchange: Exchange, runs: int) -> None:
    """A prompt, which is that of the `runs`-th run, and its answer."""
    running.screen.prompt.text = exchange.prompt
    await running.pilot.press("f2", "escape", "enter")
    await running.until(lambda: len(running.engine.of(Generate)) == runs)
    running.engine.begin()
    running.engine.write(exchange.answer)
    running.engine.finish(exchange.answer, FinishReason.EOS)
    await running.until(lambda: not running.screen.runs.is_busy)


async def test_each_prompt_takes_the_earlier_turns_along(launch: Launch) -> None:
    async with launch(engine=ChatEngine()) as running:
        await say(running, PARIS, 1)
        await say(running, ROME, 2)
        request, _ = running.engine.last_run()
        assert (request.prompt, request.earlier) == (ROME.prompt, (PARIS,))
        shown = [str(turn.content) for turn in running.screen.query(Turn)]
        assert shown[1].startswith("And of Italy?\nRome.\n")


@pytest.mark.parametrize(("chat", "word"), [(True, "chat"), (False, "continues")])
@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_status_line_says_which_it_is(launch: Launch, chat: bool, word: str, size: tuple[int, int]) -> None:
    async with launch(size=size) as running:
        running.screen.show_model(replace(INFO, chat=chat))
        await running.until(lambda: f" · {word} · " in str(running.screen.status.content))
