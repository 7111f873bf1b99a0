"""Conversations in files: nothing lost, half-written or overwritten; found, searched, deleted and brought back."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import EngineError
from core.history.conversation_file import (
    ConversationDamagedError,
    ConversationFile,
    ConversationInUseError,
    Place,
    title_of,
)
from core.history.conversation_list import bring_back_conversation, conversation_paths, summary_of, trash_conversation
from core.history.conversation_reader import SavedConversation, read_conversation
from core.history.run_lines import read_runs
from core.messages.protocol import BeamsAdvanced, Event, Retuned, TokenGenerated
from core.messages.records import Beam
from core.messages.sampling_params import SamplingParams
from tests.saved import add, done, run_of, started, token, write_conversation

WORDS = ["there", "was", "한국어", "[bold]", "[/", "\x1b[31m", "👩‍👩‍👧"]


def reading(path: Path) -> tuple[SavedConversation, list[list[Event]]]:
    """A conversation with the events of each run; the file is let go of."""
    file = ConversationFile.open(path)
    try:
        saved = read_conversation(file)
        return saved, [saved.events(run) for run in saved.runs]
    finally:
        file.close()


def texts_of(path: Path) -> list[str]:
    """What each run wrote, token by token."""
    _, runs = reading(path)
    return ["".join(event.step.text for event in run if isinstance(event, TokenGenerated)) for run in runs]


def test_every_event_comes_back_with_its_five_best_candidates(tmp_path: Path) -> None:
    params = SamplingParams(num_return_sequences=2, num_beams=2, stop_strings=("\n", "}"), seed=3)
    beams = BeamsAdvanced(1, 0, (Beam(-1.5, 0, 7, " best"), Beam(-2.5, 1, 8, " other")))
    retuned = Retuned(1, 1, params.changed(temperature=1.5))
    told: list[Event] = [token(" a"), beams, retuned, token(" b", 1, sequence=1), done(" a"), done(" b", 1)]
    file = ConversationFile.create(tmp_path, "t")
    place = Place(4, True, "shown", 2, 1, -3, token("x").step.candidates[0])
    for event in (started("p", params), *told):
        add(file, event, place)
    file.close()

    saved, (events,) = reading(file.path)
    assert saved.header.title == "t"
    assert saved.runs[0].place == place
    assert saved.runs[0].started.params == params
    assert saved.runs[0].started.prompt_ids == (1, 2)
    assert saved.runs[0].started.info.name == "starter/gpt2"
    step = token(" a").step
    assert events == [
        TokenGenerated(0, replace(step, candidates=step.candidates[:5])),
        BeamsAdvanced(0, 0, (Beam(-1.5, 0, 7, " best"), Beam(-2.5, 1, 8, ""))),
        replace(retuned, id=0),
        replace(token(" b", 1, 1, candidates=5), id=0),
        replace(done(" a"), id=0),
        replace(done(" b", 1), id=0),
    ]


@pytest.mark.slow
def test_a_file_cut_anywhere_loses_one_line_at_most_and_goes_on_whole(tmp_path: Path) -> None:
    path = write_conversation(tmp_path, [("Once", ["a", "한", "b"])])
    whole = path.read_bytes()
    begin = whole.index(b"\n", whole.index(b'{"type":"run"')) + 1
    for cut in range(begin, len(whole)):
        copy = tmp_path / "cut.jsonl"
        copy.write_bytes(whole[:cut])
        lines = [line for line in whole[:cut].split(b"\n") if line]
        complete = whole[:cut].count(b"\n") + (whole[cut : cut + 1] == b"\n")
        file = ConversationFile.open(copy)
        (run,) = read_conversation(file).runs
        assert copy.read_bytes() == whole[:cut]
        add(file, token(" new", 9), Place(0))
        file.close()
        after = copy.read_bytes().splitlines()
        assert after[:-1] == lines[:complete]
        assert json.loads(after[-1])["text"] == " new"
        assert reading(copy)[1][-1][-1] == replace(token(" new", 9, candidates=5), id=0)
        assert run.started.prompt == "Once"


def test_odd_texts_come_back_as_they_were(tmp_path: Path) -> None:
    path = write_conversation(tmp_path, [("\udc80 lone \x00 \u2028\n", WORDS)])
    saved, _ = reading(path)
    assert saved.runs[0].started.prompt == "\udc80 lone \x00 \u2028\n"
    assert texts_of(path) == ["".join(f" {word}" for word in WORDS)]
    path.read_text(encoding="utf-8")
    assert len(path.read_bytes().splitlines()) == 3 + len(WORDS)


def spoil(path: Path, broken: bytes) -> bytes:
    """Put something else in the place of the fourth line; returns what the file then holds."""
    lines = path.read_bytes().split(b"\n")
    lines[3] = broken
    path.write_bytes(b"\n".join(lines))
    return path.read_bytes()


@pytest.mark.parametrize("broken", [b"\0" * 40, b'{"type":"token"', b"[]", b"{}", b""])
def test_a_damaged_line_is_named_and_the_file_is_left_as_it_is(tmp_path: Path, broken: bytes) -> None:
    path = write_conversation(tmp_path, [("Once", ["a", "b"]), ("Twice", ["c"])])
    before = spoil(path, broken)
    file = ConversationFile.open(path)
    with pytest.raises(ConversationDamagedError, match=rf"line 4 of {path.name} is damaged"):
        read_conversation(file)
    file.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "broken", [b'{"type":"token","sequence":7}', b'{"type":"token",,}', b'{"type":"token","text":7}']
)
def test_a_line_that_lacks_something_is_found_when_its_run_is_looked_at(tmp_path: Path, broken: bytes) -> None:
    path = write_conversation(tmp_path, [("Once", ["a", "b"]), ("Twice", ["c"])])
    before = spoil(path, broken)
    with pytest.raises(ConversationDamagedError, match=rf"run 1 of {path.name} is damaged"):
        reading(path)
    assert path.read_bytes() == before
    ConversationFile.open(path).close()  # nobody holds it


def test_a_damaged_run_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = write_conversation(tmp_path, [("Once", ["a", "b"]), ("Twice", ["c"])])
    path.write_bytes(path.read_bytes().replace(b'"prompt":"Twice"', b'"prompt":7', 1))
    with pytest.raises(ConversationDamagedError, match=r"line 6 of "):
        reading(path)


def test_a_version_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = write_conversation(tmp_path, [("Once", ["a"])])
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9', 1))
    with pytest.raises(ConversationDamagedError, match="has version 9, known here is 1"):
        reading(path)
    (tmp_path / "other.jsonl").write_text('{"type":"run"}\n')
    with pytest.raises(ConversationDamagedError, match="is no conversation"):
        reading(tmp_path / "other.jsonl")


def test_one_program_at_a_time_holds_a_file_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = write_conversation(tmp_path, [("Once", ["a"])])
    held = ConversationFile.open(path)
    with pytest.raises(ConversationInUseError, match="is open in another nlp-tui"):
        ConversationFile.open(path)
    with pytest.raises(ConversationInUseError):
        trash_conversation(path)
    held.close()
    opens = f"f = ConversationFile.open(Path({str(path)!r})); print(1); input()"
    code = f"from core.history.conversation_file import *; {opens}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        with pytest.raises(ConversationInUseError):
            ConversationFile.open(path)
        other.kill()
    ConversationFile.open(path).close()


def test_a_full_disk_leaves_whole_lines_and_says_why(tmp_path: Path) -> None:
    file = ConversationFile.create(tmp_path, "t")
    add(file, started("Once"), Place(0))
    add(file, token(" a"), Place(0))
    whole = file.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, limits[1]))
    try:
        add(file, token(" b", 1), Place(0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.problem == "File too large"
    assert file.path.read_bytes() == whole
    add(file, token(" c", 2), Place(0))
    file.close()
    assert file.path.read_bytes() == whole


def test_a_conversation_that_cannot_be_begun_leaves_no_file(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            ConversationFile.create(tmp_path, "t")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_replay_reads_a_conversation(tmp_path: Path) -> None:
    path = write_conversation(tmp_path, [("Once", ["a", "b"]), ("Twice", ["c"])])
    runs = read_runs(path.read_text().split("\n"), path.name)
    assert [(run.prompt, len(run.tokens), run.prompt_ids) for run in runs] == [
        ("Once", 2, (1, 2)),
        ("Twice", 1, (1, 2)),
    ]


def test_a_title_is_the_start_of_the_prompt_on_one_line() -> None:
    assert title_of("  Once\n upon ") == "Once upon"
    assert title_of("word " * 100) == ("word " * 12)[:59] + "…"


def age(path: Path, seconds: int) -> Path:
    """Set when a file was changed."""
    os.utime(path, (seconds, seconds))
    return path


def test_conversations_are_listed_newest_first_and_searched(tmp_path: Path) -> None:
    old = age(write_conversation(tmp_path, [("Once", ["Dragon"]), ("Twice", ["b"])]), 100)
    new = age(write_conversation(tmp_path, [("안녕", ["세계", "끝"])], ends=False), 200)
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "notes.txt").write_text("x")
    assert conversation_paths(tmp_path) == [new, old]
    assert conversation_paths(tmp_path / "none") == []
    first, second = map(summary_of, conversation_paths(tmp_path))
    assert (first.header.title, first.turns, first.changed_s) == ("안녕", 1, 200)
    assert (second.header.title, second.turns) == ("Once", 2)
    assert [one.matches("세계 끝") for one in (first, second)] == [True, False]
    assert [one.matches("dRAGon") for one in (first, second)] == [False, True]
    assert [one.matches("token") for one in (first, second)] == [False, False]


def test_what_went_to_the_trash_comes_back_and_replaces_nothing(tmp_path: Path) -> None:
    path = age(write_conversation(tmp_path, [("Once", ["a"])]), 100)
    content = path.read_bytes()
    trashed = trash_conversation(path)
    assert conversation_paths(tmp_path) == []
    assert trashed.read_bytes() == content
    path.write_text("another")
    with pytest.raises(EngineError, match="is there already"):
        bring_back_conversation(trashed)
    assert (path.read_text(), trashed.read_bytes()) == ("another", content)
    path.unlink()
    assert bring_back_conversation(trashed) == path
    assert (path.read_bytes(), path.stat().st_mtime) == (content, 100)


def test_a_line_in_the_making_is_no_damage_for_the_list(tmp_path: Path) -> None:
    file = ConversationFile.create(tmp_path, "t")
    for event in run_of("Once", ["a"], ends=False):
        add(file, event, Place(0))
    with file.path.open("ab") as other:
        other.write(b'{"type":"tok')
    assert summary_of(file.path).matches("once\n a")
    file.close()
