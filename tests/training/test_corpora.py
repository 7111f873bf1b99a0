"""The cut into training and held-out documents."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from training.corpora import read_all, split_documents


@given(st.lists(st.text(max_size=8), max_size=200))
def test_no_document_is_on_both_sides_and_none_is_lost(documents: list[str]) -> None:
    corpus = split_documents("any", documents)
    train, held_out = set(corpus.train), set(corpus.held_out)
    assert not train & held_out
    assert train | held_out == {d.strip() for d in documents} - {""}


@given(st.integers(1, 400))
def test_every_fiftieth_document_is_held_out(count: int) -> None:
    corpus = split_documents("any", [f"document {index}" for index in range(count)])
    assert len(corpus.held_out) == -(-count // 50)


def test_the_cut_is_the_same_every_time(tiny_data: Path) -> None:
    assert read_all(tiny_data) == read_all(tiny_data)


def test_corpora_are_cut_into_their_own_kind_of_document(tiny_data: Path) -> None:
    stories, books, wiki = read_all(tiny_data)
    assert [len(c.train) + len(c.held_out) for c in (stories, books, wiki)] == [110, 60, 110]
    assert "\n\n" in books.train[0]
    assert "\n\n" not in wiki.train[0]
