"""Every token of the bundled tokenizers is drawn, with nothing swallowed and in the cells that it claims."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll

from core.messages.records import Candidate, CandidateTable
from core.text.visible import one_glyph_each, token_label, visible, visible_alone
from tests.core.text.test_visible import ANYTHING
from tests.tui.vocabulary import HARD, TOKENIZERS, chunks, entries, painted, squeezed, texts
from tui.main.panes.candidates import CandidateList
from tui.transcript.turn import Turn
from tui.widgets.bars import bar_rows, fit
from tui.widgets.candidate_columns import CandidateColumns
from tui.widgets.fields import Area, Field
from tui.widgets.ribbon_view import RibbonToken, RibbonView
from tui.widgets.token_view import TokenView, chip_label
from tui.widgets.wrapped import WrappedView

SIZE = (100, 30)


class Viewer(App[None]):
    """Everything that draws tokens, each in a box of its own."""

    CSS = "TokenView, RibbonView, CandidateList, Area, #turns { height: 3; } Turn { height: auto; }"

    def compose(self) -> ComposeResult:
        yield TokenView()
        yield RibbonView()
        yield CandidateList()
        yield Field(compact=True)
        yield Area()
        yield VerticalScroll(id="turns")


def is_seen(character: str) -> bool:
    """Whether a character has a shape of its own; those without one need a sign in their place."""
    return unicodedata.category(character)[0] not in "CZ" and character not in "\ufe0f\ufffd\u034f\u3164\uffa0\u2800"


def holds_in_order(label: str, characters: Iterable[str]) -> bool:
    """Whether a label has these characters in this order."""
    rest = iter(label)
    return all(character in rest for character in characters)


def check_label(text: str, label: str) -> None:
    """A label has a cell at least, every character of its text, and nothing that a terminal obeys."""
    if text and text.isascii() and text.isprintable():
        assert label.removeprefix("##") in (text, text.replace(" ", "·")) or label == text
        return
    drawn = [character for character in text if is_seen(character)]
    assert holds_in_order(label, drawn), ascii((text, label))
    assert visible_alone(label) == label
    assert cell_len(label) >= 1, ascii(text)
    assert not text.strip(" ") or label.strip(" "), ascii(text)
    assert len(label) >= len(text)
    assert cell_len(f"a{label}b") == cell_len(label) + 2, ascii(label)  # it changes no neighbour's width
    for cells in (1, 2, 14, 30):
        assert cell_len(fit(label, cells)) == cells, ascii((label, cells))


def every_text() -> Iterator[str]:
    """Every token of both tokenizers and those that are hard."""
    yield from HARD
    for name in TOKENIZERS:
        yield from texts(name)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_all_tokens_are_looked_at(name: str) -> None:
    assert len(entries(name)) == TOKENIZERS[name]
    assert len({piece.token for piece in entries(name)}) == TOKENIZERS[name]


def test_the_label_of_every_token_shows_all_of_it() -> None:
    for text in every_text():
        check_label(text, token_label(text))
        check_label(text, token_label(text, space=" "))
    for name in TOKENIZERS:
        for piece in entries(name):
            check_label(piece.text, chip_label(piece, piece.text))


@given(ANYTHING)
def test_the_label_of_any_text_shows_all_of_it(text: str) -> None:
    check_label(text, token_label(text))


@given(ANYTHING)
def test_a_field_has_a_glyph_for_each_character(text: str) -> None:
    shown = one_glyph_each(text)
    assert len(shown) == len(text)
    assert visible(shown.replace("\t", "")) == shown.replace("\t", "")


def test_every_token_has_its_row_of_bars() -> None:
    rows = str(bar_rows((text, 0.5, text) for text in every_text())).splitlines()
    for text, row in zip(every_text(), rows, strict=True):
        assert row.startswith(f"{fit(text, 14)} █"), ascii(row)
        assert cell_len(row.split("  50.0%")[0].split(" 50.0%")[0]) == 14 + 1 + 20 or "%" in text, ascii(row)
        assert row.endswith(visible(text)), ascii(row)


def check_labels(view: WrappedView) -> None:
    """Every label stands in its row, and every row is as wide as the view."""
    rows = list(painted(view))
    width, room, met = view.size.width, view.scrollable_content_region.width, 0
    for y, row in enumerate(rows):
        places, of_line = view.at_row(y)
        at = 0
        for index in places if of_line == 0 else ():
            label, cells = view.labels[index]
            shown = label if cells <= room else fit(label, room - 2).rstrip("… ")
            at = row.find(shown, at)
            assert at >= 0, ascii((shown, row))
            at += len(shown)
            met += 1
        assert cell_len(row) == width
    assert met == len(view.labels)


@pytest.mark.parametrize("name", TOKENIZERS)
async def test_every_token_is_a_chip(name: str) -> None:
    app, pieces = Viewer(), entries(name)
    async with app.run_test(size=SIZE):
        view = app.query_one(TokenView)
        view.show(pieces, "".join(piece.text for piece in pieces))
        assert len(view.labels) == len(pieces)
        check_labels(view)


@pytest.mark.parametrize("name", [*TOKENIZERS, "hard"])
async def test_every_token_stands_in_the_ribbon(name: str) -> None:
    shown = HARD if name == "hard" else texts(name)
    app = Viewer()
    async with app.run_test(size=SIZE):
        view = app.query_one(RibbonView)
        tokens = [
            RibbonToken(text, i, i, 0.5, 1, 1.0, 0.5, 3, 0.9, "" if i % 7 else "top_k 5 → 6")
            for i, text in enumerate(shown)
        ]
        view.show(tokens, cursor=0)
        assert len(view.labels) == len(shown)
        check_labels(view)


@pytest.mark.parametrize("name", [*TOKENIZERS, "hard"])
async def test_every_token_is_a_candidate(name: str) -> None:
    shown = HARD if name == "hard" else texts(name)
    app = Viewer()
    async with app.run_test(size=SIZE):
        view = app.query_one(CandidateList)
        rows = [Candidate(i + 1, i, text, -1.0, 0.25, 0.5, 0.5, True, "") for i, text in enumerate(shown)]
        view.show(CandidateTable(tuple(rows), 0, len(rows), 5, 0.9, 2.5, 4), fresh=True, same_context=False)
        lines = list(painted(view))[: len(rows)]
        assert {cell_len(line) for line in lines} == {view.row_cells}
        columns = CandidateColumns.within(view.row_cells)
    for row, line in zip(rows, lines, strict=True):
        assert line[1:].startswith(f"{row.rank:>5} {fit(token_label(row.text), columns.token)} ")
        assert line.endswith(f" {row.id:>6}") or line.rstrip().endswith(f" {row.id}")


@pytest.mark.parametrize("name", [*TOKENIZERS, "hard"])
async def test_every_token_is_read_in_the_conversation(name: str) -> None:
    shown = HARD if name == "hard" else texts(name)
    space = " " if name == "bert" else ""
    app = Viewer()
    async with app.run_test(size=SIZE) as pilot:
        box = app.query_one("#turns")
        for chunk in chunks(shown, 10_000):
            turn = Turn("", "")
            turn.begin(1, "")
            turn.append(0, space.join(chunk), -1.0)
            await box.mount(turn)
            await pilot.pause()
            text = squeezed("".join(painted(turn)))
            assert text == squeezed(visible(space.join(chunk), layout=True))
            await turn.remove()


async def test_every_token_can_be_written_into_a_field_and_an_area() -> None:
    app = Viewer()
    kept = [text for text in every_text() if len((text + ".").splitlines()) == 1]  # an area makes two lines of others
    async with app.run_test(size=SIZE) as pilot:
        area, field = app.query_one(Area), app.query_one(Field)
        for chunk in chunks(kept, 20_000):
            area.text = "\n".join(chunk)
            await pilot.pause()
            lines = [area.get_line(y).plain for y in range(len(chunk))]
            assert lines == [one_glyph_each(text) for text in chunk]
        for text in HARD:
            field.value = f"a{text}b"
            (line,) = painted(field)
            assert squeezed(line).startswith(squeezed(one_glyph_each(f"a{text}b"))[:40])
