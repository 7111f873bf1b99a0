"""What every pane of the lab shares: its model, its questions, and the line that says how they fare.

A pane knows neither the engine nor other panes: it posts questions and is handed answers.
"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from core.errors import EngineError
from core.lab.records import Answer, Question
from core.models.registry import STARTERS
from core.text.visible import visible
from tui.lab.catalogue import Lab
from tui.widgets.fields import Field


class LabPane(Vertical):
    """One pane of the lab.

    A subclass sets `HELP` and `MODELS`, and writes `compose_body`, `question` and `show_answer`.
    """

    class Asked(Message):
        """The pane has a question; it takes the place of the one before it."""

        def __init__(self, pane: LabPane, question: Question) -> None:
            super().__init__()
            self.pane = pane
            self.question = question

        @property
        def control(self) -> LabPane:
            """The pane that asks."""
            return self.pane

    HELP: ClassVar[str]
    """Markdown for F1: the idea in three sentences, then the keys."""
    DEBOUNCE_S: ClassVar[float] = 0.25
    """How long typing must rest before a question follows it."""
    MODELS: ClassVar[dict[str, str]] = {}
    """The models it asks, by what they are called in it, with their defaults."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(id=f"lab-{lab.name}", classes="lab-pane")
        self.lab = lab
        """Its row in the list."""
        self.border_title = lab.title
        self._waiting: Timer | None = None
        self._is_composed = False

    def compose(self) -> ComposeResult:
        """The models, each with what a starter is, the pane's own widgets, the note."""
        for name, default in self.MODELS.items():
            with Horizontal(classes="lab-model"):
                yield Label(name)
                box = f"{self.lab.name}-{name.replace(' ', '-')}"
                yield Field(default, name=name, id=box, classes="lab-model-name", compact=True)
                yield Label(_origin(default), classes="lab-origin")
        yield from self.compose_body()
        yield Static("", classes="lab-note")

    def on_mount(self) -> None:
        """From here on changes of fields are the user's."""
        self.call_after_refresh(setattr, self, "_is_composed", True)

    # -- for a subclass to write --------------------------------------------------------------------------------------

    def compose_body(self) -> ComposeResult:
        """The pane's own widgets."""
        raise NotImplementedError

    def question(self) -> Question | None:
        """What to ask about the fields as they are; None when something is still missing.

        Raises:
            EngineError: a field cannot be used; its line is shown.
        """
        raise NotImplementedError

    def show_answer(self, answer: Answer) -> None:
        """Show an answer, or a part of it."""
        raise NotImplementedError

    def show_end(self) -> None:
        """The question is answered in full."""

    # -- for a subclass to use ----------------------------------------------------------------------------------------

    def model(self, name: str = "model") -> str:
        """The model that one of `MODELS` names now."""
        box = self.query_one(f"#{self.lab.name}-{name.replace(' ', '-')}", Input)
        return box.value.strip() or self.MODELS[name]

    def ask(self) -> None:
        """Ask now."""
        if self._waiting is not None:
            self._waiting.stop()
        try:
            question = self.question()
        except EngineError as error:
            self.show_note(str(error), failed=True)
            return
        if question is not None:
            self.post_message(self.Asked(self, question))

    def ask_soon(self) -> None:
        """Ask once typing rests."""
        if not self._is_composed:
            return
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(self.DEBOUNCE_S, self.ask)

    def show_note(self, text: str, *, failed: bool = False) -> None:
        """Say something under the answer; empty takes it back."""
        style = "$text-error" if failed else "$text-muted"
        self.query_one(".lab-note", Static).update(Content.styled(visible(text), style))

    def first_field(self) -> Widget:
        """Where the focus goes when the pane opens: the first field that is no model's name."""
        fields = (widget for widget in self.query("*") if widget.can_focus and not widget.has_class("lab-model-name"))
        return next(fields, self)

    @on(Input.Submitted, ".lab-model-name")
    def _use_model(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()

    @on(Input.Changed, ".lab-model-name")
    def _tell_origin(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.parent is not None and event.input.name is not None:
            event.input.parent.query_one(".lab-origin", Label).update(_origin(self.model(event.input.name)))


def _origin(model: str) -> str:
    """What stands beside a model's name: a bundled one is not what it is named after."""
    return "small, not the original" if model.strip() in STARTERS else ""
