"""Export: what to write and into which file; an existing one is replaced only after a question."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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
from core.text import visible
from tui.dialogs import ChoiceDialog
from tui.fields import Field


class Format(StrEnum):
    """What can be written; the value is the file's suffix."""

    MARKDOWN = ".md"
    JSON_LINES = ".jsonl"
    SVG = ".svg"


_NAMES = {Format.MARKDOWN: "Markdown", Format.JSON_LINES: "JSON Lines", Format.SVG: "SVG picture"}


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
        raise EngineError(f"{name} cannot be written: {reason}", "give another name") from None
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
    """The file's name; up and down change what is written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "screen.step(-1)", "Format before", show=False),
        Binding("down", "screen.step(1)", "Next format", show=False),
    ]


class ExportDialog(ModalScreen[str]):
    """Asks for a format and a file name, and writes; says what was written, or nothing when closed."""

    CSS_PATH = "take_away.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Close")]

    name_field = query_one(NameField)
    chosen: reactive[Format] = reactive(Format.MARKDOWN, init=False)
    """What is written."""

    def __init__(self, contents: Mapping[Format, Callable[[], str]], stem: str) -> None:
        """Make the dialog.

        Args:
            contents: what can be written now, each as a function that makes it.
            stem: the file name proposed, without its suffix.
        """
        super().__init__()
        self._contents, self._stem = contents, stem
        self.set_reactive(ExportDialog.chosen, next(iter(contents)))

    def compose(self) -> ComposeResult:
        """The formats over the name."""
        with Vertical(classes="dialog -small", id="export") as frame:
            frame.border_title = "Export"
            frame.border_subtitle = "↑↓ format · Enter writes · Esc closes"
            yield Static("", id="export-formats")
            yield NameField(self._stem + self.chosen.value)
            yield Static("", id="export-problem")

    def on_mount(self) -> None:
        """Show the first choice."""
        self.watch_chosen(self.chosen)

    def watch_chosen(self, chosen: Format) -> None:
        """Show what is chosen."""
        parts: list[str | tuple[str, str]] = []
        for format_ in self._contents:
            name = _NAMES[format_]
            parts += [(f"[{name}]", "bold reverse") if format_ is chosen else f" {name} ", "  "]
        self.query_one("#export-formats", Static).update(Content.assemble(*parts))

    def action_step(self, steps: int) -> None:
        """Choose a neighbouring format, and give the name its suffix."""
        formats = list(self._contents)
        self.chosen = formats[(formats.index(self.chosen) + steps) % len(formats)]
        name = self.name_field.value
        stem = next((name.removesuffix(one.value) for one in Format if name.endswith(one.value)), name)
        self.name_field.value = stem + self.chosen.value

    @on(Input.Changed)
    def _follow_suffix(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#export-problem", Static).update("")
        self.chosen = next((one for one in self._contents if event.value.endswith(one.value)), self.chosen)

    @on(Input.Submitted)
    def _write(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip():
            self._write_to(event.value.strip(), overwrite=False)

    def _write_to(self, name: str, *, overwrite: bool) -> None:
        try:
            path = write_file(name, self._contents[self.chosen](), overwrite=overwrite)
        except FileExistsError:
            question = f"{name} is there already. Replace it?"
            self.app.push_screen(
                ChoiceDialog(question, "Replace it", "Back"),
                lambda replace: self._write_to(name, overwrite=True) if replace else None,
            )
        except EngineError as error:
            self.query_one("#export-problem", Static).update(Content(visible(str(error))))
        else:
            self.dismiss(f"{_NAMES[self.chosen]} written to {path}")
