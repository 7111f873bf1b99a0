"""The lab: a list of panes on the left, one of them on the right. It alone talks to the engine for them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path, PurePath
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.getters import query_one
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, OptionList
from textual.widgets.option_list import Option
from textual.worker import Worker

from core.backends.abilities import check_can, needs
from core.backends.backend import Backend, Reply
from core.errors import EngineError
from core.lab.records import Question
from core.messages.protocol import Answered, Ask, Progress
from core.messages.records import ModelInfo, Target
from tui.keys import KEYS_HELP
from tui.lab.catalogue import LABS
from tui.lab.pane import LabPane
from tui.widgets.dialogs import HelpDialog

_NARROW_COLUMNS = 100


class LabScreen(Screen[None]):
    """Every pane of the lab, made when it is first looked at."""

    CSS_PATH: ClassVar[list[str | PurePath]] = ["lab.tcss", *sorted(Path(__file__).parent.glob("*/*.tcss"))]
    AUTO_FOCUS = ""  # the focus goes into the pane that is shown

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Stop / back", tooltip="Stop the question, else leave the lab", priority=True),
        Binding("f1", "help", "Help", tooltip="Explain this pane"),
        Binding("f6", "choose", "Labs", tooltip="Go to the list of labs", priority=True),
        Binding("f7", "step(-1)", "Previous", show=False, tooltip="The lab before this one", priority=True),
        Binding("f8", "step(1)", "Next lab", tooltip="The lab after this one", priority=True),
    ]

    labs = query_one("#labs", OptionList)
    switcher = query_one("#lab-switcher", ContentSwitcher)

    def __init__(self, engine: Backend, target: Target) -> None:
        super().__init__()
        self._engine = engine
        self._target = target
        self._main_model: ModelInfo | None = None
        """That of the main screen, which tells what the backend can do; None until it is loaded."""
        self._replies: dict[str, Reply] = {}
        """What is being answered, by lab."""

    def compose(self) -> ComposeResult:
        """The list and the place for a pane."""
        with Horizontal(id="lab-body"):
            yield OptionList(*(Option(Content(lab.title), id=lab.name) for lab in LABS), id="labs", compact=True)
            yield ContentSwitcher(id="lab-switcher")
        yield Footer()

    @property
    def pane(self) -> LabPane | None:
        """The pane that is shown."""
        current = self.switcher.current
        return self.switcher.query_one(f"#{current}", LabPane) if current else None

    async def show(self, lab: str) -> None:
        """Show a lab and go into it.

        Args:
            lab: the name of one.
        """
        await self._switch(lab)
        self.labs.highlighted = self.labs.get_option_index(lab)
        if self.pane is not None:
            self.call_after_refresh(self.pane.first_field().focus)

    def run_on(self, device: str, main_model: ModelInfo | None) -> None:
        """Have questions answered on another device from now on, by the backend of the main screen's model."""
        self._target, self._main_model = replace(self._target, device=device), main_model

    def on_resize(self, event: events.Resize) -> None:
        """Give the list less room on a small terminal."""
        self.set_class(event.size.width < _NARROW_COLUMNS, "-narrow")

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        """Stop what the pane waits for; when it waits for nothing, go back to the main screen."""
        reply = self._replies.get(self.pane.lab.name) if self.pane is not None else None
        if reply is None or reply.finished:
            self.app.pop_screen()
            return
        reply.cancel()
        if self.pane is not None:
            self.pane.show_note("stopping…")

    def action_help(self) -> None:
        """Explain the pane."""
        if self.pane is not None:
            self.app.push_screen(HelpDialog(self.pane.HELP, KEYS_HELP))

    def action_choose(self) -> None:
        """Go to the list."""
        self.labs.focus()

    async def action_step(self, by: int) -> None:
        """Go to a neighbouring lab."""
        names = [lab.name for lab in LABS]
        here = names.index(self.pane.lab.name) if self.pane is not None else 0
        await self.show(names[(here + by) % len(names)])

    # -- messages -----------------------------------------------------------------------------------------------------

    @on(OptionList.OptionHighlighted, "#labs")
    async def _preview(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.labs.has_focus and event.option_id is not None:
            await self._switch(event.option_id)

    @on(OptionList.OptionSelected, "#labs")
    async def _enter(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id is not None:
            await self.show(event.option_id)

    @on(LabPane.Asked)
    def _take_question(self, event: LabPane.Asked) -> None:
        event.stop()
        # One question a pane: a newer one takes the older one's place.
        ask = partial(self._ask, event.pane, event.question)
        _: Worker[None] = self.run_worker(ask, group=event.pane.lab.name, exclusive=True, exit_on_error=False)

    # -- helpers ------------------------------------------------------------------------------------------------------

    async def _switch(self, lab: str) -> None:
        """Show a pane, made first when it is new."""
        if not self.switcher.query(f"#lab-{lab}"):
            row = next(row for row in LABS if row.name == lab)
            module, kind = row.pane.split(":")
            pane: LabPane = getattr(import_module(module), kind)(row)
            await self.switcher.add_content(pane, set_current=True)
            self.call_after_refresh(pane.ask)
        else:
            self.switcher.current = f"lab-{lab}"

    async def _ask(self, pane: LabPane, question: Question) -> None:
        """Have a question answered into its pane."""
        pane.add_class("-busy")
        reply: Reply | None = None
        request = Ask(self._target, question)
        try:
            check_can(self._main_model, *needs(request))
            reply = await self._engine.send(request)
            self._replies[pane.lab.name] = reply
            async for event in reply:
                if isinstance(event, Progress):
                    pane.show_note(f"{event.stage} {event.fraction:.0%}" if event.fraction < 1 else "")
                elif isinstance(event, Answered):
                    pane.show_answer(event.answer)
            pane.show_end()
        except EngineError as error:
            pane.show_note(str(error), failed=True)
        finally:
            pane.remove_class("-busy")
            if reply is not None and not reply.finished:
                reply.cancel()
