"""The Models screen: every model of this machine, what it is good for, and how models come, go and are chosen.

It asks nothing of the engine itself: it changes what the main screen uses, and shows how that fares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.screen import Screen
from textual.widgets import Footer, Input, Static
from textual.worker import Worker

from core.errors import EngineError
from core.models.hub.records import DownloadPlan
from core.models.hub.refusals import size_text
from core.models.registry import Source, resolve
from core.text.visible import visible
from tui.keys import KEYS_HELP
from tui.main.screen import MainScreen
from tui.models.care import ModelCare
from tui.models.choice import ModelChoice, folder_of
from tui.models.download import ModelDownload
from tui.models.listing import COMPARES, UNUSABLE, WRITES, ModelsTable
from tui.models.plan_dialog import PlanDialog
from tui.models.rows import known_models, read_some
from tui.models.settings import ModelSettings
from tui.models.texts import detail_text, plan_lines
from tui.widgets.dialogs import HelpDialog
from tui.widgets.fields import Field

_NARROW_COLUMNS = 100

PLACEHOLDER = "Type to search, or a name on the Hugging Face hub, a folder, a .gguf file"
HINT = "↓ list: Enter uses, v verifies, d deletes, u undoes · Tab: device, precision"


class ModelsScreen(Screen[None]):
    """A field, the list, the details of a row, and what is going on."""

    CSS_PATH = "models.tcss"
    AUTO_FOCUS = "#models-field"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Verify", tooltip="Compare the files with their hashes"),
        Binding("d,delete", "delete", "Delete", key_display="d", tooltip="Move it to the trash"),
        Binding("u", "undo", "Undo", tooltip="Bring back what was deleted last"),
        Binding("escape", "back", "Stop / back", tooltip="Stop what goes on, else go back"),
        Binding("f8", "leave", "Back", tooltip="Go back; a download goes on", priority=True),
        Binding("f1", "help", "Help", tooltip="Explain this screen"),
        Binding("slash", "search", "Search", show=False),
        Binding("down", "enter_list", "To the list", show=False),
    ]

    HELP = """\
# Models

A model is a folder: *config.json* says how its layers are built, the weights hold what they learned, the tokenizer \
turns text into the ids they know. What it was trained for decides what it can do here: a causal model writes, a \
classifier of pairs compares, the others have their panes in the lab. In memory each weight takes four bytes in \
float32, two in float16 and bfloat16, one in int8, so the number of parameters tells what fits.

## Keys

| key | what it does |
|---|---|
| type, ↓ | search the list by name, task or licence; go to it |
| Enter in the field | look for a model that is not in the list: a name on the Hugging Face hub (`gpt2`, `org/name`, \
`org/name@revision`), a folder, a `.gguf` file. The hub is asked first what would come; you agree to the size |
| Enter in the list | use the model: to write, or to compare two sentences (F5) |
| v | verify: every file against the hash it should have, without a network |
| d, u | delete it; bring it back |
| / | back to the field |
| Tab | device and precision, which act at once |
| Esc | stop the download (what has come is kept) or the verification, else go back |
| F8 | go back; a download goes on |

