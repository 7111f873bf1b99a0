"""Notes about Unicode normal forms: when a text is not NFC, and when a normalizer takes letters apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.registry import tokenizer_folder
from core.text.normal_forms import nfc_note, normalizer_note, not_nfc
from core.text.tokenization import TextTokenizer


@pytest.fixture(scope="module")
def gpt2() -> TextTokenizer:
    return TextTokenizer.from_folder("gpt2", tokenizer_folder("gpt2"))


@pytest.fixture(scope="module")
def bert() -> TextTokenizer:
    return TextTokenizer.from_folder("BERT", tokenizer_folder("bert-base-uncased"))


def test_a_letter_in_parts_is_named_with_its_parts() -> None:
    assert not_nfc("cafe\u0301 au lait") == "é = U+0065 U+0301"
    assert not_nfc("가 \u1112\u1161\u11ab국") == "한 = U+1112 U+1161 U+11AB"
    assert not_nfc("\u212b") == "Å = U+212B"
    assert not_nfc("café 한국 👩‍👩‍👧 ❤️") == ""


@given(st.text())
def test_every_text_that_is_not_nfc_has_a_letter_that_says_so(text: str) -> None:
    assert bool(not_nfc(text)) == (not unicodedata.is_normalized("NFC", text))


def test_a_text_that_is_not_nfc_says_what_it_costs(gpt2: TextTokenizer) -> None:
    text = unicodedata.normalize("NFD", "한국")
    own, composed = len(gpt2.ids(text)), len(gpt2.ids("한국"))
    assert own > composed
    (note,) = gpt2.notes(text)
    assert note == f"not NFC: 한 = U+1112 U+1161 U+11AB (NFC: {composed} tokens)"
    assert gpt2.notes("한국 café") == ()


def test_no_cost_is_told_where_the_tokenizer_sees_no_difference(bert: TextTokenizer) -> None:
    assert bert.ids("cafe\u0301") == bert.ids("café")
    assert nfc_note("cafe\u0301", bert.ids) == ""


def test_bert_splits_hangul_into_jamo_and_says_so(bert: TextTokenizer) -> None:
    (note,) = bert.notes("The 득템 of the day")
    assert note == "득템 is split into 6 jamo: ㄷㅡㄱㅌㅔㅁ"
    jamo = unicodedata.normalize("NFD", "득템")
    assert "".join(piece.text for piece in bert.pieces("득템")[1:-1]) == jamo


def test_dropped_accents_are_told_and_a_lower_case_is_not(bert: TextTokenizer) -> None:
    assert bert.notes("Une Été à Paris") == ("Été is read as ete: accents are dropped",)
    assert bert.notes("ΑΘΗΝΑ Ünter") == ("Ünter is read as unter: accents are dropped",)
    assert bert.notes("ПРИВЕТ 中国 👍 “quoted”") == ()
    assert bert.notes("Hello World") == ()


def test_a_long_word_is_cut() -> None:
    note = normalizer_note("가" * 50, lambda word: unicodedata.normalize("NFD", word))
    assert note == f"{'가' * 16}… is split into 100 jamo: {'ㄱㅏ' * 6}…"


def test_a_jamo_without_a_letter_of_its_own_is_its_code_point() -> None:
    note = normalizer_note("가", lambda _: "\u1100\u115f")
    assert note.endswith("2 jamo: ㄱU+115F")


@given(text=st.text())
def test_any_text_has_notes_of_one_line_each(text: str, bert: TextTokenizer) -> None:
    for note in bert.notes(text):
        assert note
        assert len(note.split("\n")) == 1
        assert len(note) < 200
