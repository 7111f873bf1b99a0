"""Next sentence: does one sentence follow another, in both orders?"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import Input, Static

from core.lab.records import Answer, Question
from core.lab.sentence_pairs import Follows, NextSentence
from core.models.registry import DEFAULT_MASKED_LM
from tui.lab.pane import LabPane
from tui.widgets.bars import bar_rows
from tui.widgets.fields import Field

FIRST, SECOND = "The king had three daughters.", "The youngest was the most beautiful of them all."


class FollowsPane(LabPane):
    """Two sentences in, two bars out, as one types."""

    MODELS: ClassVar[dict[str, str]] = {"model": DEFAULT_MASKED_LM}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "swap", "Swap", tooltip="Let the two sentences change places", priority=True),
    ]
    HELP = """\
# Next sentence

BERT was also trained to tell whether sentence B stood right after sentence A in a book or came from anywhere else. It \
reads both at once, [CLS] A [SEP] B [SEP], and a small layer on [CLS] gives two numbers that add up to 1: *is next* \
and *not next*. The lower bar shows the same two sentences the other way round; as BERT judges mostly by topic, it \
often differs less than one would expect.

Type in both fields; the bars follow. **ctrl+t** lets the sentences change places.
"""

    first = query_one("#follows-first", Input)
    second = query_one("#follows-second", Input)
    answer = query_one("#follows-answer", Static)

    def compose_body(self) -> ComposeResult:
        """The sentences and the answer."""
        yield Field(FIRST, placeholder="A: the first sentence", id="follows-first", compact=True)
        yield Field(SECOND, placeholder="B: does it follow?", id="follows-second", compact=True)
        with VerticalScroll(can_focus=False):
            yield Static("", id="follows-answer")

    def question(self) -> Question | None:
        """Ask once both sentences are there."""
        if not self.first.value.strip() or not self.second.value.strip():
            self.answer.update("")
            self.show_note("write two sentences")
            return None
        return Follows(self.model(), self.first.value, self.second.value)

    def show_answer(self, answer: Answer) -> None:
        """A bar for each order."""
        assert isinstance(answer, NextSentence)
        likely = [("A→B is next", answer.is_next, f"not {answer.not_next:.1%}")]
        swapped = [("B→A is next", answer.swapped_is_next, f"not {answer.swapped_not_next:.1%}")]
        verdict = "B follows A" if answer.is_next > answer.not_next else "B does not follow A"
        self.answer.update(
            Content.assemble(
                "\n", bar_rows(likely), bar_rows(swapped, style="$warning"), "\nit says: ", (verdict, "bold")
            )
        )
        self.show_note(f"{answer.model}{', cut to its positions' if answer.truncated else ''}")

    def action_swap(self) -> None:
        """Let the sentences change places."""
        self.first.value, self.second.value = self.second.value, self.first.value

    @on(Input.Changed)
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted)
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()