`▸` writes, `≈` compares, `✗` cannot be used; the frame below the list says why, and what fits into memory.
"""

    field = query_one("#models-field", Field)
    table = query_one(ModelsTable)
    settings = query_one(ModelSettings)

    def __init__(self, main: MainScreen, *, forbid_network: bool) -> None:
        """Prepare the screen.

        Args:
            main: whose model, device and precision are chosen here.
            forbid_network: refuse to open a connection.
        """
        super().__init__()
        self._main = main
        self._typed: list[str] = []
        """Folders and files that were typed here."""
        self.download = ModelDownload(self, forbid_network=forbid_network)
        self._care = ModelCare(self)
        self._choice = ModelChoice(self, main, main.similarity, main.runs)
        self._has_ended = False

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Field(placeholder=PLACEHOLDER, id="models-field", compact=True)
        yield ModelSettings(self._main.target.device, self._main.target.dtype)
        yield ModelsTable(id="models-table")
        with VerticalScroll(id="models-details-box", can_focus=False):
            yield Static("", id="models-details")
        yield Static("", id="models-download")
        yield Static("", id="models-verifying")
        yield Static("", id="models-note")
        yield Footer()

    def on_mount(self) -> None:
        """Follow what the main screen uses."""
        self.table.border_title = "Models · F8"
        self.table.border_subtitle = f"{WRITES} writes · {COMPARES} compares · {UNUSABLE} cannot be used"
        status = self._main.status
        for owner, name in ((status, "state"), (status, "model"), (self._main, "target")):
            self.watch(owner, name, self._show_use, init=False)
        self.watch(self._main.similarity, "model", self._show_use, init=False)

    def begin(self) -> None:
        """Read anew what there is, and be ready for the keyboard; called whenever the screen is opened."""
        self._show_use()
        self.say(HINT)
        self.read()
        self.field.focus()

    def on_unmount(self) -> None:
        """Leave no download behind."""
        self._has_ended = True  # what ends now says nothing: nothing is there to say it
        self.download.stop()
        self._care.stop()

    @on(events.ScreenResume)
    def _is_looked_at(self) -> None:
        self.download.looked_at.set()

    @on(events.ScreenSuspend)
    def _is_left(self) -> None:
        self.download.looked_at.clear()

    def on_resize(self, event: events.Resize) -> None:
        """Give names less room on a small terminal."""
        self.table.show_narrow(event.size.width < _NARROW_COLUMNS)

    # -- what others show here ----------------------------------------------------------------------------------------

    def work(self, work: Coroutine[Any, Any, None], group: str) -> Worker[None]:
        """Do something in the background, beside what was begun in the same group."""
        return self.run_worker(work, group=group, exit_on_error=False)

    async def agree(self, plan: DownloadPlan) -> bool:
        """Ask whether a download shall begin."""
        dialog = PlanDialog(plan_lines(plan, self._choice.room), size_text(plan.missing_bytes))
        return await self.app.push_screen_wait(dialog)

    def say(self, text: str, *, failed: bool = False) -> None:
        """Say what was done, or what to do."""
        if self._has_ended:
            return
        lines = "\n".join(map(visible, text.split("\n")))
        self.query_one("#models-note", Static).update(Content.styled(lines, "$text-error" if failed else ""))

    def show_download(self, short: str, line: str) -> None:
        """Say how far the download is, here and in the status line; empty takes it back."""
        if self._has_ended:
            return
        self._main.status.download = short
        self.set_class(bool(line), "-downloading")
        self.query_one("#models-download", Static).update(Content(visible(line)))

    def show_verifying(self, line: str) -> None:
        """Say how far the verification is; empty takes it back."""
        if self._has_ended:
            return
        self.set_class(bool(line), "-verifying")
        self.query_one("#models-verifying", Static).update(Content(visible(line)))

    def download_ended(self, name: str, text: str, *, failed: bool = False) -> None:
        """Say how it ended, wherever the user is; `name` is that of a model that is here now."""
        self.say(text, failed=failed)
        if not self.is_current:
            self.app.notify(f"{text} (F8)", severity="error" if failed else "information", markup=False)
        if name:
            self.read(then=name)

    def read(self, then: str = "") -> None:
        """List every model, then go to the one that is named."""
        self.run_worker(self._read(then), exclusive=True, group="read", exit_on_error=False)

    async def _read(self, then: str) -> None:
        """List every model, then find out about each; all of it in threads."""
        try:
            rows = await asyncio.to_thread(known_models, (*self._choice.opened(), *self._typed))
        except EngineError as error:
            self.say(str(error), failed=True)
            return
        self.table.show_models(rows)
        if then:
            self._go_to(then)
        self._show_use()
        place = 0
        while place < len(rows):
            read = await asyncio.to_thread(read_some, rows[place:])
            place += len(read)
            with self.app.batch_update():
                for row in read:
                    self.table.show_row(row)
                self._show_details()

    # -- keys ---------------------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        """Stop what goes on; when nothing does, go back."""
        if not (self.download.stop() or self._care.stop()):
            self.action_leave()

    def action_leave(self) -> None:
        """Go back to the main screen."""
        self.app.pop_screen()

    def action_help(self) -> None:
        """Explain the screen."""
        self.app.push_screen(HelpDialog(self.HELP, KEYS_HELP))

    def action_search(self) -> None:
        """Go to the field."""
        self.field.focus()

    def action_enter_list(self) -> None:
        """Go from the field to the rows."""
        self.table.focus()

    def action_verify(self) -> None:
        """Verify the model under the cursor."""
        if (row := self.table.under_cursor) is not None:
            self.work(self._care.verify(row), "verify")

    def action_delete(self) -> None:
        """Delete the model under the cursor."""
        row = self.table.under_cursor
        if row is not None and row.name == self.download.name:
            self.say(f"{row.name} is on its way; Esc stops that", failed=True)
        elif row is not None:
            self.work(self._care.delete(row, self._choice.use_of(row)), "care")

    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        self.work(self._care.undo(), "care")

    # -- messages -----------------------------------------------------------------------------------------------------

    @on(Input.Changed, "#models-field")
    def _search(self, event: Input.Changed) -> None:
        event.stop()
        name = event.value.strip()
        count = self.table.show_matches(name)
        self._show_details()
        if not name:
            self.say(HINT)
        elif name in self.table.models:
            self.say("Enter uses it")
        else:
            found = f"{count} in the list, ↓ goes there" if count else "nothing in the list has this"
            self.say(f"{found} · Enter looks for {name} here and on the hub, and says what it is before it comes")

    @on(Input.Submitted, "#models-field")
    def _take_name(self, event: Input.Submitted) -> None:
        event.stop()
        name = event.value.strip()
        if not name:
            self.table.focus()
        elif (row := self.table.models.get(name)) is not None:
            self._choice.use(row)
        else:
            self._look_for(name)

    @on(ModelsTable.RowSelected)
    def _choose(self, event: ModelsTable.RowSelected) -> None:
        event.stop()
        if (row := self.table.under_cursor) is not None:
            self._choice.use(row)

    @on(ModelsTable.RowHighlighted)
    def _follow(self, event: ModelsTable.RowHighlighted) -> None:
        event.stop()
        self._show_details()

    @on(ModelSettings.Chosen)
    def _run_otherwise(self, event: ModelSettings.Chosen) -> None:
        event.stop()
        self._choice.run_on(event.device, event.precision)
        self._show_use()  # what was refused is taken back

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _look_for(self, name: str) -> None:
        """Take a name that is not in the list: something on this machine, else something on the hub."""
        try:
            model = resolve(name)
        except EngineError as error:
            if name.startswith((".", "/", "~", "starter/")) or name.lower().endswith(".gguf"):
                self.say(str(error), failed=True)
            else:
                self.download.begin(name)
            return
        if model.source in (Source.FOLDER, Source.GGUF) and name not in self._typed:
            self._typed.append(name)
        self.read(then=name)
        self.say(f"{name} is here; Enter uses it")

    def _go_to(self, name: str) -> None:
        """Put the cursor on a model, however it is named, and go there."""
        folder = folder_of(name)
        known = next((row.name for row in self.table.models.values() if row.model.folder == folder), name)
        with self.field.prevent(Input.Changed):  # which would take back what is said
            self.field.value = ""
        self.table.show_matches("")
        if self.table.go_to(name) or self.table.go_to(known):
            self.table.focus()

    def _show_use(self) -> None:
        """Mark what is in use, and say how loading fares."""
        target, status = self._main.target, self._main.status
        self.settings.show_use(target.device, target.dtype)
        self.table.show_use(*self._choice.folders, self._choice.precision)
        state = f"{status.state}. hint: {status.hint}" if status.failed and status.hint else status.state
        self.settings.show_state(target.model, state, failed=status.failed)
        self._show_details()

    def _show_details(self) -> None:
        """Everything about the row under the cursor."""
        row = self.table.under_cursor
        box = self.query_one("#models-details-box", VerticalScroll)
        box.border_title = Content(visible(row.name)) if row is not None else ""
        text = detail_text(row, self._choice.room, self._choice.precision) if row is not None else Content("")
        self.query_one("#models-details", Static).update(text)
