"""Verifying, deleting and bringing back models on the Models screen."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.widgets import Static

from core.messages.protocol import Load
from core.models.conversions import ORIGIN_FILE
from core.models.hub.cache import cached_snapshot
from core.models.registry import DEFAULT_GENERATOR, ResolvedModel, resolve
from core.models.verifying import FileCheck
from tests.core.gguf_files import GgufFile
from tests.tui.conftest import Launch
from tests.tui.models.opening import enter_name, go_to, note, open_models, put_into_cache, state
from tui.host import Target

pytestmark = pytest.mark.usefixtures("own_cache")

NAME = "org/tiny"


async def test_v_finds_every_file_as_it_should_be(launch: Launch, gpt2_in_cache: Path) -> None:
    count = len(os.listdir(gpt2_in_cache))
    async with launch() as running:
        screen = await open_models(running)
        await go_to(running, screen, NAME)
        await running.pilot.press("v")
        await running.until(lambda: f"{NAME}: {count} files have the hash they should have" in note(screen))
        await go_to(running, screen, "starter/sst2")
        await running.pilot.press("v")
        await running.until(lambda: "files have the hash they should have" in note(screen) and "sst2" in note(screen))


async def test_v_names_what_is_damaged_and_what_is_missing(launch: Launch, gpt2_in_cache: Path) -> None:
    (gpt2_in_cache / "model.safetensors").resolve().write_bytes(b"x")
    (gpt2_in_cache / "tokenizer.json").resolve().unlink()
    async with launch() as running:
        screen = await open_models(running)
        await go_to(running, screen, NAME)
        await running.pilot.press("v")
        await running.until(lambda: "2 of 5 files of org/tiny are damaged or missing" in note(screen))
        assert "damaged model.safetensors: its hash is " in note(screen)
        assert "missing tokenizer.json" in note(screen)
        assert "d deletes it" in note(screen)


async def test_esc_stops_a_verification_and_nothing_is_said_of_its_outcome(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, gate = threading.Event(), threading.Event()

    def check_slowly(model: ResolvedModel, on_read: Callable[[int], None]) -> Iterator[FileCheck]:
        on_read(1_000_000)
        reading.set()
        assert gate.wait(60)
        on_read(1_000_000)
        raise AssertionError("it went on")
        yield

    monkeypatch.setattr("tui.models.care.check_files", check_slowly)
    async with launch() as running:
        screen = await open_models(running)
        await go_to(running, screen, "starter/gpt2")
        await running.pilot.press("v")
        await running.until(reading.is_set)
        line = screen.query_one("#models-verifying", Static)
        await running.until(lambda: "verifying starter/gpt2" in str(line.content) and line.display)
        await running.until(lambda: "1.0 MB of " in str(line.content))
        await running.pilot.press("v")
        await running.until(lambda: "is being verified; Esc stops it" in note(screen))
        await running.pilot.press("escape")
        gate.set()
        await running.until(lambda: "stopped; starter/gpt2 was not verified" in note(screen))
        assert running.app.screen is screen
        assert not line.display


async def test_d_deletes_and_u_brings_back(launch: Launch, own_cache: Path, gpt2_in_cache: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await running.pilot.press("down", "u")
        await running.until(lambda: "nothing was deleted here" in note(screen))
        await go_to(running, screen, NAME)
        await running.pilot.press("d")
        await running.until(lambda: NAME not in screen.table.models)
        assert "is in the trash; u brings it back" in note(screen)
        assert cached_snapshot(NAME) is None
        await running.pilot.press("u")
        await running.until(lambda: screen.table.under_cursor and screen.table.under_cursor.name == NAME)
        assert note(screen) == f"{NAME} is back"
        assert cached_snapshot(NAME) == gpt2_in_cache


async def test_d_takes_the_conversion_of_a_gguf_file_and_leaves_the_file(launch: Launch, tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "a.gguf")
    folder = resolve(str(file)).folder
    folder.mkdir(parents=True)
    (folder / ORIGIN_FILE).write_bytes(os.fsencode(file))
    async with launch() as running:
        screen = await open_models(running)
        await go_to(running, screen, str(file))
        await running.pilot.press("d")
        await running.until(lambda: f"the conversion of {file}" in note(screen))
        assert file.exists()
        assert not folder.exists()
        await running.pilot.press("u")
        await running.until(lambda: note(screen) == f"{file} is back")
        assert folder.is_dir()


async def test_what_an_earlier_sitting_deleted_is_named_by_u(
    launch: Launch, own_cache: Path, gpt2_folder: Path
) -> None:
    put_into_cache(own_cache / ".nlp-tui-trash", "org/older", gpt2_folder)
    async with launch() as running:
        screen = await open_models(running)
        await running.pilot.press("down", "u")
        await running.until(lambda: "in the trash from before: org/older" in note(screen))


async def test_starters_and_folders_are_not_deleted_and_it_says_why(launch: Launch, gpt2_folder: Path) -> None:
    async with launch() as running:
        screen = await open_models(running)
        await go_to(running, screen, "starter/bert")
        await running.pilot.press("d")
        await running.until(lambda: "starter/bert is bundled and stays" in note(screen))
        await enter_name(running, screen, str(gpt2_folder))
        await running.until(lambda: screen.table.has_focus)
        await running.pilot.press("d")
        await running.until(lambda: "folders of yours are yours to delete" in note(screen))
        assert os.listdir(gpt2_folder)


async def test_the_model_in_use_is_not_deleted(launch: Launch, gpt2_in_cache: Path) -> None:
    async with launch() as running:
        running.screen.target = Target(NAME)
        screen = await open_models(running)
        await running.until(lambda: "ready" in state(screen))
        await go_to(running, screen, NAME)
        await running.pilot.press("d")
        await running.until(lambda: "org/tiny writes now; use another one first" in note(screen))
        await go_to(running, screen, DEFAULT_GENERATOR)
        await running.pilot.press("enter")
        await running.until(lambda: running.screen.target.model == DEFAULT_GENERATOR)
        assert len(running.engine.of(Load)) >= 2
        await go_to(running, screen, NAME)
        await running.pilot.press("d")
        await running.until(lambda: NAME not in screen.table.models)
