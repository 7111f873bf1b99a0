"""Conversations save themselves, come back at the next start, and are listed, searched, deleted and brought back."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList, Static

from core.errors import PromptTooLongError
from core.history.conversation_file import ConversationFile
from core.history.conversation_list import TRASH, conversation_paths
from core.history.conversation_reader import SavedConversation
from core.messages.protocol import Generate, Retuned, RunStarted, ScoreTokens
from core.messages.records import FinishReason
from tests.saved import write_conversation
from tests.tui.conftest import Launch, Running
from tests.tui.fake_engine import INFO, FakeEngine
from tests.tui.main.test_candidates import entry
from tui.conversations.dialog import ConversationsDialog
from tui.transcript.kept_run import Departure
from tui.transcript.turn import Turn


def turns(running: Running) -> list[Turn]:
    return list(running.screen.query(Turn))


def painted(running: Running) -> str:
    return "\n".join(str(turn.content) for turn in turns(running))


def is_painted(running: Running, text: str) -> bool:
    return text in painted(running)


def in_view(running: Running) -> list[str]:
    """The prompts of the turns that can be seen."""
    pane = running.screen.conversation
    return [turn.prompt for turn in turns(running) if pane.region.overlaps(turn.region)]


def notices(running: Running) -> list[str]:
    return [notice.message for notice in running.app._notifications]


async def begin(running: Running, prompt: str) -> None:
    """Run a prompt as far as its beginning."""
    count = len(running.engine.of(Generate))
    running.screen.prompt.text = prompt
    await running.pilot.press("f2", "escape", "enter")
    await running.until(lambda: len(running.engine.of(Generate)) > count)
    running.engine.begin()


async def end(running: Running, text: str, reason: FinishReason = FinishReason.LENGTH) -> None:
    """End the run."""
    running.engine.finish(text, reason)
    await running.until(lambda: not running.screen.runs.is_busy)
    await running.until(lambda: all(worker.is_finished for worker in running.screen.workers))


async def run_prompt(running: Running, prompt: str, *tokens: str) -> None:
    """Run a prompt to its end."""
    await begin(running, prompt)
    for text in tokens:
        running.engine.write(text)
    await end(running, "".join(tokens))


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a conversation."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def kinds(path: Path) -> list[str]:
    """What its lines are."""
    return [line["type"] for line in lines_of(path)]


async def test_every_token_is_in_the_file_as_soon_as_it_is_shown(launch: Launch, conversations: Path) -> None:
    async with launch() as running:
        await running.type("abc")
        assert conversation_paths(conversations) == []
        await begin(running, "Once")
        for count, text in enumerate((" upon", " 한", " [bold]"), start=1):
            running.engine.write(text)
            await running.until(partial(is_painted, running, text))
            (path,) = conversation_paths(conversations)
            assert kinds(path) == ["conversation", "run", *["token"] * count]
        await end(running, " upon 한 [bold]")
        assert kinds(path)[-1] == "done"
        assert lines_of(path)[0]["title"] == "Once"
        assert (lines_of(path)[1]["turn"], lines_of(path)[1]["continues"]) == (0, False)


async def test_a_run_that_never_begins_leaves_no_file(launch: Launch, conversations: Path) -> None:
    async with launch() as running:
        running.screen.prompt.text = "long"
        await running.pilot.press("enter")
        await running.until(lambda: running.engine.of(Generate))
        running.engine.fail(PromptTooLongError("600 tokens", "shorten it"))
        await running.until(lambda: "600 tokens" in painted(running))
        assert conversation_paths(conversations) == []


async def test_the_last_conversation_is_there_again_and_goes_on(launch: Launch, conversations: Path) -> None:
    async with launch() as running:
        await run_prompt(running, "The [/", " cat", "\x1b[31m")
        await begin(running, "Stop")
        running.engine.write(" now")
        await end(running, " now", FinishReason.CANCELLED)
        await begin(running, "Cut")
        running.engine.write(" off")
        _, reply = running.engine.last_run()
        reply.put(Retuned(reply.request_id, 1, running.screen.sampling.params))
        running.engine.write(" here")
        await running.until(lambda: "Cut off⟲ here" in painted(running))
        before = painted(running)
    async with launch() as running:
        await running.until(lambda: len(turns(running)) == 3)
        await running.until(lambda: "Cut off⟲ here" in painted(running))
        shown = painted(running)
        assert shown.splitlines()[:5] == before.splitlines()[:5]
        assert "The [/ cat␛[31m\n1 token · ended by length · seed " in shown
        assert "1 token · stopped by you, ctrl+n writes on" in shown
        assert "2 tokens · cut short when the app or its engine ended" in shown
        assert "saved 20" in str(running.screen.query_one(".sitting", Static).content)
        await running.pilot.press("ctrl+n")
        await running.until(lambda: running.engine.of(Generate))
        assert running.engine.last_run()[0].prompt == "Cut off here"
        running.engine.begin()
        running.engine.write(" again")
        await end(running, " again")
        assert len(turns(running)) == 3
        (path,) = conversation_paths(conversations)
        runs = [line for line in lines_of(path) if line["type"] == "run"]
        assert [(run["turn"], run["continues"]) for run in runs] == [(0, False), (1, False), (2, False), (2, True)]
        assert (runs[3]["parent"], runs[3]["branch_at"]) == (2, 2)
    async with launch() as running:
        await running.until(lambda: "Cut off⟲ here again\n" in painted(running))
        await running.pilot.press("ctrl+r")
        await running.until(lambda: running.engine.of(Generate))
        assert running.engine.last_run()[0].prompt == "Cut"


async def test_new_and_a_first_prompt_begin_another_conversation(launch: Launch, conversations: Path) -> None:
    write_conversation(conversations, [("Once", ["a"])])
    async with launch(prompt="Twice") as running:
        await run_prompt(running, "Twice", " b")
        assert len(turns(running)) == 1
    assert [kinds(path).count("run") for path in conversation_paths(conversations)] == [1, 1]
    async with launch(restore=False) as running:
        assert not turns(running)
        await run_prompt(running, "Thrice", " c")
    assert len(conversation_paths(conversations)) == 3


async def test_a_branch_keeps_where_it_left_its_parent(launch: Launch, conversations: Path) -> None:
    async with launch() as running:
        await run_prompt(running, "The", " cat", " sat")
        running.screen.runs.branch("The", (1, 2), entry(3, 0.5), Departure(0, 0, 0))
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        running.engine.begin(prompt_ids=(1, 2, 4))
        await end(running, " dog")
        (path,) = conversation_paths(conversations)
        line = [one for one in lines_of(path) if one["type"] == "run"][1]
        assert (line["turn"], line["parent"], line["parent_sequence"], line["branch_at"]) == (1, 0, 0, 0)
        assert line["prompt_ids"] == [1, 2, 4]
        kept = running.screen.runs.kept[1]
    async with launch() as running:
        await running.until(lambda: len(turns(running)) == 2)
        again = running.screen.runs.kept[1]
        assert (again.parent, again.branch_at, again.taken) == (kept.parent, kept.branch_at, kept.taken)
        assert again.taken is not None


async def test_the_x_ray_shows_restored_runs_also_of_turns_that_are_hidden(launch: Launch, conversations: Path) -> None:
    write_conversation(conversations, [(f"prompt {number}", ["a", "b"]) for number in range(21)])
    async with launch() as running:
        await running.until(lambda: len(turns(running)) == 20)
        await running.pilot.press("f9")
        await running.until(lambda: running.screen.ribbon.view.has_focus)
        assert [one.text for one in running.screen.ribbon.view.tokens][-2:] == [" a", " b"]
        await running.until(lambda: running.engine.of(ScoreTokens))
        hidden = running.screen.runs.kept[0]
        assert hidden.steps == [[]]
        for _ in range(20):
            await running.pilot.press("left_square_bracket")
        assert "run 1 of 21" in str(running.screen.ribbon.border_title)
        assert [one.text for one in running.screen.ribbon.view.tokens][-2:] == [" a", " b"]
        await running.pilot.press("escape", "f2", "home", "home")
        await running.until(lambda: len(turns(running)) == 21)
        assert [step.text for step in hidden.steps[0]] == [" a", " b"]
        assert str(turns(running)[0].content).startswith("prompt 0 a b\n2 tokens")


async def test_a_long_conversation_opens_quickly_and_older_turns_come_when_wanted(
    launch: Launch, conversations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_conversation(conversations, [(f"prompt {number}", ["a"] * 20) for number in range(500)])
    parsed: list[int] = []
    events = SavedConversation.events

    def counting(saved: SavedConversation, run: Any) -> Any:
        parsed.append(run.place.turn)
        return events(saved, run)

    monkeypatch.setattr(SavedConversation, "events", counting)
    async with launch(restore=False) as running:
        (path,) = conversation_paths(conversations)
        started_s = time.process_time()
        running.screen.conversations._show(path)
        assert time.process_time() - started_s < 0.5
        pane = running.screen.conversation
        await running.until(lambda: pane.scroll_y > 0 and pane.scroll_y == pane.max_scroll_y)
        assert sorted(parsed) == list(range(480, 500))
        assert len(running.screen.runs.kept) == 500
        older = running.screen.query_one("#conversation-older", Static)
        assert str(older.content) == "↑ 480 older turns: Home, or scroll up"
        await running.pilot.press("f2", "home")
        await running.until(lambda: len(turns(running)) == 70)
        assert "430 older turns" in str(older.content)
        await running.until(lambda: "prompt 480" in in_view(running)[:2])
        assert pane.scroll_y > 0
        await running.pilot.press("home")
        await running.until(lambda: len(turns(running)) == 120)


async def test_two_apps_never_write_into_the_same_file(launch: Launch, conversations: Path) -> None:
    async with launch() as first:
        await run_prompt(first, "One", " a")
        async with launch() as second:
            await second.until(lambda: notices(second))
            assert not turns(second)
            assert "open in another nlp-tui" in notices(second)[0]
            await run_prompt(second, "Two", " b")
            await run_prompt(first, "Three", " c")
    prompts = [
        [line["prompt"] for line in lines_of(path) if line["type"] == "run"]
        for path in conversation_paths(conversations)
    ]
    assert sorted(prompts) == [["One", "Three"], ["Two"]]


async def test_a_damaged_conversation_is_named_once_and_left_alone(launch: Launch, conversations: Path) -> None:
    path = write_conversation(conversations, [("Once", ["a", "b"])])
    path.write_bytes(path.read_bytes().replace(b'{"type":"token"', b"\0\0", 1))
    before = path.read_bytes()
    async with launch() as running:
        await running.until(lambda: notices(running))
        assert [f"line 3 of {path.name} is damaged" in notice for notice in notices(running)] == [True]
        await run_prompt(running, "Two", " b")
        await running.pilot.press("ctrl+l")
        await running.until(lambda: rows(running))
        problems = running.app.screen.query_one("#conversations-problems", Static)
        assert f"left as they are: line 3 of {path.name} is damaged" in str(problems.content)
    assert path.read_bytes() == before
    assert len(conversation_paths(conversations)) == 2


async def test_a_folder_that_cannot_be_written_is_said_once_and_runs_go_on(launch: Launch, conversations: Path) -> None:
    conversations.parent.parent.mkdir(parents=True)
    conversations.parent.write_text("a file in the way")
    async with launch() as running:
        await run_prompt(running, "One", " a")
        await run_prompt(running, "Two", " b")
        assert len([notice for notice in notices(running) if "saved no further" in notice]) == 1
        assert "Two b\n" in painted(running)


async def test_a_disk_that_gets_full_is_said_once_and_the_run_goes_on(
    launch: Launch, conversations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with launch() as running:
        await begin(running, "One")
        running.engine.write(" a")
        await running.until(lambda: "One a" in painted(running))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full_disk)
            running.engine.write(" b")
            running.engine.write(" c")
            await running.until(lambda: "One a b c" in painted(running))
        await end(running, " a b c")
        assert len([notice for notice in notices(running) if "No space left" in notice]) == 1
        (path,) = conversation_paths(conversations)
        assert kinds(path) == ["conversation", "run", "token"]
        await running.pilot.press("ctrl+t")
        await run_prompt(running, "Two", " d")
        assert len(conversation_paths(conversations)) == 2


def full_disk(descriptor: int, content: bytes) -> int:
    """`os.write` where there is no room."""
    raise OSError(28, "No space left on device")


async def test_a_prompt_whose_end_was_used_is_shown_whole_again(launch: Launch) -> None:
    async with launch() as running:
        running.screen.prompt.text = "long long prompt"
        await running.pilot.press("enter")
        await running.until(lambda: running.engine.of(Generate))
        running.engine.fail(PromptTooLongError("600 tokens", "shorten it"))
        await running.until(lambda: len(running.app.screen_stack) == 2)
        await running.pilot.press("enter")
        await running.until(lambda: len(running.engine.of(Generate)) == 2)
        request, reply = running.engine.last_run()
        reply.put(RunStarted(request.id, INFO, "prompt", (1,), request.params))
        await end(running, "x")
    async with launch() as running:
        await running.until(lambda: "long long promptx\n" in painted(running))
        assert running.screen.runs.kept[0].prompt == "prompt"


async def test_ctrl_t_begins_a_new_conversation_but_not_while_one_is_written(
    launch: Launch, conversations: Path
) -> None:
    async with launch() as running:
        await begin(running, "One")
        running.engine.write(" a")
        await running.until(lambda: "One a" in painted(running))
        await running.pilot.press("ctrl+t")
        assert notices(running) == ["Still writing; Esc stops it."]
        await end(running, " a")
        await running.pilot.press("ctrl+t")
        await running.until(lambda: not turns(running))
        assert running.screen.conversation.query_one("#conversation-empty").display
        assert not running.screen.runs.kept
        await run_prompt(running, "Two", " b")
        assert len(conversation_paths(conversations)) == 2
    async with launch() as running:
        await running.until(lambda: "Two b" in painted(running))
        assert len(turns(running)) == 1


# -- the list ---------------------------------------------------------------------------------------------------------


def rows(running: Running) -> list[str]:
    """The rows of the list."""
    screen = running.app.screen
    return (
        [str(one.prompt) for one in screen.query_one(OptionList).options]
        if isinstance(screen, ConversationsDialog)
        else []
    )


def said(running: Running) -> str:
    return str(running.app.screen.query_one("#conversations-note", Static).content)


def three(folder: Path) -> list[Path]:
    """Three conversations, the newest first."""
    made = [
        write_conversation(folder, [("[bold] 안녕\x1b", ["세계"])]),
        write_conversation(folder, [("Twice", ["dragon"]), ("x", ["y"])]),
        write_conversation(folder, [("Once", ["a"])]),
    ]
    for seconds, path in enumerate(reversed(made), start=1_000_000_000):
        os.utime(path, (seconds, seconds))
    return made


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_list_is_searched_by_typing_and_enter_opens(
    launch: Launch, conversations: Path, size: tuple[int, int]
) -> None:
    three(conversations)
    async with launch(size=size, restore=False) as running:
        await running.pilot.press("ctrl+l")
        await running.until(lambda: len(rows(running)) == 3)
        assert [row.split("  ")[-1].strip() for row in rows(running)] == ["[bold] 안녕␛", "Twice", "Once"]
        assert "2 turns" in rows(running)[1]
        await running.type("nothing")
        await running.until(lambda: not rows(running))
        assert said(running) == "nothing holds “nothing”"
        await running.pilot.press(*["backspace"] * 7)
        await running.type("drag")
        await running.until(lambda: len(rows(running)) == 1)
        assert said(running) == ""
        await running.pilot.press("enter")
        await running.until(lambda: "Twice dragon" in painted(running))
        assert running.screen.prompt.has_focus
        await running.pilot.press("ctrl+l")
        await running.until(lambda: len(rows(running)) == 3)
        assert rows(running)[1].startswith("▸ ")
        await running.pilot.press("down", "down", "down", "enter")
        await running.until(lambda: "Once a" in painted(running))
        assert len(turns(running)) == 1


async def test_d_deletes_u_brings_back_and_nothing_is_gone_for_good(launch: Launch, conversations: Path) -> None:
    newest, middle, _ = three(conversations)
    content = contents(conversations)
    async with launch(restore=False) as running:
        await running.pilot.press("ctrl+l")
        await running.until(lambda: len(rows(running)) == 3)
        await running.pilot.press("down", "u")
        assert said(running) == "nothing was deleted here"
        await running.pilot.press("d", "delete")
        assert len(rows(running)) == 1
        assert set(contents(conversations / TRASH)) == {newest.name, middle.name}
        assert said(running) == "“Twice” is in trash/; u brings it back"
        await running.pilot.press("u")
        assert [row.split()[-1] for row in rows(running)] == ["Twice", "Once"]
        await running.pilot.press("u")
        assert len(rows(running)) == 3
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)
    assert contents(conversations) == content
    assert contents(conversations / TRASH) == {}


async def test_deleting_the_conversation_on_the_screen_begins_a_new_one(launch: Launch, conversations: Path) -> None:
    async with launch() as running:
        await begin(running, "One")
        running.engine.write(" a")
        await running.until(lambda: "One a" in painted(running))
        await running.pilot.press("ctrl+l")
        await running.until(lambda: rows(running))
        await running.pilot.press("down", "d")
        assert said(running).startswith("still writing")
        assert len(rows(running)) == 1
        await end(running, " a")
        await running.pilot.press("d")
        await running.until(lambda: not rows(running))
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)
        assert not turns(running)
        await run_prompt(running, "Two", " b")
    (path,) = conversation_paths(conversations)
    assert lines_of(path)[0]["title"] == "Two"


async def test_a_conversation_that_is_open_elsewhere_is_neither_opened_nor_deleted(
    launch: Launch, conversations: Path
) -> None:
    held = ConversationFile.open(write_conversation(conversations, [("Once", ["a"])]))
    async with launch(restore=False) as running:
        await running.pilot.press("ctrl+l")
        await running.until(lambda: rows(running))
        await running.pilot.press("down", "d")
        assert "is open in another nlp-tui" in said(running)
        await running.pilot.press("enter")
        await running.until(lambda: notices(running))
        assert "is open in another nlp-tui" in notices(running)[0]
        assert not turns(running)
    held.close()


async def test_an_empty_list_says_how_it_fills(launch: Launch) -> None:
    async with launch(engine=FakeEngine()) as running:
        await running.pilot.press("ctrl+l")
        await running.until(lambda: said(running) == "no conversation is saved yet: each run saves itself")
        await running.pilot.press("enter", "down", "d", "enter", "escape")
        await running.until(lambda: running.app.screen is running.screen)
