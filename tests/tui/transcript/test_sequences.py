"""Several sequences of a run: columns side by side, each with its number, its running log-probability and its end."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from textual.widgets import Input

from core.errors import EngineStoppedError
from core.messages.protocol import BeamsAdvanced, Done, Generate, Retuned, SequenceDone, TokenGenerated
from core.messages.records import Beam, FinishReason
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import params_of, stats, step
from tui.transcript.sequence_columns import MIN_COLUMN_CELLS, LiveText, heading
from tui.transcript.tally import Tally
from tui.transcript.turn import Turn


def turn_of(running: Running) -> Turn:
    """The newest turn."""
    return list(running.screen.query(Turn))[-1]


def columns(running: Running) -> list[str]:
    """What each column of the newest turn shows."""
    return [str(column.content) for column in turn_of(running).query(".column").results(LiveText)]


def note(running: Running) -> str:
    """The line under the columns of the newest turn."""
    return str(list(turn_of(running).query(LiveText))[-1].content)


def write(running: Running, sequence: int, text: str, logprob: float) -> None:
    """One token of the newest run, of a known probability."""
    _, reply = running.engine.last_run()
    reply.put(TokenGenerated(reply.request_id, replace(step(text, sequence), logprob=logprob)))


def end(running: Running, *endings: tuple[str, FinishReason]) -> None:
    """End the newest run: the text and the reason of each sequence."""
    _, reply = running.engine.last_run()
    for sequence, (text, reason) in enumerate(endings):
        told = replace(stats(), new_tokens=2)
        reply.put(SequenceDone(reply.request_id, sequence, reason, text, (1, 1), told))
    reply.put(Done(reply.request_id))


async def begin(running: Running, prompt: str, count: int) -> None:
    """Begin a run of several sequences."""
    running.screen.sampling.query_one("#setting-num_return_sequences", Input).value = str(count)
    await running.pilot.pause()
    asked = len(running.engine.of(Generate))
    running.screen.prompt.text = prompt
    running.screen.prompt.focus()
    await running.pilot.press("enter")
    await running.until(lambda: len(running.engine.of(Generate)) > asked)
    assert params_of(running.engine.last_run()[0]).num_return_sequences == count
    running.engine.begin()
    await running.until(lambda: len(columns(running)) == count)


@pytest.mark.smoke
async def test_several_sequences_stream_side_by_side_from_one_prompt(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The [/", 2)
        write(running, 0, " cat", -1.25)
        write(running, 1, " [b]\x1b", -3.0)
        write(running, 0, " 득", -0.5)
        await running.until(lambda: columns(running)[0] == "#1 · log p −1.8 · 2 tokens\n cat 득")
        await running.until(lambda: columns(running)[1] == "#2 · log p −3.0 · 1 token\n [b]␛")
        shared, *_ = turn_of(running).query(LiveText)
        assert str(shared.content) == "The [/"
        left, right = turn_of(running).query(".column")
        assert left.region.y == right.region.y
        assert left.region.right <= right.region.x
        end(running, (" cat 득", FinishReason.EOS), (" [b]\x1b dog", FinishReason.LENGTH))
        await running.until(lambda: not running.screen.runs.is_busy)
        assert columns(running)[0].endswith(" cat 득\n■ ended by eos")
        assert columns(running)[1].endswith(" [b]␛ dog\n■ ended by length")
        assert note(running).startswith("2 sequences · 4 tokens · seed ")
        assert turn_of(running).outputs == [" cat 득", " [b]\x1b dog"]


async def test_only_the_column_that_a_token_came_for_is_painted(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[str] = []
    show = LiveText.show

    def show_aloud(self: LiveText, content: object) -> None:
        painted.append(str(content).split(" ")[0])
        show(self, content)  # type: ignore[arg-type]

    async with launch() as running:
        await begin(running, "The", 3)
        monkeypatch.setattr(LiveText, "show", show_aloud)
        painted.clear()
        write(running, 1, " cat", -1.0)
        await running.until(lambda: "cat" in columns(running)[1])
        assert painted == ["#2"]


@pytest.mark.parametrize(("size", "abreast"), [((120, 40), 2), ((80, 24), 3), ((60, 24), 2), ((30, 24), 1)])
async def test_as_many_columns_as_fit_stand_abreast(launch: Launch, size: tuple[int, int], abreast: int) -> None:
    async with launch(size=size) as running:
        await begin(running, "The", 5)
        for sequence in range(5):
            write(running, sequence, " word" * 30, -1.0)
        await running.until(lambda: all("word" in text for text in columns(running)))
        await running.pilot.pause()
        places = [column.region for column in turn_of(running).query(".column")]
        first = [place for place in places if place.y == places[0].y]
        assert len(first) == abreast
        assert all(place.width >= MIN_COLUMN_CELLS for place in places) or abreast == 1
        assert not any(one.overlaps(other) for one in places for other in places if one is not other)


async def test_a_column_grows_with_its_text(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 2)
        for _ in range(60):
            write(running, 0, " word", -1.0)
        await running.until(lambda: "60 tokens" in columns(running)[0])
        await running.pilot.pause()
        long, short = turn_of(running).query(".column")
        assert long.region.height > 8 > short.region.height
        assert long.region.bottom <= list(turn_of(running).query(LiveText))[-1].region.y


async def test_ctrl_n_writes_on_after_the_first_and_one_sequence_has_no_columns(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 2)
        end(running, (" cat", FinishReason.CANCELLED), (" dog", FinishReason.CANCELLED))
        await running.until(lambda: "ctrl+n writes on after #1" in note(running))
        running.screen.sampling.query_one("#setting-num_return_sequences", Input).value = "1"
        await running.pilot.press("ctrl+n")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        assert running.engine.last_run()[0].prompt == "The cat"
        running.engine.begin()
        running.engine.write(" sat")
        await running.until(lambda: str(turn_of(running).content).startswith("The cat sat\n"))
        assert columns(running) == []
        assert turn_of(running).region.height >= 2
        running.engine.finish(" sat")
        await running.until(lambda: not running.screen.runs.is_busy)
        await running.pilot.press("ctrl+n")
        running.engine.begin()
        running.engine.finish(" on")
        await running.until(lambda: str(turn_of(running).content).startswith("The cat sat on\n"))


async def test_changed_settings_are_marked_in_each_column_and_in_what_they_share(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 2)
        write(running, 0, " cat", -1.0)
        write(running, 1, " dog", -1.0)
        request, reply = running.engine.last_run()
        reply.put(Retuned(request.id, 1, request.params))
        write(running, 0, " sat", -1.0)
        write(running, 1, " ran", -1.0)
        await running.until(lambda: columns(running)[1].endswith("\n dog⟲ ran"))
        assert columns(running)[0].endswith("\n cat⟲ sat")
        end(running, (" cat sat", FinishReason.LENGTH), (" dog ran", FinishReason.LENGTH))
        await running.until(lambda: not running.screen.runs.is_busy)
        await running.pilot.press("ctrl+n")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        running.engine.begin()
        write(running, 1, " far", -1.0)
        await running.until(lambda: columns(running) == ["#1\n", "#2 · log p −1.0 · 1 token\n far"])
        assert str(turn_of(running).query(LiveText).first().content) == "The cat⟲ sat"


async def test_a_beam_search_shows_its_best_beams_with_their_scores(launch: Launch) -> None:
    async with launch() as running:
        running.screen.sampling.query_one("#setting-num_beams", Input).value = "3"
        await running.pilot.pause()
        await begin(running, "The", 2)
        request, reply = running.engine.last_run()
        beams = (Beam(-2.5, 0, 1, " a b"), Beam(-2.75, 0, 1, " c d"), Beam(-4.0, 1, 1, " e f"))
        reply.put(BeamsAdvanced(request.id, 1, beams))
        await running.until(
            lambda: (
                columns(running) == ["#1 · beam score −2.5 · 2 tokens\n a b", "#2 · beam score −2.8 · 2 tokens\n c d"]
            )
        )
        for sequence, text in ((0, " a"), (0, " b"), (1, " c"), (1, " d")):
            write(running, sequence, text, -1.125)
        end(running, (" a b", FinishReason.EOS), (" c d", FinishReason.EOS))
        await running.until(lambda: not running.screen.runs.is_busy)
        assert columns(running)[1] == "#2 · log p −2.2 · 2 tokens\n c d\n■ ended by eos"


async def test_a_restored_conversation_shows_them_the_same_way(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 3)
        for sequence, text in enumerate((" cat", " [/b]", " 한")):
            write(running, sequence, text, -1.5 - sequence)
        reasons = (FinishReason.EOS, FinishReason.LENGTH, FinishReason.STOP_STRING)
        end(running, *zip((" cat", " [/b]", " 한"), reasons, strict=True))
        await running.until(lambda: not running.screen.runs.is_busy)
        before, told = columns(running), note(running)
        assert before[2] == "#3 · log p −3.5 · 1 token\n 한\n■ ended by stop_string"
    async with launch() as running:
        await running.until(lambda: running.screen.query(Turn))
        await running.until(lambda: columns(running) == before)
        assert note(running) == told
        assert turn_of(running).region.height > 4


async def test_a_sequence_that_goes_in_circles_says_so_in_its_column(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 2)
        for index in range(20):
            _, reply = running.engine.last_run()
            for sequence, id_ in ((0, index % 3), (1, index)):
                record = replace(step(" a", sequence), index=index, id=id_)
                reply.put(TokenGenerated(reply.request_id, record))
        end(running, (" a" * 20, FinishReason.LENGTH), (" a" * 20, FinishReason.LENGTH))
        await running.until(lambda: not running.screen.runs.is_busy)
        assert columns(running)[0].endswith("■ ended by length · ⟳ in circles")
        assert columns(running)[1].endswith("■ ended by length")
        assert "⟳ goes in circles, F9 says what helps" in note(running)


async def test_copying_takes_every_continuation(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 2)
        end(running, (" cat", FinishReason.EOS), (" dog", FinishReason.EOS))
        await running.until(lambda: not running.screen.runs.is_busy)
        await running.pilot.press("f2", "y")
        await running.until(lambda: running.app.clipboard == " cat\n\n dog")


async def test_a_run_that_breaks_keeps_the_columns(launch: Launch) -> None:
    async with launch() as running:
        await begin(running, "The", 2)
        write(running, 1, " dog", -1.0)
        await running.until(lambda: "dog" in columns(running)[1])
        running.engine.fail(EngineStoppedError("the engine was killed", "run it again"))
        await running.until(lambda: "the engine was killed" in note(running))
        assert columns(running)[1].endswith(" dog")


def test_a_heading_says_exactly_what_is_known() -> None:
    assert heading(2, Tally(-23.44, 18)) == "#2 · log p −23.4 · 18 tokens"
    assert heading(1, Tally()) == "#1"
    assert heading(1, Tally(-0.01, 1)) == "#1 · log p 0.0 · 1 token"
    assert heading(64, Tally(-1234.56, 1000)) == "#64 · log p −1,234.6 · 1,000 tokens"
    assert heading(1, Tally(-math.inf, 3)) == "#1 · log p −∞ · 3 tokens"
    assert heading(3, Tally(tokens=7, score=-12.34)) == "#3 · beam score −12.3 · 7 tokens"


def test_the_tally_is_the_sum_of_the_tokens_logarithms() -> None:
    probabilities = (0.5, 0.25, 0.125)
    tally = Tally()
    for probability in probabilities:
        tally = tally.with_token(math.log(probability))
    assert tally.tokens == 3
    assert tally.logprob == pytest.approx(math.log(0.5 * 0.25 * 0.125))
