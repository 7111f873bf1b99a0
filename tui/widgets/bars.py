"""Probabilities as rows of text: a label, a bar, a number. Aligned by terminal cells, so Korean lines up too."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from core.text.visible import visible, visible_alone

FULL, EMPTY = "█", "░"

VISIBLE_CHANGE = 0.01
"""A bar shows a change from this on, however few cells it has."""


def bar(fraction: float, cells: int) -> str:
    """A bar of `cells` cells, filled by a fraction of 0-1; readable without colour."""
    filled = round(min(max(fraction, 0.0), 1.0) * cells)
    return FULL * filled + EMPTY * (cells - filled)


def change_bar(before: float, now: float, cells: int) -> str:
    """A bar that shows what it gained (▓) or lost (▒); a change of less than a cell shows as one all the same.

    Args:
        before: the fraction it had, 0-1.
        now: the fraction it has.
        cells: its width.
    """
    filled, old = round(now * cells), round(before * cells)
    if filled == old and abs(now - before) >= VISIBLE_CHANGE:
        filled, old = (max(filled, 1), max(filled, 1) - 1) if now > before else (filled, min(filled + 1, cells))
    return ("█" * min(old, filled) + "▓" * (filled - old) + "▒" * (old - filled)).ljust(cells, "·")


def percent(probability: float) -> str:
    """A probability in six cells: per cent, or a power of ten where that would be 0.0 %."""
    if probability >= 0.0005 or probability == 0:
        return f"{probability:>6.1%}"
    return f"{probability:>6.0e}"


def fit(text: str, cells: int) -> str:
    """A text made safe to show and exactly `cells` cells wide, cut with … where it is longer."""
    shown = visible_alone(text)
    return set_cell_size(shown, cells) if cell_len(shown) <= cells else set_cell_size(shown, cells - 1) + "…"


def bar_rows(
    rows: Iterable[tuple[str, float, str]], *, label_cells: int = 14, bar_cells: int = 20, style: str = "$success"
) -> Content:
    """Rows of label, bar, per cent and note.

    Args:
        rows: (label, probability of 0-1, note).
        label_cells: width of the labels.
        bar_cells: width of the bars.
        style: of the filled part of the bars.
    """
    parts: list[str | tuple[str, str]] = []
    for label, probability, note in rows:
        whole = bar(probability, bar_cells)
        filled = whole.rstrip(EMPTY)
        parts += [
            f"{fit(label, label_cells)} ",
            (filled, style),
            (whole[len(filled) :], "$text-muted"),
            f" {probability:>6.1%}",
            (f"  {visible(note)}\n" if note else "\n", "$text-muted"),
        ]
    return Content.assemble(*parts)
