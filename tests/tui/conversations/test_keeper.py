"""Conversations are kept in files as they grow, brought back, and left alone where they cannot be used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.errors import PromptTooLongError
from core.history.conversation_file import ConversationFile
from core.history.conversation_list import conversation_paths
from core.messages.protocol import Generate, Retuned, RunStarted
from core.messages.records import FinishReason
from core.messages.sampling_params import PRESETS
from tests.saved import write_conversation
from tests.tui.fake_engine import INFO
from tests.tui.fake_host import Sitting, settle
from tests.tui.main.test_candidates import entry
from tui.transcript.kept_run import Departure


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a conversation."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def kinds(path: Path) -> list[str]:
    """What its lines are."""
    return [line["type"] for line in lines_of(path)]


async def test_every_token_is_in_the_file_as_soon_as_it_is_shown(sit_down: type[Sitting], conversations: Path) -> None:
    sitting = sit_down()
    await sitting.ask("Once")
    assert conversation_paths(conversations) == []
    sitting.engine.begin()
    for count, text in enumerate((" upon", " 한", " [bold]"), start=1):
        sitting.engine.write(text)
        await settle()
        assert text in sitting.transcript.text
        (path,) = conversation_paths(conversations)
        assert kinds(path) == ["conversation", "run", *["token"] * count]
    await sitting.end(" upon 한 [bold]")
    assert kinds(path)[-1] == "done"
    assert lines_of(path)[0]["title"] == "Once"
    assert (lines_of(path)[1]["turn"], lines_of(path)[1]["continues"]) == (0, False)


async def test_a_run_that_never_begins_leaves_no_file(sit_down: type[Sitting], conversations: Path) -> None:
    sitting = sit_down()
    sitting.host.answer = False
    await sitting.ask("long")
    sitting.engine.fail(PromptTooLongError("600 tokens", "shorten it"))
    await sitting.host.done("generate")
    assert "600 tokens" in sitting.transcript.text
    assert len(sitting.engine.of(Generate)) == 1
    assert conversation_paths(conversations) == []


async def test_what_was_kept_is_there_again_and_goes_on(sit_down: type[Sitting], conversations: Path) -> None:
    first = sit_down()
    await first.run("The", " cat")
    await first.run("Stop", " now", reason=FinishReason.CANCELLED)
    await first.begin("Cut", " off")
    _, reply = first.engine.last_run()
    reply.put(Retuned(reply.request_id, 1, PRESETS["creative"]))
    first.engine.write(" here")
    await settle()
    first.close()
    again = sit_down(restore=True)
    assert again.transcript.text.splitlines()[:5] == first.transcript.text.splitlines()[:5]
    assert "Cut off⟲ here\n2 tokens · cut short when the app or its engine ended" in again.transcript.text
    assert again.host.visits == 1
    again.runs.go_on()
    await settle()
    again.engine.begin()
    again.engine.write(" again")
    await again.end(" again")
    (path,) = conversation_paths(conversations)
    runs = [line for line in lines_of(path) if line["type"] == "run"]
    assert [(run["turn"], run["continues"]) for run in runs] == [(0, False), (1, False), (2, False), (2, True)]
    assert (runs[3]["parent"], runs[3]["branch_at"]) == (2, 2)


async def test_a_run_that_was_quicker_is_not_replaced(sit_down: type[Sitting], conversations: Path) -> None:
    write_conversation(conversations, [("Once", ["a"])])
    sitting = sit_down(restore=True, begins=False)
    sitting.runs.start("Twice")
    sitting.conversations.begin()
    assert [turn.prompt for turn in sitting.transcript.turns] == ["Twice"]


async def test_a_branch_keeps_where_it_left_its_parent(sit_down: type[Sitting], conversations: Path) -> None:
    sitting = sit_down()
    await sitting.run("The", " cat", " sat")
    sitting.runs.branch("The", (1, 2), entry(3, 0.5), Departure(0, 0, 0))
    await settle()
    sitting.engine.begin(prompt_ids=(1, 2, 4))
    await sitting.end(" dog")
    (path,) = conversation_paths(conversations)
    line = [one for one in lines_of(path) if one["type"] == "run"][1]
    assert (line["turn"], line["parent"], line["parent_sequence"], line["branch_at"]) == (1, 0, 0, 0)
    assert line["prompt_ids"] == [1, 2, 4]
    kept = sitting.runs.kept[1]
    sitting.close()
    again = sit_down(restore=True).runs.kept[1]
    assert (again.parent, again.branch_at, again.taken) == (kept.parent, kept.branch_at, kept.taken)
    assert again.taken is not None


async def test_a_run_of_a_turn_that_is_hidden_is_filled_when_it_is_looked_at(
    sit_down: type[Sitting], conversations: Path
) -> None:
    write_conversation(conversations, [(f"prompt {number}", ["a", "b"]) for number in range(21)])
    sitting = sit_down(restore=True)
    assert len(sitting.transcript.turns) == 20
    hidden = sitting.runs.kept[0]
    assert hidden.steps == [[]]
    sitting.conversations.fill(hidden)
    assert [step.text for step in hidden.steps[0]] == [" a", " b"]
    await sitting.conversations.show_older()
    assert sitting.transcript.text.startswith("prompt 0 a b\n2 tokens")
    assert len(sitting.transcript.turns) == 21
    assert [step.text for step in hidden.steps[0]] == [" a", " b"]


async def test_a_file_that_is_damaged_meanwhile_is_said(sit_down: type[Sitting], conversations: Path) -> None:
    path = write_conversation(conversations, [(f"prompt {number}", ["a", "b"]) for number in range(21)])
    sitting = sit_down(restore=True)
    path.write_bytes(path.read_bytes().replace(b'{"type":"token"', b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1))
    sitting.conversations.fill(sitting.runs.kept[0])
    await sitting.conversations.show_older()
    assert [f"run 1 of {path.name} is damaged" in told for told in sitting.host.told] == [True, True]
    assert len(sitting.transcript.turns) == 20


async def test_without_a_restored_conversation_there_is_nothing_to_fill(sit_down: type[Sitting]) -> None:
    sitting = sit_down(restore=True)
    await sitting.run("Once", " a")
    sitting.conversations.fill(sitting.runs.kept[0])
    await sitting.conversations.show_older()
    assert len(sitting.transcript.turns) == 1


async def test_two_apps_never_write_into_the_same_file(sit_down: type[Sitting], conversations: Path) -> None:
    first = sit_down()
    await first.run("One", " a")
    second = sit_down(restore=True)
    assert second.transcript.turns == []
    assert "open in another nlp-tui" in second.host.told[0]
    await second.run("Two", " b")
    await first.run("Three", " c")
    prompts = [
        [line["prompt"] for line in lines_of(path) if line["type"] == "run"]
        for path in conversation_paths(conversations)
    ]
    assert sorted(prompts) == [["One", "Three"], ["Two"]]
    (other,) = (path for path in conversation_paths(conversations) if lines_of(path)[0]["title"] == "Two")
    first.conversations.open(other)
    assert "is open in another nlp-tui" in first.host.told[0]
    assert [turn.prompt for turn in first.transcript.turns] == ["One", "Three"]


async def test_a_chosen_conversation_takes_the_place_of_this_one(sit_down: type[Sitting], conversations: Path) -> None:
    path = write_conversation(conversations, [("Once", ["a"])])
    sitting = sit_down()
    sitting.conversations.open(None)
    await sitting.begin("One", " a")
    sitting.conversations.open(path)
    assert sitting.host.told == ["Still writing; Esc stops it."]
    await sitting.end(" a")
    sitting.conversations.open(path)
    sitting.conversations.open(path)  # the second time it is there already
    assert [turn.prompt for turn in sitting.transcript.turns] == ["Once"]
    assert sitting.host.visits == 1
    own = next(one for one in conversation_paths(conversations) if one != path)
    ConversationFile.open(own).close()  # it was let go of


async def test_a_folder_that_cannot_be_written_is_said_once_and_runs_go_on(
    sit_down: type[Sitting], conversations: Path
) -> None:
    conversations.parent.parent.mkdir(parents=True)
    conversations.parent.write_text("a file in the way")
    sitting = sit_down(restore=True)
    await sitting.run("One", " a")
    await sitting.run("Two", " b")
    assert len([told for told in sitting.host.told if "saved no further" in told]) == 1
    assert "Two b\n" in sitting.transcript.text


async def test_a_disk_that_gets_full_is_said_once_and_the_run_goes_on(
    sit_down: type[Sitting], conversations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitting = sit_down()
    await sitting.begin("One", " a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full_disk)
        sitting.engine.write(" b")
        sitting.engine.write(" c")
        await settle()
    assert "One a b c" in sitting.transcript.text
    await sitting.end(" a b c")
    assert ["No space left" in told for told in sitting.host.told] == [True]
    (path,) = conversation_paths(conversations)
    assert kinds(path) == ["conversation", "run", "token"]
    assert sitting.conversations.new()
    await sitting.run("Two", " d")
    assert len(conversation_paths(conversations)) == 2


def full_disk(descriptor: int, content: bytes) -> int:
    """`os.write` where there is no room."""
    raise OSError(28, "No space left on device")


async def test_a_prompt_whose_end_was_used_is_shown_whole_again(sit_down: type[Sitting]) -> None:
    sitting = sit_down()
    await sitting.ask("long long prompt")
    sitting.engine.fail(PromptTooLongError("600 tokens", "shorten it"))
    await settle()
    request, reply = sitting.engine.last_run()
    assert request.truncate
    reply.put(RunStarted(request.id, INFO, "prompt", (1,), request.params))
    await sitting.end("x")
    sitting.close()
    again = sit_down(restore=True)
    assert "long long promptx\n" in again.transcript.text
    assert again.runs.kept[0].prompt == "prompt"


async def test_ctrl_t_begins_a_new_conversation_but_not_while_one_is_written(
    sit_down: type[Sitting], conversations: Path
) -> None:
    sitting = sit_down()
    await sitting.begin("One", " a")
    assert not sitting.conversations.new()
    assert sitting.host.told == ["Still writing; Esc stops it."]
    await sitting.end(" a")
    assert sitting.conversations.new()
    assert sitting.transcript.turns == []
    assert not sitting.runs.kept
    assert sitting.host.visits == 1
    await sitting.run("Two", " b")
    assert len(conversation_paths(conversations)) == 2
    sitting.close()
    again = sit_down(restore=True)
    assert "Two b" in again.transcript.text
    assert len(again.transcript.turns) == 1
