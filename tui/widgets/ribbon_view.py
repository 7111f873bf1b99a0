"""Tokens in their text, each with how it stood with the model: its colour, a bar under it, a cursor (Line API)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from core.text.visible import token_label
from tui.widgets.bars import fit
from tui.widgets.wrapped import WrappedView

LEVELS = "▁▂▃▄▅▆▇█"

BITS_A_STEP = 2
"""How many bits of surprisal each level stands for; the last one for all that is more."""


class Lens(StrEnum):
    """Which number colours the tokens."""

    SURPRISAL = "surprisal"
    PROBABILITY = "probability"
    RANK = "rank"
    ENTROPY = "entropy"


@dataclass(frozen=True, slots=True)
class RibbonToken:
    """One token of a run, of the prompt or generated."""

    text: str
    id: int
    index: int
    """Among the new tokens; −1 and below count back from the prompt's end."""
    prob: float
    """The model's own; 1 for the very first token, which nothing predicts."""
    rank: int
    """0 for the very first token."""
    entropy: float
    """Bits."""
    final_prob: float
    """What it was drawn with; 0 in the prompt."""
    kept: int
    """How many tokens it was drawn from; 0 in the prompt."""
    kept_mass: float
    retuned: str = ""
    """Whether other settings act from here on."""

    @property
    def surprisal(self) -> float:
        """−log2 of the probability, bits."""
        return -math.log2(max(self.prob, 1e-45))

    def level(self, lens: Lens) -> int:
        """How remarkable it is, 0–7."""
        match lens:
            case Lens.SURPRISAL:
                value = self.surprisal / BITS_A_STEP
            case Lens.PROBABILITY:
                value = 8 * (1 - self.prob)
            case Lens.RANK:
                value = math.log2(max(self.rank, 1))
            case Lens.ENTROPY:
                value = self.entropy * 0.75
        return max(0, min(7, int(value)))


def surprisal_line(tokens: Sequence[RibbonToken], cells: int) -> str:
    """A curve of the mean surprisal along a text, one cell a stretch of tokens."""
    if not tokens or cells < 1:
        return ""
    count = min(cells, len(tokens))
    stretches = [tokens[len(tokens) * i // count : len(tokens) * (i + 1) // count] for i in range(count)]
    return "".join(LEVELS[min(7, int(fmean(token.surprisal for token in part) / BITS_A_STEP))] for part in stretches)


class RibbonView(WrappedView):
    """Tokens in reading order with a mark under each; a cursor walks them (Line API)."""

    class TokenSelected(Message):
        """The cursor stands on another token."""

        def __init__(self, token: RibbonToken) -> None:
            super().__init__()
            self.token = token

    class ListRequested(Message):
        """The user wants to go to the candidates of the token under the cursor."""

    class OtherRunRequested(Message):
        """The user wants a neighbouring run, or another sequence of this one."""

        def __init__(self, runs: int, sequences: int) -> None:
            super().__init__()
            self.runs = runs
            self.sequences = sequences

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "next_lens", "Lens", tooltip="Colour by surprisal, probability, rank or entropy"),
        Binding("enter", "list", "Candidates", tooltip="What else the model would have said here"),
        Binding("b", "app.show_branches", "Branches", tooltip="The runs of this prompt as a tree"),
        Binding("y", "app.take('token')", "Copy the token", show=False),
        Binding("Y", "app.take('output')", "Copy the output", show=False),
        Binding("left_square_bracket", "other(-1, 0)", "Run before", show=False),
        Binding("right_square_bracket", "other(1, 0)", "Run after", show=False),
        Binding("comma", "other(0, -1)", "Sequence before", show=False),
        Binding("full_stop", "other(0, 1)", "Sequence after", show=False),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ribbon--{level}" for level in range(8)} | {
        "ribbon--prompt",
        "ribbon--cursor",
        "ribbon--mark",
    }

    lens: reactive[Lens] = reactive(Lens.SURPRISAL)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self._tokens: tuple[RibbonToken, ...] = ()

    @property
    def tokens(self) -> tuple[RibbonToken, ...]:
        """The tokens shown."""
        return self._tokens

    @property
    def at_cursor(self) -> RibbonToken | None:
        """The token under the cursor."""
        return self._tokens[self.cursor] if self._tokens else None

    def show(self, tokens: Sequence[RibbonToken], *, cursor: int) -> None:
        """Show tokens, the cursor on one of them."""
        self._tokens = tuple(tokens)
        self.labels = [(label, cell_len(label)) for label in map(_label, self._tokens)]
        self.wrap()
        self.set_reactive(RibbonView.cursor, max(0, min(cursor, len(tokens) - 1)))
        self.watch_cursor()

    def breaks_after(self, index: int) -> bool:
        """A line ends where the text has one."""
        return self.labels[index][0].endswith("↵")

    def watch_cursor(self) -> None:
        """Show the token under the cursor and say which it is."""
        self.show_cursor()
        if self.at_cursor is not None:
            self.post_message(self.TokenSelected(self.at_cursor))

    def watch_lens(self) -> None:
        """Colour anew."""
        self.refresh()

    def action_next_lens(self) -> None:
        """Go to the next lens."""
        lenses = list(Lens)
        self.lens = lenses[(lenses.index(self.lens) + 1) % len(lenses)]

    def action_list(self) -> None:
        """Go to the candidates."""
        self.post_message(self.ListRequested())

    def action_other(self, runs: int, sequences: int) -> None:
        """Look at another run or sequence."""
        self.post_message(self.OtherRunRequested(runs, sequences))

    def render_line(self, y: int) -> Strip:
        """A row of text, or of the marks under it."""
        base = self.rich_style
        places, row = self.at_row(y)
        if not places:
            return Strip.blank(self.size.width, base)
        segments = [self._segment(index, row, base) for index in places]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _segment(self, index: int, row: int, base: Style) -> Segment:
        token, (label, width) = self._tokens[index], self.labels[index]
        room = self.scrollable_content_region.width
        if width > room:
            width = room
            label = fit(label, width)
        level = token.level(self.lens)
        if row == 1:
            mark = LEVELS[level] if token.rank else " "
            under = "▲" if index == self.cursor else mark
            return Segment(under.ljust(width), self.get_component_rich_style("ribbon--mark"))
        style = self.get_component_rich_style("ribbon--prompt" if token.index < 0 else f"ribbon--{level}")
        if index == self.cursor:
            style += self.get_component_rich_style("ribbon--cursor") + Style(underline=True)
        return Segment(label, base + style)


def _label(token: RibbonToken) -> str:
    return ("⟲" if token.retuned else "") + token_label(token.text, space=" ")
