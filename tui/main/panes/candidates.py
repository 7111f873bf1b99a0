"""Candidates: what may come next, over the whole vocabulary, and what the samplers make of each entry."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region, Size
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static

from core.messages.records import Candidate, CandidateTable
from core.messages.sampling_params import SamplingParams
from core.text.visible import visible
from tui.widgets.candidate_columns import CandidateColumns
from tui.widgets.fields import Field
from tui.widgets.sampler_line import KNOBS, knob_text, sampler_order

WINDOW = 100
"""How many rows are asked for at once."""

_TITLE = "Candidates · F7"
_MARKS = str.maketrans({"·": " ", "↵": "\n", "⇥": "\t"})
"""What the table shows blanks as, so that a token can be looked for as it is seen."""


class CandidateList(ScrollView, can_focus=True):
    """The rows of a table that is far longer than the screen; rows that are not here are asked for."""

    class WindowWanted(Message):
        """Rows come into view that are not here."""

        def __init__(self, offset: int) -> None:
            super().__init__()
            self.offset = offset

    class SearchRequested(Message):
        """The user wants to look for an entry."""

    class BranchRequested(Message):
        """The user wants the text to go on with this entry."""

        def __init__(self, candidate: Candidate) -> None:
            super().__init__()
            self.candidate = candidate

    class KnobTurned(Message):
        """The user wants more or less of a setting."""

        def __init__(self, name: str, steps: int) -> None:
            super().__init__()
            self.name, self.steps = name, steps

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Better", show=False),
        Binding("down", "move(1)", "Worse", show=False),
        Binding("pageup", "move(-10)", "Ten better", show=False),
        Binding("pagedown", "move(10)", "Ten worse", show=False),
        Binding("home", "move(-1000000)", "Best", show=False),
        Binding("end", "move(1000000)", "Worst", show=False),
        Binding("enter", "branch", "Take it", tooltip="Go on with this token instead"),
        Binding("minus", "turn(-1)", "Turn", key_display="-+", tooltip="Less of the setting in ‹ ›; + more"),
        Binding("plus", "turn(1)", "More", show=False),
        Binding("equals_sign", "turn(1)", "More", show=False),
        Binding("left_square_bracket", "pick(-1)", "Knob", key_display="[]", tooltip="Another setting to turn"),
        Binding("right_square_bracket", "pick(1)", "Next knob", show=False),
        Binding("y", "app.take('candidate')", "Copy", tooltip="Copy this entry's text"),
        Binding("slash", "search", "Search", tooltip="Look for a token by its text or #id"),
    ]

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "candidate--kept",
        "candidate--cut",
        "candidate--cursor",
        "candidate--chosen",
        "candidate--ghost",
    }

    cursor = reactive(0)
    knob = reactive("temperature", repaint=False)
    """Which of `KNOBS` the keys turn."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self._rows: dict[int, Candidate] = {}
        self._wanted: set[int] = set()
        self._total = 0
        self._is_empty = False
        """Whether a search found nothing."""
        self._ghost: dict[int, float] = {}
        self.chosen_id = -1
        """The entry that was drawn here, marked; -1 when nothing was."""

    @property
    def at_cursor(self) -> Candidate | None:
        """The row under the cursor, when it is here."""
        return self._rows.get(self.cursor)

    def show(self, table: CandidateTable, *, fresh: bool, same_context: bool) -> None:
        """Take rows in.

        Args:
            table: a window.
            fresh: forget the rows that are here.
            same_context: the settings alone changed; what was likely before stays visible as a ghost.
        """
        if fresh:
            self._ghost = {row.id: row.final_prob for row in self._rows.values()} if same_context else {}
            self._rows.clear()
            self._wanted.clear()
        self._rows.update({table.offset + place: row for place, row in enumerate(table.rows)})
        self._total = table.matches
        self._is_empty = not table.matches
        self.virtual_size = Size(self.size.width, self._total)
        if fresh and not same_context:
            self.cursor = 0
            self.scroll_to(y=0, animate=False)
        self.refresh()

    @property
    def row_cells(self) -> int:
        """How wide a row is, beside the scrollbar."""
        return self.scrollable_content_region.width

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, self._total - 1))

    def watch_cursor(self) -> None:
        """Keep the cursor in view."""
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False)
        self.refresh()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.cursor += rows

    def action_branch(self) -> None:
        """Go on with the row under the cursor."""
        if self.at_cursor is not None:
            self.post_message(self.BranchRequested(self.at_cursor))

    def action_turn(self, steps: int) -> None:
        """Ask for more or less of the setting that is picked."""
        self.post_message(self.KnobTurned(self.knob, steps))

    def action_pick(self, steps: int) -> None:
        """Pick a neighbouring setting to turn."""
        names = list(KNOBS)
        self.knob = names[(names.index(self.knob) + steps) % len(names)]

    def action_search(self) -> None:
        """Go to the search."""
        self.post_message(self.SearchRequested())

    def render_line(self, y: int) -> Strip:
        """One row of the table."""
        place, width = y + self.scroll_offset.y, self.row_cells
        if self._is_empty and y == 0:
            style = self.get_component_rich_style("candidate--cut")
            return Strip([Segment(set_cell_size("  no token holds this", width), style)])
        if place >= self._total:
            return Strip.blank(width, self.rich_style)
        row = self._rows.get(place)
        if row is None:
            self._ask_for(place)
            return Strip([Segment("…".ljust(width), self.get_component_rich_style("candidate--cut"))])
        return self._row_strip(place, row, width)

    def _row_strip(self, place: int, row: Candidate, width: int) -> Strip:
        base = self.get_component_rich_style("candidate--kept" if row.kept else "candidate--cut")
        if place == self.cursor and self.has_focus:
            base += self.get_component_rich_style("candidate--cursor") + Style(underline=True)
        mark = "▶" if row.id == self.chosen_id else " "
        line = CandidateColumns.within(width).row(row, mark=mark, before=self._ghost.get(row.id, row.final_prob))
        return Strip([Segment(set_cell_size(line, width), base)])

    def _ask_for(self, place: int) -> None:
        offset = place // WINDOW * WINDOW
        if offset not in self._wanted:
            self._wanted.add(offset)
            self.post_message(self.WindowWanted(offset))


