"""Opening the Models screen, reading what it says, and putting a model into the cache."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Static

from tests.hub.server import git_sha1, is_large, sha256
from tests.tui.conftest import Running
from tui.models.screen import ModelsScreen

COMMIT = "1" * 40


async def open_models(running: Running) -> ModelsScreen:
    """Press F8 and wait until everything is read."""
    await running.pilot.press("f8")
    await running.until(lambda: isinstance(running.app.screen, ModelsScreen))
    screen = running.app.screen
    assert isinstance(screen, ModelsScreen)
    await running.until(lambda: screen.table.models and all(row.facts for row in screen.table.models.values()))
    return screen


async def go_to(running: Running, screen: ModelsScreen, name: str) -> None:
    """Put the cursor on a row by the keyboard."""
    await running.pilot.press("slash")
    screen.field.value = ""
    await running.pilot.press("down")
    await running.until(lambda: screen.table.has_focus)
    await running.pilot.press("ctrl+home")
    for _ in range(screen.table.row_count):
        row = screen.table.under_cursor
        if row is not None and row.name == name:
            return
        await running.pilot.press("down")
    raise AssertionError(f"no row {name!r} in {list(screen.table.models)}")


async def enter_name(running: Running, screen: ModelsScreen, name: str) -> None:
    """Write something into the field and press Enter."""
    screen.field.focus()
    screen.field.value = name
    await running.pilot.press("enter")


def note(screen: ModelsScreen) -> str:
    """The line that says what was done."""
    return str(screen.query_one("#models-note", Static).content)


def details(screen: ModelsScreen) -> str:
    """What is said of the row under the cursor."""
    return str(screen.query_one("#models-details", Static).content)


def state(screen: ModelsScreen) -> str:
    """What is said of loading."""
    return str(screen.query_one("#models-state", Static).content)


def first_cell(screen: ModelsScreen, name: str) -> str:
    """The mark and the name of a row."""
    return screen.table.get_row(name)[0].plain


def put_into_cache(cache: Path, name: str, folder: Path) -> Path:
    """Copy a model folder into a cache, in huggingface_hub's layout; returns the snapshot."""
    entry = cache / f"models--{name.replace('/', '--')}"
    snapshot = entry / "snapshots" / COMMIT
    for made in (entry / "blobs", snapshot, entry / "refs"):
        made.mkdir(parents=True)
    for path in folder.iterdir():
        content = path.read_bytes()
        blob = entry / "blobs" / (sha256(content) if is_large(path.name) else git_sha1(content))
        blob.write_bytes(content)
        (snapshot / path.name).symlink_to(Path("..", "..", "blobs", blob.name))
    (entry / "refs" / "main").write_text(COMMIT)
    return snapshot
