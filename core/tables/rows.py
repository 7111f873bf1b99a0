"""Tables of texts and labels from TSV, CSV, JSON Lines and plain text, row by row, with line numbers.

TSV is GLUE's: tabs, no quoting. CSV is quoted; its delimiter is read off the first line. A byte order mark is dropped.
Rows that cannot be used are reported and passed over; only a file that is no table at all is an error.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from core.errors import EngineError, InputError
from core.tables.columns import Columns, LabelUse, Layout, find_columns

MAX_ROWS = 500_000
"""More rows than this are refused unless a limit is given: they are kept in memory."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BLANK = "the line is blank"


class TableFormat(StrEnum):
    """How a file separates its columns."""

    TSV = "TSV"
    CSV = "CSV"
    JSONL = "JSON Lines"
    PLAIN = "plain text"
    """A text a line."""


_FORMATS = {
    ".tsv": TableFormat.TSV,
    ".tab": TableFormat.TSV,
    ".csv": TableFormat.CSV,
    ".jsonl": TableFormat.JSONL,
    ".ndjson": TableFormat.JSONL,
    ".json": TableFormat.JSONL,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row."""

    texts: tuple[str, ...]
    """One, or a pair."""
    label: str
    """As the file spells it; empty where there is no label column."""
    line: int
    """Where the row begins, from 1."""


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that was passed over."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows."""

    rows: tuple[Row, ...]
    """At least one."""
    broken: tuple[BrokenRow, ...]
    columns: Columns
    """The columns that were read, by name, or by number where there is no header."""
    second_text: str = ""
    """The second text's column of a pair of which only the first was read."""


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    cells: tuple[str, ...] = ()
    missing: frozenset[int] = frozenset()
    """Cells that are not there, or no text."""
    problem: str = ""


def format_of(path: Path) -> TableFormat:
    """The format that a file's name tells; plain text when it tells none."""
    return _FORMATS.get(path.suffix.lower(), TableFormat.PLAIN)


def _usable(_: Row) -> str:
    """No complaint about any row."""
    return ""


def read_rows(
    path: Path,
    columns: Columns = Columns(),  # noqa: B008 (it is frozen)
    *,
    texts: int = 1,
    label: LabelUse = LabelUse.REQUIRED,
    limit: int = 0,
    check: Callable[[Row], str] = _usable,
) -> Table:
    """Read a table.

    Args:
        path: a file; its extension tells the format, else its first line does.
        columns: which columns to read; those left empty are guessed.
        texts: how many texts a row has: 1, 2, or 0 for two where the header names a pair and else one.
        label: whether there must be a label column.
        limit: how many usable rows to read at most; 0 is all.
        check: says why a row cannot be used, such as an unknown label; empty when it can.

    Raises:
        EngineError: the file cannot be read.
        InputError: it has no usable row, too many, or the columns cannot be found.
    """
    rows: list[Row] = []
    broken: list[BrokenRow] = []
    layout: Layout | None = None
    with _opened(path) as file:
        kind = _detect(file, path)
        for record in _records(file, kind):
            if layout is None and not record.problem:
                is_header = kind is TableFormat.JSONL
                layout = find_columns(record.cells, columns, texts=texts, label=label, is_header=is_header)
                if layout.has_header:
                    continue
            found = _row(record, layout)
            if isinstance(found, Row) and (complaint := check(found)):
                found = BrokenRow(found.line, complaint)
            rows.append(found) if isinstance(found, Row) else broken.append(found)
            if limit and len(rows) == limit:
                break
            if len(rows) + len(broken) > MAX_ROWS:
                raise InputError(f"{path} has more than {MAX_ROWS:,} rows", "read some of them with a limit")
    if layout is None or not rows:
        raise _nothing_usable(path, broken)
    return Table(tuple(rows), tuple(broken), layout.columns, layout.second_text)


def read_lines(path: Path) -> tuple[str, tuple[BrokenRow, ...]]:
    """A file as one text, and the lines left out of it because they are not UTF-8.

    Raises:
        EngineError: the file cannot be read.
        InputError: there is no text in it.
    """
    with _opened(path) as file:
        _detect(file, path)
        lines = list(_lines(file))
    broken = tuple(BrokenRow(record.line, record.problem) for record in lines if record.problem)
    text = "".join(record.cells[0] for record in lines if not record.problem)
    if not text.strip():
        raise _nothing_usable(path, broken)
    return text, broken


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.is_dir():
        raise InputError(f"{path} is a folder", "give a TSV, CSV or JSONL file")
    try:
        with path.open("rb") as file:
            yield file
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise EngineError(f"{path} cannot be read: {reason}", "check the path and its permissions") from None


def _nothing_usable(path: Path, broken: Sequence[BrokenRow]) -> InputError:
    if not broken:
        return InputError(f"there are no rows in {path}", "give a file with a row for each text")
    first = f"line {broken[0].line}: {broken[0].reason}"
    return InputError(f"none of the {len(broken):,} rows of {path} can be used ({first})", "check the columns")


def _detect(file: BinaryIO, path: Path) -> TableFormat:
    """How the file separates its columns; leaves the file at its beginning."""
    start = file.read(4096)
    file.seek(0)
    if start.startswith(_UTF16_MARKS):
        raise InputError(f"{path} is UTF-16, not UTF-8", "re-encode it with iconv -f UTF-16 -t UTF-8")
    first_line = start.removeprefix(_UTF8_MARK).lstrip().partition(b"\n")[0]
    told = format_of(path)
    if told is not TableFormat.PLAIN:
        return told
    if first_line.startswith(b"{"):
        return TableFormat.JSONL
    return TableFormat.TSV if b"\t" in first_line else TableFormat.PLAIN


def _lines(file: Iterable[bytes]) -> Iterator[_Record]:
    """Each line as one cell, its line end included."""
    for number, raw in enumerate(file, start=1):
        if number == 1:
            raw = raw.removeprefix(_UTF8_MARK)
        try:
            yield _Record(number, (raw.decode(),))
        except UnicodeDecodeError as error:
            yield _Record(number, problem=f"not valid UTF-8 (byte {error.start + 1} of the line)")


def _records(file: Iterable[bytes], kind: TableFormat) -> Iterator[_Record]:
    """The cells of each row; blank lines at the end of the file are none."""
    match kind:
        case TableFormat.CSV:
            found = _csv_records(file)
        case TableFormat.JSONL:
            found = _json_records(_lines(file))
        case TableFormat.TSV:
            found = _split_records(_lines(file), "\t")
        case TableFormat.PLAIN:
            found = (record for record in _split_records(_lines(file), "") if record.problem != _BLANK)
    blanks: list[_Record] = []
    for record in found:
        if record.problem == _BLANK:
            blanks.append(record)
            continue
        yield from blanks
        blanks.clear()
        yield record


def _split_records(lines: Iterable[_Record], separator: str) -> Iterator[_Record]:
    for record in lines:
        if record.problem:
            yield record
            continue
        text = record.cells[0].rstrip("\r\n")
        cells = tuple(text.split(separator)) if separator else (text,)
        yield _Record(record.line, cells) if text.strip() else _Record(record.line, problem=_BLANK)


def _json_records(lines: Iterable[_Record]) -> Iterator[_Record]:
    """First the keys of the first object, then the values under them of every object."""
    keys: tuple[str, ...] = ()
    for record in lines:
        if record.problem or not record.cells[0].strip():
            yield record if record.problem else _Record(record.line, problem=_BLANK)
            continue
        try:
            value = json.loads(record.cells[0])
        except (ValueError, RecursionError) as error:
            yield _Record(record.line, problem=f"not JSON: {error}")
            continue
        if not isinstance(value, dict):
            yield _Record(record.line, problem="not a JSON object")
            continue
        if not keys:
            keys = tuple(value)
            yield _Record(record.line, keys)
        cells = tuple(_json_cell(value.get(key)) for key in keys)
        missing = frozenset(index for index, cell in enumerate(cells) if cell is None)
        yield _Record(record.line, tuple(cell or "" for cell in cells), missing)


def _json_cell(value: object) -> str | None:
    """A scalar as text, true and false as 1 and 0; None for anything else."""
    match value:
        case str():
            return value
        case bool() | int():
            return str(int(value))
        case float():
            return str(int(value)) if value.is_integer() else str(value)
    return None


def _csv_records(file: Iterable[bytes]) -> Iterator[_Record]:
    lines = (raw.removeprefix(_UTF8_MARK).decode(errors="surrogateescape") for raw in file)
    first = next(lines, "")
    delimiter = max(",;\t|", key=re.sub(r'"[^"]*"', "", first).count)
    reader = csv.reader(itertools.chain([first] if first else [], lines), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        try:
            cells = tuple(next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            yield _Record(line, problem=f"not CSV: {error}")
            continue
        if any(map(_SURROGATE.search, cells)):
            yield _Record(line, problem="not valid UTF-8")
        else:
            yield _Record(line, cells) if any(map(str.strip, cells)) else _Record(line, problem=_BLANK)


def _row(record: _Record, layout: Layout | None) -> Row | BrokenRow:
    """A record's texts and label, or what is wrong with it."""
    if layout is None or record.problem:
        return BrokenRow(record.line, record.problem)
    width, cells = len(layout.names), record.cells
    if len(cells) != width:
        return BrokenRow(record.line, f"{len(cells)} column{'s' * (len(cells) != 1)} instead of {width}")
    for index in (*layout.texts, *([layout.label] if layout.label >= 0 else [])):
        if index in record.missing:
            return BrokenRow(record.line, f"no text under {layout.names[index]!r}")
        if _SURROGATE.search(cells[index]):
            return BrokenRow(record.line, f"{layout.names[index]!r} holds half a character (a lone surrogate)")
    texts = tuple(cells[index] for index in layout.texts)
    if not all(map(str.strip, texts)):
        return BrokenRow(record.line, "a text is empty" if len(texts) > 1 else "the text is empty")
    label = cells[layout.label].strip() if layout.label >= 0 else ""
    if layout.label >= 0 and not label:
        return BrokenRow(record.line, "the label is empty")
    return Row(texts, label, record.line)