class CandidatesPane(Vertical):
    """A search, the table, and how the table came about."""

    class SearchChanged(Message):
        """Other rows are wanted."""

        def __init__(self, search: str) -> None:
            super().__init__()
            self.search = search

    HELP = """\
# Candidates

At every step the model gives each of its 50,257 tokens a probability, and the samplers decide which of them may be \
drawn and how likely. `model` is the model's own softmax, `final` what is left after the samplers, renormalised: 0 for \
a token that was cut, with the rule that cut it. **-** and **+** turn the setting in ‹ ›, **[** and **]** pick another \
(Sampling, F4, has them all), and the table follows at once, with no forward pass; ▓ is what a bar gained and ▒ what \
it lost.

Type to follow the prompt; in the X-ray (F9) the table is that of the token under the cursor, and ▶ marks the one that \
was drawn. Arrow keys walk all entries, **Enter** goes on with the one under the cursor (a branch), **y** copies its \
text. **/** goes to the search, which takes text, as it is or as the table shows it (`·the`), or `#id`.
"""

    search = query_one("#candidate-search", Input)
    rows = query_one(CandidateList)

    settings: reactive[SamplingParams] = reactive(SamplingParams, init=False, repaint=False)
    """Those of now, which the knob turns, said with the table that follows; it may be made with others."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.border_title = _TITLE
        self.border_subtitle = "-+ turn ‹ › · [] another · Enter takes one · / searches"
        self._heading = ""
        self._params: SamplingParams | None = None
        """Those that the table was made with; None before there is one."""

    def compose(self) -> ComposeResult:
        """The search over the table."""
        yield Static("", id="candidate-order")
        yield Field(placeholder="search: text or #id", id="candidate-search", compact=True)
        yield Static("", id="candidate-heading")
        yield CandidateList()
        yield Static("", id="candidate-summary")

    def on_mount(self) -> None:
        """Name the knob that is picked."""
        self.watch(self.rows, "knob", self._name_samplers, init=False)

    def on_resize(self) -> None:
        """Name the columns where they stand now."""
        self.call_after_refresh(self._name_columns)

    def _name_columns(self) -> None:
        heading = CandidateColumns.within(self.rows.row_cells).heading
        if heading != self._heading:
            self._heading = heading
            self.query_one("#candidate-heading", Static).update(Content(heading), layout=False)

    def show(
        self,
        table: CandidateTable,
        params: SamplingParams,
        *,
        fresh: bool,
        same_context: bool,
        chosen_id: int = -1,
        place: str = "",
    ) -> None:
        """Show a table, or a window of the one that is here.

        Args:
            table: the rows.
            params: the settings they were made with.
            fresh: it is another table.
            same_context: only the settings differ from the table before.
            chosen_id: the entry that was drawn.
            place: what the table is about.
        """
        self.rows.chosen_id = chosen_id
        self.rows.show(table, fresh=fresh, same_context=same_context)
        self.call_after_refresh(self._name_columns)  # the scrollbar may have come or gone
        self._params = params
        self._name_samplers()
        found = f"{table.matches:,} found · " if self.search.value else ""
        summary = f"{found}{table.kept:,} kept with {table.kept_mass:.1%} of the model's mass"
        summary += f" · entropy {table.entropy:.2f} bits"
        self._say("summary", summary)
        title = f"{_TITLE} · {visible(place or f'after {table.context_tokens:,} tokens')}"
        if title != self.border_title:  # a title paints the whole pane anew
            self.border_title = title

    def show_note(self, text: str) -> None:
        """Say something in place of the summary."""
        self._say("summary", text)

    def _name_samplers(self) -> None:
        """Say in which order the samplers act, and which setting the keys turn."""
        if self._params is not None:
            before, knob, after = sampler_order(self._params, knob_text(self.rows.knob, self.settings))
            order = Content.assemble((before, "$text-muted"), (knob, "bold"), (after, "$text-muted"))
            self._show("order", order)

    def _say(self, line: str, text: str) -> None:
        """Show a text in the line over or under the table."""
        self._show(line, Content.styled(visible(text), "$text-muted"))

    def _show(self, line: str, content: Content) -> None:
        """Fill one of these lines, unless that is there already."""
        static = self.query_one(f"#candidate-{line}", Static)
        if content != static.content:
            static.update(content, layout=False)

    @on(Input.Changed, "#candidate-search")
    def _tell_search(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.SearchChanged(event.value.translate(_MARKS)))

    @on(CandidateList.SearchRequested)
    def _go_to_search(self, event: CandidateList.SearchRequested) -> None:
        event.stop()
        self.search.focus()

    @on(Input.Submitted, "#candidate-search")
    def _go_to_rows(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()
