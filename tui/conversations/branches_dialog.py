"""Branches: the runs of one prompt as a tree, and two of them side by side with what differs marked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.text.visible import visible
from tui.conversations.branch_tree import Node, differing
from tui.widgets.bars import fit

SIDES = "AB"
"""What the two texts that are compared are called."""

SHARED_SHOWN = 8
"""How many of the tokens that both texts begin with are shown before they part."""

_NAME_CELLS, DEPARTS_CELLS = 12, 22
NOT_MARKED = "·"
"""Stands where A or B may stand: a row that began with a space would lose it."""

HEADING = f"{NOT_MARKED} {'run':<{_NAME_CELLS}} {'left at':<{DEPARTS_CELLS}} {'log p':>8} {'a token':>7} {'n':>4}  text"


class BranchList(OptionList):
    """The tree, one text a line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "screen.mark", "Mark", show=False)]


class BranchesDialog(ModalScreen[Node | None]):
    """A tree to walk; the node that was chosen, or None."""

    CSS_PATH = "branches.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,b", "dismiss(None)", "Close")]

    HELP = """\
# Branches

Every text that was written after this prompt. An indented line left the one above it: **left at** says at which new \
token, what stood there and what was taken instead. **log p** is the sum of the log-probabilities of all tokens after \
the prompt, the shared ones too, under the model's own softmax; **a token** is the same divided by their number *n*.
"""

    rows = query_one(BranchList)

    def __init__(self, prompt: str, nodes: Sequence[Node], at: int) -> None:
        """Make the dialog.

        Args:
            prompt: of the tree.
            nodes: as `branch_tree` gives them, at least one.
            at: which of them the cursor stands on first.
        """
        super().__init__()
        self._prompt, self._texts, self._at = prompt, nodes, at
        self._marked: list[int] = []
        """At most two places in `_texts`; the first is A."""

    def compose(self) -> ComposeResult:
        """The tree over two columns."""
        with Vertical(classes="dialog", id="branches") as frame:
            words = visible(" ".join(self._prompt.split()))
            frame.border_title = f"Branches of “{fit(words, 40).rstrip()}”"
            frame.border_subtitle = "↑↓ walk · space marks two · Enter X-ray · Tab scrolls · Esc"
            yield Static(Content(HEADING), id="branches-heading")
            yield BranchList(*(Option(self._row(place)) for place in range(len(self._texts))), id="branches-list")
            with Horizontal(id="branches-pair"):
                for side in SIDES:
                    with VerticalScroll(classes="branch-side", id=f"branch-{side}"):
                        yield Static("")

    def on_mount(self) -> None:
        """Stand on the run that was looked at."""
        self.rows.highlighted = self._at
        self.rows.focus()

    def action_mark(self) -> None:
        """Mark the text under the cursor for comparison, or take its mark away; a third mark replaces the older one."""
        place = self.rows.highlighted
        if place is None:
            return
        if place in self._marked:
            self._marked.remove(place)
        else:
            self._marked = [*self._marked[-1:], place]
        for row in range(len(self._texts)):
            self.rows.replace_option_prompt_at_index(row, self._row(row))
        self._compare()

    @on(OptionList.OptionHighlighted)
    def _walk(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._compare()

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._texts[event.option_index])

    def _row(self, place: int) -> Content:
        node = self._texts[place]
        mark = SIDES[self._marked.index(place)] if place in self._marked else NOT_MARKED
        numbers = f"{node.logprob:>8.2f} {node.mean:>7.2f} {len(node.tokens):>4}"
        text = visible(" ".join(node.text.split()))
        name = fit(node.guide + node.label, _NAME_CELLS)
        return Content(f"{mark} {name} {fit(node.departs, DEPARTS_CELLS)} {numbers}  {text}")

    def _pair(self) -> list[int]:
        """The places that stand side by side: those marked, then the cursor's, then the one that it left."""
        at = self.rows.highlighted or 0
        places = list(self._marked)
        if len(places) < len(SIDES) and at not in places:
            places.append(at)
        if len(places) < len(SIDES):
            places += [other for other in (self._neighbour(places[0]),) if other is not None]
        return places

    def _neighbour(self, place: int) -> int | None:
        """The text that one left; for one that left none its neighbour; None when it is the only one."""
        depth = len(self._texts[place].guide)
        shallower = [other for other in range(place) if len(self._texts[other].guide) < depth]
        if shallower:
            return shallower[-1]
        others = [other for other in (place - 1, place + 1) if 0 <= other < len(self._texts)]
        return others[0] if others else None

    def _compare(self) -> None:
        pair = [self._texts[place] for place in self._pair()]
        first = [token.id for token in pair[0].tokens]
        second = [token.id for token in pair[1].tokens] if len(pair) > 1 else first
        *flags, shared = differing(first, second)
        hidden = max(0, shared - SHARED_SHOWN) if len(pair) > 1 else 0
        for number, side in enumerate(SIDES):
            column = self.query_one(f"#branch-{side}", VerticalScroll)
            if number < len(pair):
                node = pair[number]
                column.border_title = f"{side} · run {node.label} · {node.logprob:.2f}"
                content = _marked_text(node, flags[number], hidden)
            else:
                column.border_title = side
                content = Content("Run the prompt again (ctrl+r), or take another road in the X-ray (F9, Enter).")
            column.query_one(Static).update(content)


def _marked_text(node: Node, flags: Sequence[bool], hidden: int) -> Content:
    """A text whose differing stretches stand in ‹ ›, underlined."""
    parts: list[str | tuple[str, str]] = []
    if hidden:
        parts.append((f"… {hidden:,} tokens in common …\n", "$text-muted"))
    pairs = zip(node.tokens[hidden:], flags[hidden:], strict=True)
    for differs, group in groupby(pairs, key=lambda pair: pair[1]):
        text = visible("".join(token.text for token, _ in group), layout=True)
        parts.append((f"‹{text}›", "bold underline $text-warning") if differs else text)
    return Content.assemble(*parts)
