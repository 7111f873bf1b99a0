"""A pane of the lab that works its answer out by itself, in the interface's process: it needs no model."""

from __future__ import annotations

from core.lab.records import Answer, Question
from tui.lab.pane import LabPane


class LocalPane(LabPane):
    """Shows its answer at once.

    A subclass writes `compose_body` and `refresh_answer`, and calls `ask` or `ask_soon` when a field changes.
    """

    def refresh_answer(self) -> None:
        """Show the answer for the fields as they are.

        Raises:
            EngineError: a field cannot be used; its line is shown.
        """
        raise NotImplementedError

    def question(self) -> Question | None:
        """Nothing to ask the engine: the answer is shown here and now."""
        self.refresh_answer()
        return None

    def show_answer(self, answer: Answer) -> None:
        """Never called, as nothing is asked."""
        raise AssertionError(f"{self.lab.name} asked nothing")
