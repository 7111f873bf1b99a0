"""Attention as text: a grid of shades that reads without colour, and what one token looks at, in words.

Knows neither Textual nor the command line; both show what is made here.
"""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from core.lab.attention import MEAN_OF_HEADS, Attention
from core.text.visible import token_label, visible

_SHADES: tuple[tuple[float, str], ...] = ((0.5, "█"), (0.25, "▓"), (0.1, "▒"), (0.02, "░"))
"""From which weight on a cell has which shade; below the last it is blank."""

LEGEND = "░ 2 %  ▒ 10 %  ▓ 25 %  █ 50 % and more"
FUTURE = "·"
"""A cell that a causal model cannot see: the token comes later."""

_LABEL_CELLS = 10
"""How wide the tokens stand before their rows at least."""


def shade(weight: float) -> str:
    """The glyph of a weight of 0-1."""
    return next((glyph for least, glyph in _SHADES if weight >= least), " ")


def fitted(text: str, cells: int) -> str:
    """A text exactly so many terminal cells wide, cut with … where it is longer."""
    return set_cell_size(text, cells) if cell_len(text) <= cells else set_cell_size(text, cells - 1) + "…"


def name(text: str) -> str:
    """A token as it is shown where spaces do not count, safe for a terminal."""
    bare = text.strip(" ")
    return token_label(bare, space=" ") if bare or not text else "␠"


def names(attention: Attention) -> list[str]:
    """The tokens as they are shown."""
    return [name(token.text) for token in attention.tokens]


def label_cells(shown: list[str]) -> int:
    """How many cells the longest of these names needs, `LABEL_CELLS` at least."""
    return max(_LABEL_CELLS, *map(cell_len, shown))


def title(attention: Attention) -> str:
    """Which kind of attention of which model."""
    return visible(f"{'causal' if attention.causal else 'two-directional'}: {attention.model}")


def place(attention: Attention) -> str:
    """Which layer and head."""
    head = f"mean of {attention.heads} heads"
    if attention.head != MEAN_OF_HEADS:
        head = f"head {attention.head}/{attention.heads}"
    return f"layer {attention.layer}/{attention.layers}, {head}"


def ruler(attention: Attention, cell_width: int) -> str:
    """The columns' numbers, from 1; of each its last digit."""
    return "".join(f"{number % 10:<{cell_width}}" for number in range(1, len(attention.tokens) + 1))


def row(attention: Attention, index: int, cell_width: int) -> str:
    """The shades of one token's row."""
    weights = attention.weights[index]
    last = index if attention.causal else len(weights) - 1
    return "".join((shade(weight) if column <= last else FUTURE) * cell_width for column, weight in enumerate(weights))


def strongest(attention: Attention, index: int, top: int) -> list[tuple[int, float]]:
    """The columns that a token looks at most, with their weights, largest first."""
    weights = attention.weights[index]
    seen = range(index + 1 if attention.causal else len(weights))
    return [(column, weights[column]) for column in sorted(seen, key=lambda column: -weights[column])[:top]]


def told(attention: Attention, index: int, top: int = 6) -> list[str]:
    """What one token looks at, in words and numbers, in pieces that may stand on lines of their own.

    Args:
        attention: the weights.
        index: the token, 0-based.
        top: how many of its columns are named.
    """
    shown = names(attention)
    looks = [
        f"`{shown[column]}`{f' ({column + 1})' if shown.count(shown[column]) > 1 else ''} {weight:.0%}"
        for column, weight in strongest(attention, index, top)
    ]
    return [f"`{shown[index]}` ({index + 1}) looks at:", *(f"{look}," for look in looks[:-1]), *looks[-1:]]


def lines_of(pieces: list[str], cells: int) -> list[str]:
    """Pieces joined with spaces into lines of so many cells at most; a longer piece is cut."""
    lines = [""]
    for piece in pieces:
        joined = f"{lines[-1]} {piece}".strip()
        if cell_len(joined) <= cells:
            lines[-1] = joined
        else:
            lines.append(piece if cell_len(piece) <= cells else fitted(piece, cells))
    return [line for line in lines if line]


def attention_cut_note(attention: Attention) -> str:
    """Says so when only the beginning of the text was read; else empty."""
    if attention.kept == attention.text_tokens:
        return ""
    return f"only the first {attention.kept} of {attention.text_tokens} tokens are read"
