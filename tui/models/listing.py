"""The list of models: a row each, filled as their facts come, filtered by what is typed; the ones in use are marked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from core.models.hub.refusals import size_text
from core.text.visible import visible
from tui.models.rows import ModelRow, Use
from tui.models.texts import precision_in_use
from tui.widgets.bars import fit

WRITES, COMPARES, UNUSABLE = "▸", "≈", "✗"
"""What stands before the model that writes, the one that compares, and one that cannot be used."""

_NAME_CELLS, NARROW_NAME_CELLS = 40, 26

_NUMBERS = ("parameters", "memory", "disk")
_COLUMNS = {"name": 0, "task": 21, "parameters": 10, "memory": 8, "disk": 8, "where": 7, "licence": 16, "revision": 8}
"""With their cells; that of the names is as wide as they are. Fixed, so that nothing moves while facts come."""


class ModelsTable(DataTable[Text]):
    """A row a model; its cursor is the row that the keys are about."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Use", tooltip="Use the model under the cursor"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, cursor_type="row", fixed_columns=1, zebra_stripes=False)
        self.models: dict[str, ModelRow] = {}
        """Every model by name, those that are filtered out too."""
        self._wanted = ""
        self._writes: Path | None = None
        self._compares: Path | None = None
        self._precision = "auto"
        self._name_cells = _NAME_CELLS

    @property
    def under_cursor(self) -> ModelRow | None:
        """The model that the keys are about; None when the list is empty."""
        if not self.row_count:
            return None
        return self.models.get(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value or "")

    def show_models(self, rows: Iterable[ModelRow]) -> None:
        """Take other models; what is known of one that stays is kept until it is read anew."""
        fresh = {row.name: row for row in rows}
        for name, row in fresh.items():
            known = self.models.get(name)
            if row.facts is None and known is not None and known.model == row.model:
                fresh[name] = known
        self.models = fresh
        self._rebuild()

    def show_row(self, row: ModelRow) -> None:
        """Take what became known of a model."""
        if row.name not in self.models:
            return
        self.models[row.name] = row
        if row.name in self.rows:
            for column, cell in zip(_COLUMNS, self._cells(row), strict=True):
                self.update_cell(row.name, column, cell)
        elif row.matches(self._wanted):
            self._rebuild()

    def show_matches(self, wanted: str) -> int:
        """List only what holds every word; returns how many models do."""
        self._wanted = wanted
        matches = [name for name, row in self.models.items() if row.matches(wanted)]
        if matches != [key.value for key in self.rows]:
            self._rebuild()
        return self.row_count

    def show_use(self, writes: Path | None, compares: Path | None, precision: str) -> None:
        """Mark the models in use, and give memory for a precision.

        Args:
            writes: the folder of the one that writes; it may have several names.
            compares: the folder of the one that compares.
            precision: the one in use, or `auto`.
        """
        use = (writes, compares, precision)
        if use != (self._writes, self._compares, self._precision):
            self._writes, self._compares, self._precision = use
            self._rebuild()

    def show_narrow(self, narrow: bool) -> None:
        """Give names less room."""
        cells = NARROW_NAME_CELLS if narrow else _NAME_CELLS
        if cells != self._name_cells:
            self._name_cells = cells
            self._rebuild()

    def go_to(self, name: str) -> bool:
        """Put the cursor on a model; False when it is not in the list."""
        if name not in self.rows:
            return False
        self.move_cursor(row=self.get_row_index(name))
        return True

    def _rebuild(self) -> None:
        """Make the rows anew, the cursor on the same model."""
        here = self.under_cursor
        place = self.cursor_row
        self.clear(columns=True)
        shown = [row for row in self.models.values() if row.matches(self._wanted)]
        longest = max((cell_len(visible(row.name)) for row in shown), default=0)
        for column, cells in _COLUMNS.items():
            label = Text(column, justify="right" if column in _NUMBERS else "left")
            self.add_column(label, key=column, width=cells or 2 + max(4, min(longest, self._name_cells)))
        for row in shown:
            self.add_row(*self._cells(row), key=row.name)
        if self.row_count and not (here is not None and self.go_to(here.name)):
            self.move_cursor(row=min(place, self.row_count - 1))

    def _cells(self, row: ModelRow) -> list[Text]:
        facts = row.facts
        writes, compares = row.model.folder == self._writes, row.model.folder == self._compares
        mark = WRITES if writes else COMPARES if compares else ""
        if not mark and (row.problem or (row.purpose is not None and row.purpose.use is Use.NOTHING)):
            mark = UNUSABLE
        name = Text(f"{mark:<1} {fit(row.name, self._name_cells).rstrip()}", style="bold" if writes or compares else "")
        if facts is None:
            return [name, Text("…"), *(Text("") for _ in _NUMBERS), Text(row.model.source.value), Text(""), Text("")]
        memory = facts.memory_bytes.get(precision_in_use(facts, self._precision))
        numbers = (
            f"{facts.parameters / 1e6:,.1f} M" if facts.parameters else "",
            size_text(memory) if memory else "",
            size_text(facts.size_bytes) if facts.size_bytes else "",
        )
        return [
            name,
            Text(fit(facts.task, _COLUMNS["task"]).rstrip()),
            *(Text(number, justify="right") for number in numbers),
            Text(row.model.source.value),
            Text(fit(facts.license, _COLUMNS["licence"]).rstrip()),
            Text(facts.revision[:7]),
        ]
