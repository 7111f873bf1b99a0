"""Reading tables of texts: formats, columns, and rows that cannot be used."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import EngineError, InputError
from core.tables.columns import Columns, LabelUse
from core.tables.rows import MAX_ROWS, BrokenRow, Row, read_lines, read_rows

MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_glue_s_mrpc_is_read_without_quoting_and_without_its_byte_order_mark(tmp_path: Path) -> None:
    content = "\ufeff" + MRPC + '1\t12\t13\t" He said .\tShe said " no .\r\n0\t1\t2\ta\tb\n'
    table = read_rows(written(tmp_path, "dev.tsv", content), texts=2)
    assert table.rows == (Row(('" He said .', 'She said " no .'), "1", 2), Row(("a", "b"), "0", 3))
    assert table.columns == Columns("#1 String", "#2 String", "Quality")


def test_sst_2_is_read_as_it_is(tmp_path: Path) -> None:
    table = read_rows(written(tmp_path, "dev.tsv", "sentence\tlabel\na good one . \t1\n"))
    assert table.rows == (Row(("a good one . ",), "1", 2),)


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_csv_is_quoted_whatever_separates_it_and_lines_are_counted_inside_quotes(
    tmp_path: Path, delimiter: str
) -> None:
    content = f'text{delimiter}label\n"two\nlines{delimiter} here"{delimiter}1\nplain{delimiter}0\n'
    table = read_rows(written(tmp_path, "a.csv", content))
    assert table.rows == (Row((f"two\nlines{delimiter} here",), "1", 2), Row(("plain",), "0", 4))


def test_json_lines_take_scalars_as_labels_and_name_what_is_missing(tmp_path: Path) -> None:
    lines = [
        *('{"text": "a", "label": true}', '{"text": "b", "label": "no"}', '{"text": "c", "label": 2.0}'),
        *('{"text": "d"}', '{"text": 5, "label": null}', "[1]", "{", '{"text": "\\ud800", "label": 1}'),
    ]
    table = read_rows(written(tmp_path, "a.jsonl", "\n".join(lines)))
    assert [row.label for row in table.rows] == ["1", "no", "2"]
    assert [row.line for row in table.broken] == [4, 5, 6, 7, 8]
    for word, row in zip(("'label'", "'label'", "object", "JSON", "half"), table.broken, strict=True):
        assert word in row.reason


def test_broken_rows_are_named_with_their_lines_and_passed_over(tmp_path: Path) -> None:
    content = b"sentence\tlabel\ngood\t1\n\t1\nx\n\xff\xfe\t1\n\na\tb\tc\nq\t\nbad\t0\n\n\n"
    table = read_rows(written(tmp_path, "a.tsv", content), check=lambda row: "so bad" if "bad" in row.texts[0] else "")
    assert [row.texts[0] for row in table.rows] == ["good"]
    assert table.broken == (
        BrokenRow(3, "the text is empty"),
        BrokenRow(4, "1 column instead of 2"),
        BrokenRow(5, "not valid UTF-8 (byte 1 of the line)"),
        BrokenRow(6, "the line is blank"),
        BrokenRow(7, "3 columns instead of 2"),
        BrokenRow(8, "the label is empty"),
        BrokenRow(9, "so bad"),
    )


def test_columns_are_named_or_numbered(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "id\tfoo\tbar\tgood\n1\tx\ty\t0\n")
    named = read_rows(path, Columns("foo", "bar", "good"), texts=2)
    assert named.rows == (Row(("x", "y"), "0", 2),)
    plain = written(tmp_path, "b.tsv", "7\tx\ty\t0\n7\tv\tw\t1\n")
    assert read_rows(plain, Columns("3", "2", "4"), texts=2).rows == (Row(("y", "x"), "0", 1), Row(("w", "v"), "1", 2))


@pytest.mark.parametrize(
    ("content", "texts", "row"),
    [
        ("a\tb\t1\n", 2, Row(("a", "b"), "1", 1)),
        ("1\ta\tb\n", 2, Row(("a", "b"), "1", 1)),
        ("1\t55\t66\ta\tb\n", 2, Row(("a", "b"), "1", 1)),
        ("a\t1\n", 1, Row(("a",), "1", 1)),
        ("1\ta\n", 1, Row(("a",), "1", 1)),
    ],
)
def test_without_a_header_columns_are_guessed_by_their_place(
    tmp_path: Path, content: str, texts: int, row: Row
) -> None:
    assert read_rows(written(tmp_path, "a.tsv", content), texts=texts).rows == (row,)


def test_plain_text_has_a_text_a_line_and_needs_no_label(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "one\n\ntwo\n")
    assert read_rows(path, label=LabelUse.OPTIONAL).rows == (Row(("one",), "", 1), Row(("two",), "", 3))
    with pytest.raises(InputError, match="label"):
        read_rows(path)


def test_two_texts_where_the_header_names_a_pair(tmp_path: Path) -> None:
    pair = written(tmp_path, "a.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\n")
    single = written(tmp_path, "b.tsv", "sentence\tlabel\na\t1\n")
    assert read_rows(pair, texts=0).rows[0].texts == ("a", "b")
    assert read_rows(single, texts=0).rows[0].texts == ("a",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", "no rows"),
        ("a.tsv", "sentence\tlabel\n", "no rows"),
        ("a.tsv", "sentence\tlabel\n\t1\nx\n", "none of the 2 rows.*line 2: the text is empty"),
        ("a.tsv", "sentence\tlabel\nx\t1\n".encode("utf-16"), "UTF-16"),
        ("a.tsv", "foo\tlabel\tbar\nx\t1\ty\n", "the text; there are foo, label, bar"),
        ("a.tsv", "sentence\tfoo\nx\t1\n", "hold the label"),
    ],
)
def test_what_is_no_table_is_one_clear_error(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_rows(written(tmp_path, name, content))


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="No such file"):
        read_rows(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="folder"):
        read_rows(tmp_path)
    with pytest.raises(InputError, match="no column 'foo'; there are sentence, label"):
        read_rows(written(tmp_path, "a.tsv", "sentence\tlabel\nx\t1\n"), Columns("foo"))


def test_a_limit_counts_usable_rows_and_too_many_rows_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a.tsv", "sentence\tlabel\n" + "\t1\nx\t1\n" * 4)
    table = read_rows(path, limit=2)
    assert ([row.line for row in table.rows], [row.line for row in table.broken]) == ([3, 5], [2, 4])
    assert MAX_ROWS > 400_000  # GLUE's largest, MNLI, has 392,702
    monkeypatch.setattr("core.tables.rows.MAX_ROWS", 5)
    with pytest.raises(InputError, match="more than 5 rows"):
        read_rows(path)


def test_a_whole_file_is_one_text_without_its_broken_lines(tmp_path: Path) -> None:
    text, broken = read_lines(written(tmp_path, "a.txt", b"one\n\xff\ntwo\n"))
    assert text == "one\ntwo\n"
    assert [row.line for row in broken] == [2]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(_TEXT, st.integers(0, 9)), min_size=1, max_size=8))
def test_any_text_comes_back_from_csv_and_json_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    sheet = io.StringIO()
    csv.writer(sheet).writerows([("text", "label"), *rows])
    lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
    for name, content in (("a.csv", sheet.getvalue()), ("a.jsonl", lines)):
        found = read_rows(written(folder, name, content)).rows
        assert [(row.texts[0], int(row.label)) for row in found] == rows
