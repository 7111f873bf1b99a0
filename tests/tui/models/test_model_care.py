"""Verifying, deleting and bringing back models on the Models screen."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import EngineError
from core.messages.protocol import Load
from core.messages.records import Target
from core.models.conversions import ORIGIN_FILE
from core.models.hub.cache import cached_snapshot
from core.models.registry import DEFAULT_GENERATOR, ResolvedModel, resolve
from core.models.verifying import FileCheck, FileState
from tests.core.gguf_files import GgufFile
from tests.tui.conftest import Launch
from tests.tui.models.fake_board import FakeBoard
from tests.tui.models.opening import go_to, note, open_models, put_into_cache, state
from tui.models.care import ModelCare
from tui.models.rows import ModelRow

pytestmark = pytest.mark.usefixtures("own_cache")

NAME = "org/tiny"


def row(name: str) -> ModelRow:
    return ModelRow(resolve(name))


async def test_v_names_what_is_damaged_and_what_is_missing(gpt2_in_cache: Path) -> None:
    (gpt2_in_cache / "model.safetensors").resolve().write_bytes(b"x")
    (gpt2_in_cache / "tokenizer.json").resolve().unlink()
    board = FakeBoard()
    await ModelCare(board).verify(row(NAME))
    (told,) = board.failures
    assert told.startswith("2 of 5 files of org/tiny are damaged or missing\n")
    assert "damaged model.safetensors: its hash is " in told
    assert "missing tokenizer.json" in told
    assert told.endswith("d deletes it; its name typed above downloads it again")


async def test_v_names_the_first_of_many_damaged_files(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [FileCheck(f"{number}.json", FileState.MISSING, 0, "ab", "") for number in range(6)]
    monkeypatch.setattr("tui.models.care.check_files", lambda *_: checks)
    board = FakeBoard()
    await ModelCare(board).verify(row("starter/gpt2"))
    (told,) = board.failures
    assert told.splitlines()[0] == "6 of 6 files of starter/gpt2 are damaged or missing"
    assert told.splitlines()[-2:] == ["and 2 more", "install nlp-tui again"]


async def test_v_says_which_files_have_no_hash_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [FileCheck("a", FileState.OK, 1, "ab", "ab"), FileCheck("b", FileState.UNCHECKED, 1, "", "")]
    monkeypatch.setattr("tui.models.care.check_files", lambda *_: checks)
    board = FakeBoard()
    await ModelCare(board).verify(row("starter/gpt2"))
    assert board.said == ["starter/gpt2: 1 files have the hash they should have; of 1 nobody noted it"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EngineError("no hashes", "install it again"), "no hashes. hint: install it again"),
        (OSError(5, "Input/output error"), "starter/gpt2 cannot be read: Input/output error"),
    ],
)
async def test_v_says_what_it_cannot_read(error: Exception, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Iterator[FileCheck]:
        raise error

    monkeypatch.setattr("tui.models.care.check_files", fail)
    board = FakeBoard()
    care = ModelCare(board)
    await care.verify(row("starter/gpt2"))
    assert board.failures == [told]
    assert care.verifying == ""
    assert not care.stop()


async def test_esc_stops_a_verification_and_nothing_is_said_of_its_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, gate = threading.Event(), threading.Event()

    def check_slowly(model: ResolvedModel, on_read: Callable[[int], None]) -> Iterator[FileCheck]:
        on_read(1_000_000)
        reading.set()
        assert gate.wait(60)
        on_read(1_000_000)
        raise AssertionError("it went on")
        yield

    monkeypatch.setattr("tui.models.care.check_files", check_slowly)
    board = FakeBoard()
    care = ModelCare(board, tick_s=0)
    verification = asyncio.create_task(care.verify(row("starter/gpt2")))
    await asyncio.to_thread(reading.wait, 60)
    board.ticked.clear()
    await board.ticked.wait()
    assert board.verifying[-1].startswith("verifying starter/gpt2  ")
    assert "1.0 MB of " in board.verifying[-1]
    await care.verify(row("starter/bert"))
    await care.delete(row("starter/gpt2"), "")
    assert board.failures == ["starter/gpt2 is being verified; Esc stops it"] * 2
    assert care.stop()
    gate.set()
    await verification
    assert board.said == ["stopped; starter/gpt2 was not verified to the end"]
    assert board.verifying[-1] == ""
    assert care.verifying == ""


async def test_d_takes_the_conversion_of_a_gguf_file_and_leaves_the_file(own_cache: Path, tmp_path: Path) -> None:
    file = GgufFile().write(tmp_path / "a.gguf")
    folder = resolve(str(file)).folder
    folder.mkdir(parents=True)
    (folder / ORIGIN_FILE).write_bytes(os.fsencode(file))
    board = FakeBoard()
    care = ModelCare(board)
    await care.delete(row(str(file)), "")
    assert board.said[-1].startswith(f"the conversion of {file}")
    assert file.exists()
    assert not folder.exists()
    await care.undo()
    assert board.said[-1] == f"{file} is back"
    assert board.read_again == ["", str(file)]
    assert folder.is_dir()


async def test_what_is_deleted_twice_is_brought_back_once(own_cache: Path, gpt2_folder: Path) -> None:
    board = FakeBoard()
    care = ModelCare(board)
    for _ in range(2):
        put_into_cache(own_cache, NAME, gpt2_folder)
        await care.delete(row(NAME), "")
    await care.undo()
    assert cached_snapshot(NAME) is not None
    await care.undo()
    assert board.said[-1] == "nothing was deleted here"


async def test_what_cannot_be_brought_back_is_said(own_cache: Path, gpt2_folder: Path) -> None:
    put_into_cache(own_cache, NAME, gpt2_folder)
    board = FakeBoard()
    care = ModelCare(board)
    await care.delete(row(NAME), "")
    put_into_cache(own_cache, NAME, gpt2_folder)  # downloaded again meanwhile
    await care.undo()
    assert len(board.failures) == 1


async def test_what_an_earlier_sitting_deleted_is_named_by_u(own_cache: Path, gpt2_folder: Path) -> None:
    put_into_cache(own_cache / ".nlp-tui-trash", "org/older", gpt2_folder)
    board = FakeBoard()
    await ModelCare(board).undo()
    assert "in the trash from before: org/older" in board.said[-1]


async def test_starters_and_folders_are_not_deleted_and_it_says_why(gpt2_folder: Path) -> None:
    board = FakeBoard()
    for name in ("starter/bert", str(gpt2_folder)):
        await ModelCare(board).delete(row(name), "")
    assert "starter/bert is bundled and stays" in board.failures[0]
    assert "folders of yours are yours to delete" in board.failures[1]
    assert os.listdir(gpt2_folder)


async def test_a_model_that_is_in_use_stays(gpt2_in_cache: Path) -> None:
    board = FakeBoard()
    await ModelCare(board).delete(row(NAME), "compares now")
    assert board.failures == ["org/tiny compares now; use another one first, then delete it"]
    assert cached_snapshot(NAME) == gpt2_in_cache


# -- with keys ---------------------------------------------------------------------------------------------------------


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
