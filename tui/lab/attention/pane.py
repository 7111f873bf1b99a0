"""Attention: one text under BERT, which looks both ways, and under GPT-2, which looks back."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.getters import query_one
from textual.widgets import Input

from core.errors import InputError
from core.lab.attention import MEAN_OF_HEADS, Attend, Attention, CompareAttention
from core.lab.records import Answer, Question
from core.models.registry import DEFAULT_GENERATOR, DEFAULT_MASKED_LM
from tui.lab.catalogue import Lab
from tui.lab.pane import LabPane
from tui.widgets.fields import Field
from tui.widgets.pictures import shading
from tui.widgets.pictures.attention_grid import AttentionGrid, cells_needed

_EXAMPLE = "The cat sat on the mat because it was tired."

MOST_TOKENS = 46
"""As many columns as one grid has room for on a terminal of 80 columns."""

FIRST_VIEW = (1, MEAN_OF_HEADS)
"""Layer and head."""


class AttentionPane(LabPane):
    """A text in, two grids out, side by side where they fit."""

    MODELS: ClassVar[dict[str, str]] = {"both ways": DEFAULT_MASKED_LM, "causal": DEFAULT_GENERATOR}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "other_grid", "Other model", tooltip="Go to the other model's grid", priority=True),
    ]
    HELP = """\
# Attention

In every layer each token mixes into itself what it finds at other tokens, and its attention weights say how much of \
each: they add up to 1. BERT reads in both directions, so a token may look at what comes after it; GPT-2 predicts the \
next token, so what comes after is hidden from it (`·`) and its first token can only look at itself. Every layer has \
several heads, and each looks for something else: the token before, the end of the sentence, the word that *it* means.

Each row is a token that reads, each column a token it looks at; both carry the same numbers. Shades: ` ` below 2 %, \
`░` from 2, `▒` from 10, `▓` from 25, `█` from 50 %.

| key | in a grid |
|---|---|
| Tab, ctrl+t | go to a grid, to the other one |
| ↑ ↓ Home End | the row that is told in words below |
| ← → | head before, after; the mean of all heads comes before head 1 |
| PgUp PgDn | layer before, after |

A text that is too long for two grids shows one at a time; more than 46 tokens are cut.
"""

    text = query_one("#attention-text", Input)

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self._views = [FIRST_VIEW, FIRST_VIEW]
        self._asked_models = tuple(self.MODELS.values())
        self._chosen = 0
        """The grid that is shown where there is room for one."""

    def compose_body(self) -> ComposeResult:
        """The text over the grids."""
        yield Field(_EXAMPLE, id="attention-text", compact=True)
        with Horizontal(id="attention-grids"):
            yield AttentionGrid(id="attention-0")
            yield AttentionGrid(id="attention-1")

    def question(self) -> Question | None:
        """Ask both models about the text."""
        if not self.text.value.strip():
            raise InputError("the text is empty", "write a few words")
        models = tuple(map(self.model, self.MODELS))
        for number, (old, new) in enumerate(zip(self._asked_models, models, strict=True)):
            if old != new:
                self._views[number] = FIRST_VIEW
        self._asked_models = models
        views = zip(models, self._views, strict=True)
        return CompareAttention(
            tuple(Attend(model, self.text.value, layer, head, MOST_TOKENS) for model, (layer, head) in views)
        )

    def show_answer(self, answer: Answer) -> None:
        """Fill the grid of the model that answered."""
        assert isinstance(answer, Attention)
        self._grids[answer.view].attention = answer
        self._arrange()
        cut = shading.attention_cut_note(answer)
        self.show_note(f"{cut}; {shading.LEGEND}" if cut else f"{shading.LEGEND}  · comes later")

    def action_other_grid(self) -> None:
        """Go to the other grid, or to the first one from elsewhere."""
        inside = any(grid.has_focus for grid in self._grids)
        self._chosen = 1 - self._chosen if inside or not self._fits_both else self._chosen
        self._arrange()
        self._grids[self._chosen].focus()

    def on_resize(self, event: events.Resize) -> None:
        """Show both grids, or one."""
        self._arrange()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which grid was used last."""
        if isinstance(event.widget, AttentionGrid):
            self._chosen = self._grids.index(event.widget)

    @on(AttentionGrid.StepRequested)
    def _step(self, event: AttentionGrid.StepRequested) -> None:
        """Go on to another layer or head, round and round; the mean of the heads comes before the first."""
        event.stop()
        if (shown := event.grid.attention) is not None:
            number = self._grids.index(event.grid)
            layer, head = self._views[number]
            layer = (layer - 1 + event.layers) % shown.layers + 1
            self._views[number] = (layer, (head + event.heads) % (shown.heads + 1))
            self.ask()

    @on(Input.Changed, "#attention-text")
    def _follow(self, event: Input.Changed) -> None:
        event.stop()
        self.ask_soon()

    @on(Input.Submitted, "#attention-text")
    def _ask(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask()

    @property
    def _grids(self) -> list[AttentionGrid]:
        return list(self.query(AttentionGrid))

    @property
    def _fits_both(self) -> bool:
        counts = [len(grid.attention.tokens) for grid in self._grids if grid.attention is not None]
        return sum(cells_needed(count) + 1 for count in counts) <= self.content_size.width

    def _arrange(self) -> None:
        both = self._fits_both
        for number, grid in enumerate(self._grids):
            grid.display = both or number == self._chosen
