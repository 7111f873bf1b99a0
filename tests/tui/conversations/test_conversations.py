"""Conversations save themselves, come back at the next start, and are listed, searched, deleted and brought back."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList, Static

from core.history.conversation_file import ConversationFile
from core.history.conversation_list import TRASH, conversation_paths
from core.history.conversation_reader import SavedConversation
from core.messages.protocol import Generate, Retuned
from core.messages.records import FinishReason
from tests.saved import write_conversation
from tests.tui.conftest import Launch, Running
from tests.tui.conversations.test_keeper import kinds, lines_of
from tests.tui.fake_engine import FakeEngine
from tui.conversations.dialog import ConversationsDialog
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


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


@pytest.mark.smoke
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


@pytest.mark.slow
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
