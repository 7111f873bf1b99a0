"""A field for a number that up and down change by a step, inside its range."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from core.errors import SettingError
from tui.widgets.fields import Field


class NumberField(Field):
    """One number between two bounds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(1)", "More", show=False),
        Binding("down", "step(-1)", "Less", show=False),
    ]

    def __init__(self, value: float, *, name: str, id: str, step: float, low: float, high: float) -> None:  # noqa: A002
        """Make a field.

        Args:
            value: what it holds at first.
            name: how messages call it.
            id: its own in the pane.
            step: what one key press adds or takes.
            low: the smallest number it takes.
            high: the largest.
        """
        super().__init__(f"{value:g}", id=id, name=name, compact=True)
        self._step, self._low, self._high = step, low, high

    def number(self) -> float:
        """The number as it stands.

        Raises:
            SettingError: it is none, or out of range.
        """
        span = f"[{self._low:g}, {self._high:g}]"
        try:
            number = float(self.value)
        except ValueError:
            raise SettingError(f"{self.name} must be a number, got {self.value!r}", f"give one in {span}") from None
        if not self._low <= number <= self._high:
            raise SettingError(f"{self.name} must be in {span}, got {number:g}", "the up and down keys stay inside")
        return number

    def whole(self) -> int:
        """The number as it stands, without decimals.

        Raises:
            SettingError: it is none, out of range, or not whole.
        """
        number = self.number()
        if not number.is_integer():
            raise SettingError(f"{self.name} must be a whole number, got {number:g}", "the up and down keys change it")
        return int(number)

    def action_step(self, direction: int) -> None:
        """Change the number by one step, staying in the range."""
        try:
            steps = float(self.value) / self._step
        except ValueError:
            return
        moved = round((steps + direction) * self._step, 6)
        self.value = f"{min(max(moved, self._low), self._high):g}"
