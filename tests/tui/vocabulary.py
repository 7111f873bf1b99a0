"""Every token of the bundled tokenizers, and those that are hardest to draw; and what a widget paints of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from rich.cells import cell_len
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.widget import Widget

from core.messages.records import TokenPiece
from core.models.registry import STARTER_FOLDER
from tests.tui.conftest import read_tokenizer
from tui.widgets.fields import Field

TOKENIZERS = {"gpt2": 50_257, "bert": 30_522}
"""The tokenizers and how many tokens each has."""

HARD = (
    *("[/", "[bold]", "[/]", "[[", "\\[", "\\", "$text", "@click", "`", "<", "&amp;"),
    *("\x1b[31m", "\x00", "\x07", "\x08", "\x0b", "\x0c", "\r", "\n", "\n\n", "\t", "\x7f", "\x9b", "\x85"),
    *("\u200b", "\u200b\u200b", "\u200e", "\u202e", "\u2028", "\xad", "\ufeff", "\ufffd", "\ufe0f", "\u200d", "\xa0"),
    *("\u0336", "\u093e", "##\u093e", "\u1161", "##\u11ab", " \u064e", "한", "한국", "ᄒ", "が", "\u3000", "ﬀ"),
    *("😀", "👨\u200d👩\u200d👧", "❤\ufe0f", "🇰🇷", "\\xed", "", " ", "  ", "x" * 70, "한" * 40, "-" * 128),
)
"""Markup, control and hidden characters, marks without a letter, wide ones, no text at all, and very long ones."""


@cache
def entries(name: str) -> tuple[TokenPiece, ...]:
    """Every token of a tokenizer as a piece of the text that they make together, in the order of their ids."""
    tokenizer, pieces, end = read_tokenizer(name, STARTER_FOLDER / name), list[TokenPiece](), 0
    for id_ in range(tokenizer.vocab_size):
        raw, text = tokenizer.token_bytes(id_), tokenizer.token_text(id_)
        start, end = end, end + len(text)
        where = (start, end, tokenizer.is_special(id_))
        pieces.append(TokenPiece(id_, id_, tokenizer.token(id_), text, raw.hex(), *where, False, 1, 1))
    return tuple(pieces)


@cache
def texts(name: str) -> tuple[str, ...]:
    """What every token of a tokenizer stands for, as a step of a run tells it."""
    return tuple(piece.text for piece in entries(name))


def painted(widget: Widget) -> Iterator[str]:
    """The rows of a widget, those out of sight too; each is as wide as it says, measured whole."""
    if isinstance(widget, ScrollView):
        strips = [widget.render_line(y) for y in range(max(widget.virtual_size.height, widget.size.height))]
    else:
        strips = widget.render_lines(Region(0, 0, *widget.size))
    room = widget.scrollable_content_region.width + isinstance(widget, Field)  # its cursor may stand behind the text
    for strip in strips:
        assert cell_len(strip.text.rstrip()) <= room, ascii(strip.text)
        assert cell_len(strip.text) == strip.cell_length, ascii(strip.text)
        yield strip.text


def chunks(shown: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Stretches of a list."""
    return (shown[start : start + size] for start in range(0, len(shown), size))


def squeezed(text: str) -> str:
    """A text without blanks: where its lines are broken does not matter."""
    return "".join(text.split())
