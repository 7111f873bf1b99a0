"""Export: what to write, how, and into which file; an existing one is replaced only after a question."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.errors import EngineError
from core.text.visible import visible
from tui.widgets.dialogs import ChoiceDialog
from tui.widgets.fields import Field


class Format(StrEnum):
    """What can be written; the value is the file's suffix."""

    MARKDOWN = ".md"
    JSON_LINES = ".jsonl"
    SVG = ".svg"


_NAMES = {Format.MARKDOWN: "Markdown", Format.JSON_LINES: "JSON Lines", Format.SVG: "SVG picture"}


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is written."""

    name: str
    """What the dialog calls it."""
    stem: str
    """The file name proposed for it, without its suffix."""
    contents: Mapping[Format, Callable[[], str]]
    """What it can be written as, each as a function that makes it."""
    prepare: Callable[[], object] = lambda: None
    """Called before one of them, in the thread of the interface."""


def write_file(name: str, text: str, *, overwrite: bool) -> Path:
    """Write a text into a file; what was there is lost only once the new text is whole.

    Args:
        name: the file, `~` allowed.
        text: its content.
        overwrite: whether it may replace one that is there.

    Returns:
        The file's full path.

    Raises:
        FileExistsError: it is there and may not be replaced.
        EngineError: it cannot be written.
    """
    content = text.encode("utf-8", "backslashreplace")
    try:
        path = Path(name).expanduser().resolve()
        if not path.parent.is_dir():
            raise EngineError(f"there is no folder {path.parent}", "make it first, or give another name")
        if path.is_dir():
            raise EngineError(f"{path} is a folder", "give the name of a file")
        draft = path.with_name(f".{path.name}.{os.getpid()}.part") if overwrite else path
        _write_new(draft, content)
        if overwrite:
            draft.replace(path)
    except FileExistsError:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: a NUL; RuntimeError: `~name` of nobody
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise EngineError(f"{name} cannot be written: {reason.rstrip('.')}", "give another name") from None
    return path


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there; leave none behind when that fails."""
    with path.open("xb") as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise


class NameField(Field):
    """The file's name; other keys change what is written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "screen.step(-1)", "Format before", show=False),
        Binding("down", "screen.step(1)", "Next format", show=False),
        Binding("tab", "screen.switch", "Run or conversation", show=False),
        Binding("pageup", "screen.other_run(-1)", "Run before", show=False),
        Binding("pagedown", "screen.other_run(1)", "Next run", show=False),
    ]


class ExportDialog(ModalScreen[str]):
    """Asks what to write, how, and into which file; says what was written, or nothing when closed."""

    CSS_PATH = "export.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Close")]

    name_field = query_one(NameField)
    chosen: reactive[Format] = reactive(Format.MARKDOWN, init=False)
    """What it is written as."""

    def __init__(self, runs: Sequence[Scope], at: int = 0, whole: Scope | None = None) -> None:
        """Make the dialog.

        Args:
            runs: what can be written of each run, at least one; without a run, what else there is.
            at: which of them is proposed.
            whole: all of them together; None when there is none.
        """
        super().__init__()
        self._runs, self._at, self._whole = runs, at, whole
        self._is_whole = False
        self.set_reactive(ExportDialog.chosen, next(iter(self._scope.contents)))

    def compose(self) -> ComposeResult:
        """What and how over the name."""
        with Vertical(classes="dialog -small", id="export") as frame:
            frame.border_title = "Export"
            frame.border_subtitle = "↑↓ format · Enter writes · Esc closes"
            scopes = Static("", id="export-scopes")
            scopes.display = self._whole is not None
            yield scopes
            yield Static("", id="export-formats")
            yield NameField(self._scope.stem + self.chosen.value)
            yield Static("", id="export-problem")
            keys = "Tab run or conversation" + " · PgUp PgDn other run" * (len(self._runs) > 1)
            hint = Static(keys, classes="hint")
            hint.display = self._whole is not None
            yield hint

    def on_mount(self) -> None:
        """Show the first choice."""
        self._paint()

    def watch_chosen(self) -> None:
        """Show what is chosen."""
        self._paint()

    def action_step(self, steps: int) -> None:
        """Choose a neighbouring format, and give the name its suffix."""
        formats = list(self._scope.contents)
        self._choose(formats[(formats.index(self.chosen) + steps) % len(formats)], self._scope)

    def action_switch(self) -> None:
        """Go from the run to the whole conversation, or back."""
        if self._whole is not None:
            self._show_scope(self._at, is_whole=not self._is_whole)

    def action_other_run(self, runs: int) -> None:
        """Choose an earlier or a later run."""
        if self._whole is not None:
            self._show_scope(max(0, min(self._at + runs, len(self._runs) - 1)), is_whole=False)

    @property
    def _scope(self) -> Scope:
        return self._whole if self._whole is not None and self._is_whole else self._runs[self._at]

    def _show_scope(self, at: int, *, is_whole: bool) -> None:
        before = self._scope
        self._at, self._is_whole = at, is_whole
        formats = self._scope.contents
        self._choose(self.chosen if self.chosen in formats else next(iter(formats)), before)
        self._paint()

    def _choose(self, chosen: Format, before: Scope) -> None:
        """Take a format; the name follows it, and its stem the scope, unless the user gave another one."""
        self.chosen = chosen
        name = self.name_field.value
        stem = next((name.removesuffix(one.value) for one in Format if name.endswith(one.value)), name)
        self.name_field.value = (self._scope.stem if stem == before.stem else stem) + chosen.value

    def _paint(self) -> None:
        scopes = [(self._runs[self._at].name, not self._is_whole)]
        scopes += [(self._whole.name, self._is_whole)] if self._whole is not None else []
        self.query_one("#export-scopes", Static).update(_choice(scopes))
        formats = [(_NAMES[one], one is self.chosen) for one in self._scope.contents]
        self.query_one("#export-formats", Static).update(_choice(formats))

    @on(Input.Changed)
    def _follow_suffix(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#export-problem", Static).update("")
        self.chosen = next((one for one in self._scope.contents if event.value.endswith(one.value)), self.chosen)

    @on(Input.Submitted)
    def _write(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self._begin(event.value.strip(), overwrite=False)

    def _begin(self, name: str, *, overwrite: bool) -> None:
        self._scope.prepare()
        self.run_worker(self._write_to(name, self._scope.contents[self.chosen], overwrite), exclusive=True)

    async def _write_to(self, name: str, make: Callable[[], str], overwrite: bool) -> None:
        """Write in a thread: a long conversation takes a second or two."""
        told = self.query_one("#export-problem", Static)
        what = _NAMES[self.chosen]
        try:
            path = await asyncio.to_thread(lambda: write_file(name, make(), overwrite=overwrite))
        except FileExistsError:
            question = f"{name} is there already. Replace it?"
            self.app.push_screen(
                ChoiceDialog(question, "Replace it", "Back"),
                lambda replace: self._begin(name, overwrite=True) if replace else None,
            )
        except EngineError as error:
            told.update(Content(visible(str(error))))
        else:
            self.dismiss(f"{what} written to {path}")


def _choice(names: Sequence[tuple[str, bool]]) -> Content:
    """Names in a row, those that are chosen in brackets."""
    parts: list[str | tuple[str, str]] = []
    for name, is_chosen in names:
        parts += [(f"[{name}]", "bold reverse") if is_chosen else f" {name} ", "  "]
    return Content.assemble(*parts)
