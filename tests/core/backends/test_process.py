"""The engine process and its client: a real process, killed, cancelled, interrupted and lied to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from core.backends import process as client_module
from core.backends.backend import Reply
from core.backends.process import EngineProcess
from core.errors import DeviceError, EngineError, EngineStoppedError, ModelNotFoundError, PromptTooLongError
from core.messages.protocol import (
    Candidates,
    Compare,
    Compared,
    Done,
    Event,
    Generate,
    Load,
    Loaded,
    Next,
    Progress,
    RunStarted,
    SequenceDone,
    TokenGenerated,
)
from core.messages.records import FinishReason, Target
from core.messages.sampling_params import SamplingParams

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "Once upon a time"
PARAMS = SamplingParams(max_new_tokens=5, seed=1, candidates=0)
LONG = PARAMS.changed(max_new_tokens=4000, do_sample=False)
"""More tokens than any test waits for."""

PATIENCE_S = 120
"""Turns a hang into a failure; nothing here is meant to take a fraction of it."""

REPOSITORY = Path(client_module.__file__).parents[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[EngineProcess]:
    """One client for the module; a test that kills its process leaves it to restart."""
    engine_client = EngineProcess()
    yield engine_client
    await engine_client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def fresh_client() -> AsyncIterator[EngineProcess]:
    """A client of this test's own."""
    engine_client = EngineProcess()
    yield engine_client
    await engine_client.close()


async def collect(reply: Reply, *, until: Callable[[Event], bool] | None = None) -> list[Event]:
    """A reply's events, progress left out: all of them, or those up to the first that is `until`."""
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in reply:
            if not isinstance(event, Progress):
                events.append(event)
            if until is not None and until(event):
                break
    return events


def is_token(event: Event) -> bool:
    return isinstance(event, TokenGenerated)


def tokens_of(events: list[Event]) -> int:
    return sum(map(is_token, events))


async def ids_of(client: EngineProcess, model: Path) -> tuple[int, ...]:
    """The ids of a short run."""
    events = await collect(await client.send(Generate(Target(str(model)), PROMPT, PARAMS)))
    (done,) = (event for event in events if isinstance(event, SequenceDone))
    return done.ids


async def test_a_run_goes_through_the_process_from_start_to_done(client: EngineProcess, long_gpt2_folder: Path) -> None:
    assert client.pid is None
    started, *tokens, sequence, done = await collect(
        await client.send(Generate(Target(str(long_gpt2_folder)), PROMPT, PARAMS))
    )
    assert client.pid is not None
    assert isinstance(started, RunStarted)
    assert tokens_of(tokens) == len(tokens) == 5
    assert isinstance(sequence, SequenceDone)
    assert isinstance(done, Done)
    assert {event.id for event in (started, *tokens, sequence, done)} == {started.id}


async def test_several_requests_are_answered_each_to_its_own(client: EngineProcess, long_gpt2_folder: Path) -> None:
    replies = [await client.send(Next(Target(str(long_gpt2_folder)), PROMPT, PARAMS, top)) for top in (1, 2, 3)]
    for top, reply in enumerate(replies, start=1):
        answer, _ = await collect(reply)
        assert isinstance(answer, Candidates)
        assert len(answer.candidates) == top


async def test_a_run_cancelled_in_mid_stream_stops_at_once_and_the_next_works(
    client: EngineProcess, long_gpt2_folder: Path
) -> None:
    before = await ids_of(client, long_gpt2_folder)
    reply = await client.send(Generate(Target(str(long_gpt2_folder)), PROMPT, LONG))
    events = await collect(reply, until=is_token)
    reply.cancel()
    events += await collect(reply)
    *_, sequence, done = events
    assert isinstance(sequence, SequenceDone)
    assert isinstance(done, Done)
    assert sequence.finish_reason is FinishReason.CANCELLED
    assert tokens_of(events) == len(sequence.ids) < LONG.max_new_tokens
    assert await ids_of(client, long_gpt2_folder) == before


