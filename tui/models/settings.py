"""Device and precision as two small lists, and how loading fares beside them."""

from __future__ import annotations

import sys

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.widgets import Label, Select, Static

from core.precision import Precision
from core.text.visible import visible

_DEVICES = ("auto", "cpu", "mps") if sys.platform == "darwin" else ("auto", "cpu", "cuda", "xpu")
"""What can be chosen; the engine says which are not there."""


class ModelSettings(Horizontal):
    """Where the model that writes runs, and how exactly."""

    class Chosen(Message):
        """The user wants another device or precision."""

        def __init__(self, device: str, precision: str) -> None:
            super().__init__()
            self.device = device
            self.precision = precision

    devices: query_one[Select[str]] = query_one("#models-device", Select)
    precisions: query_one[Select[str]] = query_one("#models-precision", Select)

    def __init__(self, device: str, precision: str) -> None:
        """Begin with what is in use."""
        super().__init__()
        self._first = device, precision

    def compose(self) -> ComposeResult:
        """Two lists with their names, and a line."""
        device, precision = self._first
        yield Label("device")
        yield _choice(_DEVICES, device, "models-device")
        yield Label("precision")
        yield _choice(("auto", *map(str, Precision)), precision, "models-precision")
        yield Static("", id="models-state")

    def show_use(self, device: str, precision: str) -> None:
        """Follow what was chosen elsewhere."""
        with self.prevent(Select.Changed):
            self.devices.value, self.precisions.value = device, precision

    def show_state(self, model: str, state: str, *, failed: bool) -> None:
        """Say how loading fares."""
        style = "$text-error" if failed else "$text-success"
        text = Content.assemble(f"{visible(model)} ", (visible(state), style))
        self.query_one("#models-state", Static).update(text)

    @on(Select.Changed)
    def _tell(self, event: Select.Changed) -> None:
        event.stop()
        self.post_message(self.Chosen(str(self.devices.value), str(self.precisions.value)))


def _choice(values: tuple[str, ...], value: str, widget_id: str) -> Select[str]:
    """A small list of plain words; one that was given on the command line (`cuda:1`) is among them."""
    return Select(
        ((one, one) for one in dict.fromkeys((*values, value))),
        value=value,
        allow_blank=False,
        compact=True,
        id=widget_id,
    )
