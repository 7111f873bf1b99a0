"""Downloads on the Models screen, from a hub on this machine: planned, agreed to, stopped, resumed, refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from core.messages.protocol import Load
from core.models.hub.cache import cached_snapshot
from core.models.registry import DEFAULT_GENERATOR
from tests.hub.conftest import is_whole, part_of, size_of, weights_of
from tests.hub.server import LocalHub
from tests.tui.conftest import Launch, Running
from tests.tui.models.fake_board import FakeBoard
from tests.tui.models.opening import details, enter_name, first_cell, note, open_models
from tui.models.download import ModelDownload
from tui.models.plan_dialog import PlanDialog
from tui.models.screen import ModelsScreen

HALF = 2**22


async def until(running: Running, condition: Any) -> None:
    """As `Running.until`, with the patience that another process takes to start."""
    for _ in range(6):
        try:
            await running.until(condition)
        except AssertionError:
            continue
        return
    raise AssertionError("never came true")


async def ask_for(running: Running, screen: ModelsScreen, name: str) -> PlanDialog:
    """Ask for a model as far as the question."""
    await enter_name(running, screen, name)
    await until(running, lambda: isinstance(running.app.screen, PlanDialog) and running.app.screen.is_mounted)
    dialog = running.app.screen
    assert isinstance(dialog, PlanDialog)
    await running.until(lambda: dialog.query("#yes"))
    return dialog


def progress(screen: ModelsScreen) -> str:
    return str(screen.query_one("#models-download", Static).content)


async def test_a_name_is_planned_then_agreed_to_then_here_and_used(launch: Launch, hub: LocalHub, cache: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        dialog = await ask_for(running, screen, "gpt2")
        plan = str(dialog.query_one("#plan-lines", Static).content)
        for part in ("gpt2 (", hub.endpoint, "text-generation, GPT2LMHeadModel", "mit", "7.9 MB in 6 files"):
            assert part in plan
        assert "use      the conversation" in plan
        assert "memory   fits: 6.6 MB as they are stored, " in plan
        assert "Download 7.9 MB" in str(dialog.query_one("#yes").label)  # type: ignore[attr-defined]
        assert not hub.sent_bytes("/resolve/")
        await running.pilot.press("enter")
        await until(running, lambda: "gpt2 is here; every file has the hub's hash" in note(screen))
        await until(running, lambda: screen.table.under_cursor and screen.table.under_cursor.name == "gpt2")
        assert is_whole(hub)
        await running.until(lambda: running.screen.status.download == "")
        await running.until(lambda: "licence: mit · revision" in details(screen))
        await running.pilot.press("enter")
        await running.until(lambda: running.screen.target.model == "gpt2")
        await running.until(lambda: running.engine.of(Load)[1:])
        assert first_cell(screen, "gpt2") == "▸ gpt2"


@pytest.mark.parametrize("keys", [("escape",), ("right", "enter")])
async def test_nothing_comes_when_it_is_not_agreed_to(
    keys: tuple[str, ...], launch: Launch, hub: LocalHub, cache: Path
) -> None:
    async with launch(size=(80, 24)) as running:
        screen = await open_models(running)
        await ask_for(running, screen, "gpt2@v1")
        await running.pilot.press(*keys)
        await running.until(lambda: "gpt2: nothing was downloaded" in note(screen))
        await running.until(lambda: not screen.download.name)
        assert not hub.sent_bytes("/resolve/")
        assert not size_of(cache)


async def test_esc_stops_it_and_the_same_name_fetches_only_the_rest(launch: Launch, hub: LocalHub, cache: Path) -> None:
    fault = hub.order("/cdn/", hold_after=HALF)
    async with launch() as running:
        screen = await open_models(running)
        await ask_for(running, screen, "gpt2")
        await running.pilot.press("enter")
        await until(running, lambda: size_of(part_of(cache, hub)) > HALF - 2**17)
        await until(running, lambda: "of 7.9 MB" in progress(screen) and "file 6/6" in progress(screen))
        assert "░" in progress(screen)
        await running.pilot.press("escape")
        assert "what has come of gpt2 is kept, and its name typed again goes on from there" in note(screen)
        await running.until(lambda: not screen.download.name)
        assert cached_snapshot("gpt2") is None
        assert not screen.has_class("-downloading")
        fault.gate.set()
        await until(running, lambda: hub.sent_bytes("/cdn/"))  # what was held is over
        here = size_of(part_of(cache, hub))
        hub.served.clear()

        dialog = await ask_for(running, screen, "gpt2")
        plan = str(dialog.query_one("#plan-lines", Static).content)
        assert "of it here" in plan
        await running.pilot.press("enter")
        await until(running, lambda: "gpt2 is here" in note(screen))
        (fetched,) = [one for one in hub.served if one.path.startswith("/cdn/")]
        assert (fetched.range, fetched.sent_bytes) == (f"bytes={here}-", len(weights_of(hub)) - here)
        assert is_whole(hub)


async def test_it_goes_on_when_the_screen_is_left_and_the_status_line_says_how_far(
    launch: Launch, hub: LocalHub, cache: Path
) -> None:
    fault = hub.order("/cdn/", hold_after=HALF)
    async with launch() as running:
        screen = await open_models(running)
        await ask_for(running, screen, "gpt2")
        await running.pilot.press("enter")
        await until(running, lambda: size_of(part_of(cache, hub)) > HALF - 2**17)
        await running.pilot.press("f8")
        await running.until(lambda: running.app.screen is running.screen)
        await until(running, lambda: re.search(r"gpt2 \d+%", str(running.screen.status.content)))
        await running.pilot.press("f8")
        await running.until(lambda: running.app.screen is screen)
        await enter_name(running, screen, "org/sharded")
        assert "one at a time: gpt2 is on its way" in note(screen)
        await running.pilot.press("f8")
        fault.gate.set()
        await until(running, lambda: any("gpt2 is here" in one.message for one in running.app._notifications))
        assert is_whole(hub)
        await running.until(lambda: not re.search(r"gpt2 \d+%", str(running.screen.status.content)))


async def test_nobody_is_asked_who_does_not_look_at_the_screen(launch: Launch, hub: LocalHub, cache: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await enter_name(running, screen, "gpt2")
        await running.pilot.press("f8")
        await until(running, lambda: "F8 to agree" in running.screen.status.download)
        await running.type("Once")
        await running.pilot.press("f8")
        await running.until(lambda: isinstance(running.app.screen, PlanDialog))
        assert running.screen.prompt.text == "Once"
        assert not hub.sent_bytes("/resolve/")


async def test_esc_ends_a_plan_too(launch: Launch, hub: LocalHub, cache: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await enter_name(running, screen, "gpt2")
        await running.pilot.press("escape")
        assert note(screen) == "stopped; nothing was downloaded"
        await running.until(lambda: not screen.download.name)
        await running.pilot.press("escape")
        await running.until(lambda: running.app.screen is running.screen)


async def test_quitting_ends_the_process_that_downloads(launch: Launch, hub: LocalHub, cache: Path) -> None:
    fault = hub.order("/cdn/", hold_after=HALF)
    async with launch() as running:
        screen = await open_models(running)
        await ask_for(running, screen, "gpt2")
        await running.pilot.press("enter")
        await until(running, lambda: size_of(part_of(cache, hub)) > HALF - 2**17)
        pid = screen.download.pid
        assert pid is not None
        os.kill(pid, 0)
        await running.pilot.press("f8", "ctrl+q")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    fault.gate.set()


REFUSALS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("gpt3", {}, "has no model 'gpt3', or hides it. hint: did you mean gpt2?"),
    ("gpt2@v9", {}, "gpt2 has no revision 'v9'"),
    ("org/pickle", {}, "only pytorch_model.bin, a pickle"),
    ("gpt2", {"status": 401}, "gives gpt2 only to who is logged in (401)"),
    ("gpt2", {"status": 429, "headers": {"Retry-After": "3600"}}, "too many requests (429)"),
    ("[bold] [/", {}, "is no name of a hub model"),
    ("한국/모델", {}, "is no name of a hub model"),
)


@pytest.mark.parametrize(("name", "fault", "expected"), REFUSALS, ids=map(str, range(len(REFUSALS))))
async def test_each_refusal_is_one_line_with_a_way_out(
    name: str, fault: dict[str, Any], expected: str, hub: LocalHub, cache: Path
) -> None:
    if fault:
        hub.order("/api/models/", **fault)
    board = FakeBoard()
    download = ModelDownload(board, forbid_network=False)
    download.begin(name)
    download.begin("gpt2")
    assert board.failures == [f"one at a time: {name} is on its way; Esc stops it"]
    await board.done()
    refusal = board.failures[1]
    assert expected in refusal
    assert "hint: " in refusal
    assert "\n" not in refusal
    assert board.endings == [""]
    assert board.downloading[-1] == ("", "")
    assert not download.name
    assert not download.stop()


async def test_where_nobody_answers_it_says_so(hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    board = FakeBoard()
    ModelDownload(board, forbid_network=False).begin("gpt2")
    await board.done()
    assert "http://127.0.0.1:9 cannot be reached" in board.failures[-1]


async def test_offline_it_opens_no_connection_and_says_why(launch: Launch, hub: LocalHub, cache: Path) -> None:
    async with launch(offline=True) as running:
        screen = await open_models(running)
        await enter_name(running, screen, "gpt2")
        await running.until(lambda: "nothing is downloaded offline. hint: leave --offline out" in note(screen))
        assert not hub.served
        assert running.screen.target.model == DEFAULT_GENERATOR


async def test_a_download_that_breaks_says_so_wherever_the_user_is(launch: Launch, hub: LocalHub, cache: Path) -> None:
    fault = hub.order("/cdn/", times=99, hold_after=HALF, alter=lambda content: content[:-1] + b"x")
    async with launch() as running:
        screen = await open_models(running)
        await ask_for(running, screen, "gpt2")
        await running.pilot.press("enter")
        await running.until(lambda: running.app.screen is screen)
        await running.pilot.press("f8")
        fault.gate.set()
        await until(running, lambda: any("does not have the hash" in one.message for one in running.app._notifications))
        assert "does not have the hash that the hub names" in note(screen)