async def test_a_short_request_is_answered_between_two_tokens_of_a_run(
    client: EngineProcess, long_gpt2_folder: Path
) -> None:
    run = await client.send(Generate(Target(str(long_gpt2_folder)), PROMPT, LONG))
    await collect(run, until=is_token)
    answer, done = await collect(await client.send(Next(Target(str(long_gpt2_folder)), "Another", PARAMS, 3)))
    assert isinstance(answer, Candidates)
    assert isinstance(done, Done)
    assert not run.finished
    run.cancel()
    last = (await collect(run))[-2]
    assert isinstance(last, SequenceDone)
    assert last.finish_reason is FinishReason.CANCELLED


async def test_a_waiting_request_that_is_cancelled_never_runs(
    client: EngineProcess, long_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await client.send(Generate(Target(str(long_gpt2_folder)), PROMPT, LONG))
    await collect(run, until=is_token)
    heard: list[Event] = []
    deliver = client._deliver

    def deliver_and_note(event: Event) -> None:
        heard.append(event)
        deliver(event)

    monkeypatch.setattr(client, "_deliver", deliver_and_note)
    waiting = await client.send(Generate(Target(str(long_gpt2_folder)), "Never to be read", PARAMS))
    waiting.cancel()
    assert waiting.finished
    with pytest.raises(EngineError, match="cancelled before it began"):
        await waiting.last()
    run.cancel()
    await collect(run)
    await ids_of(client, long_gpt2_folder)  # whatever was waiting has been worked off now
    assert [event for event in heard if event.id == waiting.request_id] == [Done(waiting.request_id)]


async def test_errors_arrive_as_themselves(client: EngineProcess, long_gpt2_folder: Path) -> None:
    model = str(long_gpt2_folder)
    with pytest.raises(ModelNotFoundError, match="'nowhere' is neither") as caught:
        await collect(await client.send(Load(Target("nowhere"))))
    assert caught.value.hint
    assert "Traceback" in str(caught.value.__cause__)
    with pytest.raises(PromptTooLongError):
        await collect(await client.send(Generate(Target(model), "word " * 5000, PARAMS)))
    with pytest.raises(DeviceError):
        await collect(await client.send(Load(Target(model, "cpu:9"))))
    assert len(await ids_of(client, long_gpt2_folder)) == 5


async def test_text_of_any_kind_survives_the_pipe(client: EngineProcess, long_gpt2_folder: Path) -> None:
    prompt = '안녕 🦊\x00\x1b[31m\u2028[/bold]\\ "quoted"\r\n'
    started, *_ = await collect(await client.send(Generate(Target(str(long_gpt2_folder)), prompt, PARAMS)))
    assert isinstance(started, RunStarted)
    assert started.prompt == prompt


@pytest.mark.slow
async def test_two_sentences_are_compared_through_the_process(client: EngineProcess, classifier_folder: Path) -> None:
    (answer,) = await collect(await client.send(Compare(Target(str(classifier_folder)), "A cat", "A feline")))
    assert isinstance(answer, Compared)


async def test_killing_the_engine_fails_its_runs_in_one_line_and_the_next_run_works(
    client: EngineProcess, long_gpt2_folder: Path
) -> None:
    before = await ids_of(client, long_gpt2_folder)
    run = await client.send(Generate(Target(str(long_gpt2_folder)), PROMPT, LONG))
    waiting = await client.send(Generate(Target(str(long_gpt2_folder)), PROMPT, PARAMS))
    await collect(run, until=is_token)
    old = client.pid
    assert old is not None
    os.kill(old, signal.SIGKILL)
    for reply in (run, waiting):
        with pytest.raises(EngineStoppedError, match="the engine was killed") as caught:
            await collect(reply)
        assert "\n" not in str(caught.value)
    assert client.pid is None
    assert await ids_of(client, long_gpt2_folder) == before
    assert client.pid not in (None, old)


async def test_closing_while_a_model_loads_ends_the_process_and_the_reply(
    fresh_client: EngineProcess, llama_folder: Path
) -> None:
    reply = await fresh_client.send(Load(Target(str(llama_folder))))
    await collect(reply, until=lambda event: isinstance(event, Progress))
    pid = fresh_client.pid
    assert pid is not None
    await fresh_client.close()
    assert fresh_client.pid is None
    assert not any(isinstance(event, Loaded) for event in await collect(reply))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_closing_before_and_twice_is_harmless() -> None:
    engine_client = EngineProcess()
    await engine_client.close()
    await engine_client.start()
    await engine_client.close()
    await engine_client.close()


async def test_a_stray_core_package_in_the_current_folder_is_not_imported(
    fresh_client: EngineProcess, long_gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("core", "torch", "tokenizers"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    assert len(await ids_of(fresh_client, long_gpt2_folder)) == 5
    assert not (tmp_path / "imported").exists()


async def test_noise_on_stderr_and_stdout_does_not_break_the_protocol(
    fresh_client: EngineProcess, long_gpt2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = "import sys\nprint('noise ' * 9)\nsys.stderr.write('x' * 1_000_000)\n"
    (tmp_path / "sitecustomize.py").write_text(noise)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(REPOSITORY))))
    assert len(await ids_of(fresh_client, long_gpt2_folder)) == 5


def pretend_python(folder: Path, script: str) -> str:
    """An executable that stands in for the interpreter and runs a shell script instead of the worker."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


DEATHS = [
    ("kill -9 $$", "the engine was killed"),
    ("kill -SEGV $$", r"the engine crashed \(SIGSEGV\)"),
    ("exit 3", "the engine stopped with exit status 3"),
    ("""printf '{"type":"Hello","id":0,"pi'; kill -9 $$""", "the engine was killed"),
    ("""printf 'not a message\\n'; exit 1""", "the engine stopped with exit status 1"),
]


@pytest.mark.parametrize(("script", "message"), DEATHS)
async def test_however_the_process_ends_the_reply_says_so(
    script: str, message: str, fresh_client: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", pretend_python(tmp_path, f"read request; {script}"))
    with pytest.raises(EngineStoppedError, match=message):
        await collect(await fresh_client.send(Load(Target("starter/gpt2"))))


async def test_replies_of_a_dead_process_fail_even_when_a_new_one_starts_before_its_pipes_close(
    fresh_client: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first process leaves a child that keeps its pipes open, so that its death cannot be read from them.
    script = f"cd {tmp_path}; [ -e second ] && exec cat; touch second; read request; sleep 1 & exit 1"
    monkeypatch.setattr(sys, "executable", pretend_python(tmp_path, script))
    reply = await fresh_client.send(Load(Target("starter/gpt2")))
    while fresh_client.pid is not None:  # noqa: ASYNC110 - asyncio tells nobody of a death before the pipes close
        await asyncio.sleep(0)
    reader_of_the_dead = fresh_client._reader
    assert reader_of_the_dead is not None
    await fresh_client.send(Load(Target("starter/gpt2")))
    with pytest.raises(EngineStoppedError, match="exit status 1"):
        await collect(reply)
    await asyncio.wait({reader_of_the_dead})


async def test_the_end_of_stderr_is_kept_for_the_report(
    fresh_client: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "read request; yes beginning | head -c 100000 >&2; echo the last words >&2; exit 1"
    monkeypatch.setattr(sys, "executable", pretend_python(tmp_path, script))
    with pytest.raises(EngineStoppedError) as caught:
        await collect(await fresh_client.send(Load(Target("starter/gpt2"))))
    report = str(caught.value.__cause__)
    assert report.endswith("the last words")
    assert len(report) < 10_000


async def test_an_engine_that_cannot_be_started_is_an_engine_error(
    fresh_client: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EngineStoppedError, match="the engine cannot be started: No such file or directory"):
        await fresh_client.send(Load(Target("starter/gpt2")))


async def test_an_engine_deaf_to_cancelling_is_killed(
    fresh_client: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CANCEL_PATIENCE_S", 0.01)
    answer = '{"type":"Candidates","id":1,"candidates":[]}'
    script = f"read request; echo '{answer}'; read cancel; exec sleep 600"
    monkeypatch.setattr(sys, "executable", pretend_python(tmp_path, script))
    reply = await fresh_client.send(Load(Target("starter/gpt2")))
    await collect(reply, until=lambda event: isinstance(event, Candidates))
    reply.cancel()
    with pytest.raises(EngineStoppedError, match="killed"):
        await collect(reply)
