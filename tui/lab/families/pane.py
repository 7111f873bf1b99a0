"""What is what: the model families of the course in a table, and everything about the one that is highlighted."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.widgets import DataTable, Static

from core.lab.families import FAMILIES, Direction, Family, facts, parameters_text, span_text
from tui.lab.local_pane import LocalPane

_ARROWS = {Direction.BOTH: "↔ both", Direction.LEFT: "← left"}


class FamiliesPane(LocalPane):
    """A row a family; the arrow keys walk them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "scroll_facts(-1)", "Facts up", show=False, tooltip="Scroll the facts up", priority=True),
        Binding(
            "pagedown", "scroll_facts(1)", "Facts down", show=False, tooltip="Scroll the facts down", priority=True
        ),
    ]
    HELP = """\
# What is what

All of these are transformers, and they differ most in where a token may look: in BERT's kind both ways, which suits \
judging and comparing text, in GPT's kind only to the left, which suits writing it. What they learned follows from \
that: BERT's kind fills gaps, GPT's kind predicts the next token. Sizes are those their makers publish, and where \
they publish none it says so.

The up and down keys walk the table; below it stands everything about one family, with the commands that try it here \
(Page Up and Page Down scroll it).
"""

    table: query_one[DataTable[str]] = query_one("#families-table", DataTable)
    details = query_one("#families-details", Static)

    def compose_body(self) -> ComposeResult:
        """The table, and the facts below it."""
        yield DataTable(id="families-table", cursor_type="row")
        with VerticalScroll(id="families-facts", can_focus=False):
            yield Static("", id="families-details")

    def on_mount(self) -> None:
        """Fill the table."""
        self.table.add_columns("model", "year", "attends", "layers", "parameters", "here")
        for family in FAMILIES:
            layers = span_text([str(size.layers) for size in family.sizes]) or "?"
            parameters = span_text([parameters_text(size.parameters) for size in family.sizes]) or "unpublished"
            here = "✓" if family.commands else "–"
            arrow = _ARROWS[family.direction]
            self.table.add_row(family.name, str(family.year), arrow, layers, parameters, here)

    def refresh_answer(self) -> None:
        """Everything about the highlighted family."""
        family = FAMILIES[self.table.cursor_row]
        self.details.update(_details(family))
        self.query_one("#families-facts", VerticalScroll).scroll_home(animate=False)

    def action_scroll_facts(self, pages: int) -> None:
        """Scroll the facts by a page."""
        facts_view = self.query_one("#families-facts", VerticalScroll)
        facts_view.scroll_relative(y=pages * max(1, facts_view.size.height - 1), animate=False)

    @on(DataTable.RowHighlighted)
    def _follow(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.ask()


def _details(family: Family) -> Content:
    """The facts, and what to type to try it."""
    source, learned, *rest = facts(family)
    parts: list[str | tuple[str, str]] = [(f"{family.name}  ", "bold"), f"{source}\n{learned}"]
    for index, command in enumerate(family.commands):
        parts += ["\n", ("here: " if index == 0 else "or:   ", "bold"), (command, "$text-accent")]
    if family.fetch:
        parts += ["\n", ("once: ", "bold"), (family.fetch, "$text-accent")]
    if not family.commands:
        parts.append(("\ncannot be tried here", "$text-warning"))
    return Content.assemble(*parts, *(f"\n{line}" for line in rest))
