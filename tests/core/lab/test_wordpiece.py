"""The WordPiece walk: the genuine tokenizer's pieces for any word, and every look into the vocabulary on the way."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from core.lab.wordpiece import MAX_CHARACTERS, UNKNOWN, walk
from core.models.registry import tokenizer_folder
from core.text.tokenization import TextTokenizer

COURSE = frozenset({"play", "##play", "##ing", "##ed", "##er", "un", "##able"})
FOLDER = tokenizer_folder("bert-base-uncased")

LETTERS = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=24)
WORDS = st.one_of(
    LETTERS, st.text(min_size=1, max_size=12), st.sampled_from(["안녕하세요", "naïve", "中文字", "🦊", "’t"])
)


@cache
def berts() -> tuple[TextTokenizer, Tokenizer]:
    """The genuine tokenizer as this program reads it, and as it is."""
    return TextTokenizer.from_folder("bert", FOLDER), Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


def genuine_tokens(text: str) -> list[str]:
    """What `tokenizers` itself makes of a text."""
    tokens: list[str] = berts()[1].encode(text, add_special_tokens=False).tokens
    return tokens


def walked_tokens(text: str) -> list[str]:
    """The walks of every word of a text, with BERT's vocabulary."""
    tokenizer = berts()[0]
    return [token for word in tokenizer.words(text) for token in walk(word, tokenizer.entries).tokens]


def test_the_courses_word_is_tried_from_its_end_until_a_piece_is_found() -> None:
    walked = walk("playing", COURSE)
    assert [(one.piece, one.start, one.end, one.found) for one in walked.tries] == [
        ("playing", 0, 7, False),
        ("playin", 0, 6, False),
        ("playi", 0, 5, False),
        ("play", 0, 4, True),
        ("##ing", 4, 7, True),
    ]
    assert walked.tokens == ("play", "##ing")


def test_a_piece_inside_a_word_is_another_entry_than_the_same_letters_at_its_start() -> None:
    assert walk("unplayable", COURSE).tokens == ("un", "##play", "##able")
    assert walk("unplayable", COURSE - {"##play"}).tokens == (UNKNOWN,)


def test_a_word_that_ends_in_nothing_known_is_unknown_as_a_whole() -> None:
    walked = walk("playx", COURSE)
    assert walked.tokens == (UNKNOWN,)
    assert [one.piece for one in walked.tries if one.found] == ["play"]
    assert walked.tries[-1].piece == "##x"


def test_a_word_of_more_than_a_hundred_characters_is_not_looked_at() -> None:
    assert walk("a" * MAX_CHARACTERS, {"a", "##a"}).tokens[0] == "a"
    longer = walk("a" * (MAX_CHARACTERS + 1), {"a", "##a"})
    assert (longer.tokens, longer.tries, longer.too_long) == ((UNKNOWN,), (), True)


def test_nothing_becomes_nothing() -> None:
    assert walk("", COURSE).tokens == ()


def test_the_courses_sentence_is_split_and_found_whole() -> None:
    text = "I love natural language processing!"
    assert walked_tokens(text) == ["i", "love", "natural", "language", "processing", "!"]
    assert berts()[0].words(text) == ("i", "love", "natural", "language", "processing", "!")


@given(WORDS)
def test_any_word_is_cut_as_the_genuine_tokenizer_cuts_it(word: str) -> None:
    assert walked_tokens(word) == genuine_tokens(word)


@given(
    st.lists(st.one_of(WORDS, st.sampled_from(["[MASK]", "[SEP]", "[mask]", "x" * 101, "\x00", "don't"])), max_size=8)
)
def test_any_text_is_cut_as_the_genuine_tokenizer_cuts_it(words: list[str]) -> None:
    text = " ".join(words)
    assert walked_tokens(text) == genuine_tokens(text)


@given(LETTERS)
def test_the_tries_of_a_word_shrink_from_its_end_and_the_found_ones_make_it_up(word: str) -> None:
    entries = berts()[0].entries
    walked = walk(word, entries)
    for before, after in zip(walked.tries, walked.tries[1:], strict=False):
        expected = (before.end, len(word)) if before.found else (before.start, before.end - 1)
        assert (after.start, after.end) == expected
    assert all(one.found == (one.piece in entries) for one in walked.tries)
    if walked.tokens != (UNKNOWN,):
        assert "".join(token.removeprefix("##") for token in walked.tokens) == word
