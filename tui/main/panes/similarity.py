"""Similarity: two sentences, and how likely the model holds them to mean the same."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input, Static

from core.messages.records import Similarity
from core.models.registry import DEFAULT_PARAPHRASER
from core.text.visible import visible
from tui.widgets.fields import Field

_BAR_CELLS = 24
_NUMBER_CELLS = 15
"""Of the per cent beside the bar, with its name."""
MODEL_CELLS = 20
"""Of the model's name in the frame; of a longer one its end."""


class SimilarityPane(Vertical):
    """Two sentences in, a bar and the numbers out."""

    class CompareRequested(Message):
        """The user wants two sentences compared."""

        def __init__(self, first: str, second: str) -> None:
            super().__init__()
            self.first = first
            self.second = second

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "compare", "Compare", tooltip="Compare the two sentences"),
    ]

    HELP = """\
# Similarity

A BERT fine-tuned on MRPC (pairs of news sentences) reads both sentences together, [CLS] A [SEP] B [SEP], and says how \
likely they mean the same. Because the order matters to it a little, both A→B and B→A are shown.

The cosine beside it compares the sentences' averaged hidden states, each read alone: a second opinion, not a \
probability. Enter compares; F8 chooses another model, and a sentence encoder gives the cosine alone.
"""

    model: reactive[str] = reactive(DEFAULT_PARAPHRASER)
    """The model that compares; the frame names it."""

    first = query_one("#sentence-a", Input)
    second = query_one("#sentence-b", Input)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.border_subtitle = "Enter compares"
        self._answer: Similarity | None = None
        """The one that is shown."""

    def compose(self) -> ComposeResult:
        """Two inputs and the answer."""
        yield Field(placeholder="A  The cat is on the mat", id="sentence-a", compact=True)
        yield Field(placeholder="B  A feline is sitting on a rug", id="sentence-b", compact=True)
        yield Static("", id="similarity-answer")

    def watch_model(self, model: str) -> None:
        """Name the model; an answer of another one goes."""
        name = visible(model)
        short = name if len(name) <= MODEL_CELLS else f"…{name[1 - MODEL_CELLS :]}"
        self.border_title = Content(f"Similarity · F5 · {short}")  # as Content: no markup is read
        if self.is_mounted:
            self.show_note("")

    def action_compare(self) -> None:
        """Ask for a comparison, or point to the sentence that is missing."""
        missing = next((box for box in (self.first, self.second) if not box.value.strip()), None)
        if missing is not None:
            missing.focus()
            self.show_note("write both sentences" if self.first.value or self.second.value else "write two sentences")
            return
        self.post_message(self.CompareRequested(self.first.value, self.second.value))

    def show_note(self, text: str, *, failed: bool = False) -> None:
        """Say something in place of an answer."""
        self._answer = None
        style = "$text-error" if failed else "$text-muted"
        self.query_one("#similarity-answer", Static).update(Content.styled(visible(text), style))

    def show_answer(self, answer: Similarity) -> None:
        """Show a comparison."""
        self._answer = answer
        told = self.query_one("#similarity-answer", Static)
        cells = min(_BAR_CELLS, max(0, told.content_size.width - _NUMBER_CELLS))
        filled = round(max(0.0, answer.similar) * cells)
        note = "  cut to the model's positions" if answer.truncated else ""
        shares: list[tuple[str, str] | str] = [
            (f" similar {answer.similar:.1%}\n", "bold"),
            f"not similar {answer.not_similar:.1%}   cosine {answer.cosine:.3f}{note}\n",
            f"A→B {answer.a_to_b:.4f}   B→A {answer.b_to_a:.4f}\n",
        ]
        content = Content.assemble(
            ("█" * filled, "$success"),
            ("░" * (cells - filled), "$text-muted"),
            *([(f" cosine {answer.cosine:.3f}{note}\n", "bold")] if answer.by_cosine else shares),
            (visible(f"{answer.model}: {answer.method}"), "$text-muted"),
        )
        told.update(content)

    def on_resize(self) -> None:
        """Fit the bar into the pane."""
        if self._answer is not None:
            self.call_after_refresh(self._fit, self._answer)

    def _fit(self, answer: Similarity) -> None:
        if answer is self._answer:
            self.show_answer(answer)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_compare()

    @on(Input.Changed)
    def _forget_answer(self, event: Input.Changed) -> None:
        event.stop()
        self._answer = None
        self.query_one("#similarity-answer", Static).update("")
